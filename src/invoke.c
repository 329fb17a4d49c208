/* SPDX-License-Identifier: MIT
 *
 * The public face of calls; call.c does what happens to them.
 *
 * Failures of hawser_invoke are told at once and change nothing, but for a method that the host does not
 * list: that is told in the callback, as every answer of the host is.
 */
#include "client.h"
#include "probes.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static int call_keep(hawser_call *call, const struct hawser_protocol_call *what)
{
	size_t method_size = strlen(what->method) + 1;
	size_t fds_at = (method_size + what->arguments.size + sizeof(int) - 1) / sizeof(int) * sizeof(int);
	size_t size = fds_at + what->fds_count * sizeof(int);
	char *copy;

	if (wire_check_fds(call->loop->engine, what->fds, what->fds_count) < 0)
		return -EBADF;
	if (size > call->client->unsent_bytes_max)
		return -EMSGSIZE;
	if (call->client->waiting_bytes + size > call->client->unsent_bytes_max) {
		call->client->wants_room = true;
		return -ENOBUFS;
	}
	copy = memory_allocate(&call->loop->memory, size);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, what->method, method_size);
	if (what->arguments.size)
		memcpy(copy + method_size, what->arguments.data, what->arguments.size);
	if (what->fds_count)
		memcpy(copy + fds_at, what->fds, what->fds_count * sizeof(int));
	call->copy = copy;
	call->copy_size = size;
	call->method = copy;
	call->arguments.data = copy + method_size;
	call->arguments.size = what->arguments.size;
	call->fds = (const int *)(const void *)(copy + fds_at);
	call->fds_count = what->fds_count;
	call->client->waiting_bytes += (uint32_t)size;
	call->binding->calls_waiting++;
	return 0;
}

static hawser_call *call_new(hawser_binding *binding)
{
	hawser_loop *loop = binding->loop;
	hawser_call *call;
	uint64_t id;

	if (timers_reserve(&loop->timers, 1) < 0)
		return NULL;
	call = slots_take(&loop->call_slots, &id);
	if (!call) {
		timers_unreserve(&loop->timers, 1);
		return NULL;
	}
	call_init(call, binding);
	return call;
}

static int call_begin(hawser_call *call, const struct hawser_protocol_call *what, uint32_t deadline_ms)
{
	hawser_binding *binding = call->binding;
	struct engine *engine = call->loop->engine;
	bool at_once = binding->machine.state == BINDING_bound && binding->calls_waiting == 0 &&
		       session_takes_requests(call->client);
	int result = at_once ? call_send(call, what) : call_keep(call, what);

	if (result < 0 && result != -ENOSYS)
		return result;
	list_append(&binding->calls, &call->link);
	if (result == -ENOSYS) {
		for (size_t i = 0; i < what->fds_count; i++) /* they are hawser's: the call was taken */
			engine->operations->close(engine, what->fds[i]);
		call->state = CALL_SENT; /* it does not count as waiting; its fate is given */
		call_fail_unsent(call, result);
		return 0;
	}
	timers_arm(&call->loop->timers, &call->timer,
	    deadline_ms == HAWSER_NONE ? ENGINE_NEVER : loop_after_ms(call->loop, deadline_ms));
	return 0;
}

static int invoke_check(hawser_binding *binding, const struct hawser_invoke_options *options)
{
	hawser_client *client = binding->client;
	const struct hawser_protocol *protocol;

	if (binding->machine.state >= BINDING_releasing || !client || !client->held)
		return -ESTALE;
	protocol = client->protocol;
	if (!options->method || !options->method[0] || options->deadline_ms == 0 ||
	    (options->arguments.size && !options->arguments.data) || options->fds_count > ENGINE_FDS_MAX ||
	    (options->fds_count && !options->fds))
		return -EINVAL;
	if (!protocol->invoke || (options->fds_count && !client->is_unix))
		return -EOPNOTSUPP;
	if (options->arguments.size > protocol->frame_max)
		return -EMSGSIZE;
	if (options->fail_fast && binding->machine.state != BINDING_bound)
		return -ENOTCONN;
	return 0;
}

void hawser_invoke_options_init(struct hawser_invoke_options *options)
{
	const struct hawser_invoke_options defaults = {HAWSER_DEFAULTS_hawser_invoke_options};

	*options = defaults;
}

static int call_make(hawser_binding *binding, const struct hawser_invoke_options *options,
    hawser_on_reply callback, void *user, hawser_call **ret_call)
{
	hawser_client *client = binding->client;
	struct hawser_protocol_call what = {
	    options->method, options->arguments, options->fds, options->fds_count, callback == NULL};
	uint32_t deadline_ms;
	hawser_call *call;
	int result;

	assert(client);
	deadline_ms = options->deadline_ms == HAWSER_AUTO ? client->call_deadline_ms : options->deadline_ms;
	result = client_take_request(client);

	if (result < 0)
		return result;
	call = call_new(binding);
	if (!call) {
		client_untake_request(client);
		return -ENOMEM;
	}
	call->callback = callback;
	call->user = user;
	call->held = ret_call != NULL;
	PROBE(call_begin, client->number, binding, call, options->method);
	result = call_begin(call, &what, deadline_ms);
	if (result < 0) {
		PROBE(call_end, client->number, call, result, HAWSER_FATE_NEVER_SENT);
		timers_unreserve(&call->loop->timers, 1);
		client_untake_request(client);
		call_release_memory(call);
		return result;
	}
	if (ret_call)
		*ret_call = call;
	if (call->state == CALL_SENT && what.no_reply)
		call_is_over_unanswered(call);
	return 0;
}

int hawser_invoke_with(hawser_binding *binding, const struct hawser_invoke_options *given,
    hawser_on_reply callback, void *user, hawser_call **ret_call)
{
	struct hawser_invoke_options options;
	int result = loop_enter(binding->loop);

	if (result < 0)
		return result;
	if (binding->client) {
		result = client_enter(binding->client);
		if (result < 0)
			return result;
	}
	hawser_invoke_options_init(&options);
	result = given ? options_copy(&options, sizeof(options), sizeof(options), given) : -EINVAL;
	if (result == 0)
		result = invoke_check(binding, &options);
	return result < 0 ? result : call_make(binding, &options, callback, user, ret_call);
}

int hawser_invoke(hawser_binding *binding, const char *method, const void *arguments, size_t size,
    hawser_on_reply callback, void *user, hawser_call **ret_call)
{
	HAWSER_OPTIONS(hawser_invoke_options, options, .method = method, .arguments = {arguments, size});

	return hawser_invoke_with(binding, &options, callback, user, ret_call);
}

static const struct failure cancelled = {
    .code = -ECANCELED,
    .stage = HAWSER_STAGE_CALL,
    .cause = HAWSER_CAUSE_CANCELLED,
    .text = "cancelled by its owner",
};

int hawser_call_cancel(hawser_call *call)
{
	int result = loop_enter(call->loop);

	if (result < 0)
		return result;
	if (call->state >= CALL_ENDING)
		return -ESTALE;
	call_fail(call, &cancelled);
	return 0;
}

void hawser_call_free(hawser_call *call)
{
	if (!call || loop_is_forked(call->loop))
		return;
	loop_enter(call->loop);
	call->held = false;
	call->silent = true;
	if (call->state == CALL_ENDED) {
		if (!call->telling)
			call_release_memory(call);
		return;
	}
	call_fail(call, &cancelled);
}

int hawser_call_take_fd(hawser_call *call)
{
	hawser_connection *session = call->client ? call->client->session : NULL;

	if (loop_is_forked(call->loop))
		return -ECHILD;
	if (!call->telling || !session)
		return -ENOENT;
	return wire_take_fd(&session->wire, session->frame_end);
}
