/* SPDX-License-Identifier: MIT
 *
 * The public face of bindings; binding.c does what the table asks for.
 *
 * Failures of hawser_bind are told at once and change nothing; a second binding of a service is one that ends
 * as refused.
 */
#include "client.h"
#include "probes.h"

#include <errno.h>
#include <string.h>

enum { SERVICE_NAME_MAX = 255 };

/* The live binding of this service, or NULL. */
static hawser_binding *find_service(hawser_client *client, const char *service)
{
	for (struct list *link = client->bindings.next; link != &client->bindings; link = link->next) {
		hawser_binding *binding = container_of(link, struct hawser_binding, link);

		if (binding->machine.state < BINDING_releasing && strcmp(binding->name, service) == 0)
			return binding;
	}
	return NULL;
}

void hawser_bind_options_init(struct hawser_bind_options *options)
{
	const struct hawser_bind_options defaults = {HAWSER_DEFAULTS_hawser_bind_options};

	*options = defaults;
}

static hawser_binding *binding_new(hawser_client *client, const char *service)
{
	hawser_loop *loop = client->loop;
	size_t size = strlen(service) + 1;
	hawser_binding *binding;
	uint64_t id;

	if (timers_reserve(&loop->timers, 1) < 0)
		return NULL;
	binding = slots_take(&loop->binding_slots, &id);
	if (binding)
		binding->name = memory_allocate(&loop->memory, size);
	if (!binding || !binding->name) {
		if (binding)
			slots_give(&loop->binding_slots, binding);
		timers_unreserve(&loop->timers, 1);
		return NULL;
	}
	memcpy(binding->name, service, size);
	binding_init(binding, client);
	return binding;
}

static void binding_begin(hawser_binding *binding, const hawser_binding *other)
{
	hawser_client *client = binding->client;
	struct failure failure;

	list_append(&client->bindings, &binding->link);
	PROBE(bind, client->number, binding, binding->name);
	if (other) {
		failure_set(
		    &failure, -EEXIST, HAWSER_STAGE_BIND, "the client has bound this service already");
		failure.cause = HAWSER_CAUSE_REFUSED;
		binding_end(binding, HAWSER_BINDING_REFUSED, &failure);
		return;
	}
	if (binding->one_shot) {
		binding->deadline_at_ns = loop_after_ms(client->loop, binding->deadline_ms);
		timers_arm(&client->loop->timers, &binding->timer, binding->deadline_at_ns);
	}
	/* While others wait for room in the queue it waits behind them: the writable task sends them in
	 * order. */
	if (session_takes_requests(client) && !client->session->wire.refused &&
	    !task_queued(&client->writable_task))
		binding_send(binding);
}

static int bind_check(
    hawser_client *client, const struct hawser_bind_options *options, hawser_on_binding callback)
{
	size_t size = options->service ? strlen(options->service) : 0;

	if (size == 0 || size > SERVICE_NAME_MAX || !callback || options->deadline_ms == 0)
		return -EINVAL;
	if (!(client->protocol->flags & (HAWSER_PROTOCOL_CALLS | HAWSER_PROTOCOL_STREAM)))
		return -EOPNOTSUPP;
	return 0;
}

int hawser_bind_with(hawser_client *client, const struct hawser_bind_options *given,
    hawser_on_binding callback, void *user, hawser_binding **ret_binding)
{
	struct hawser_bind_options options;
	hawser_binding *binding;
	hawser_binding *other;
	int result = client_enter(client);

	if (result < 0)
		return result;
	hawser_bind_options_init(&options);
	result = given ? options_copy(&options, sizeof(options), sizeof(options), given) : -EINVAL;
	if (result == 0)
		result = bind_check(client, &options, callback);
	if (result < 0)
		return result;
	other = find_service(client, options.service);
	if (other && other->callback == callback && other->user == user)
		return -EALREADY;
	result = client_take_request(client);
	if (result < 0)
		return result;
	binding = binding_new(client, options.service);
	if (!binding) {
		client_untake_request(client);
		return -ENOMEM;
	}
	binding->callback = callback;
	binding->user = user;
	binding->one_shot = options.one_shot;
	binding->fail_fast = options.fail_fast || client->fail_fast;
	binding->retry_refused = options.retry_refused;
	binding->deadline_ms =
	    options.deadline_ms == HAWSER_AUTO ? client->bind_deadline_ms : options.deadline_ms;
	binding->held = ret_binding != NULL;
	binding_begin(binding, other);
	if (ret_binding)
		*ret_binding = binding;
	return 0;
}

int hawser_bind(hawser_client *client, const char *service, hawser_on_binding callback, void *user,
    hawser_binding **ret_binding)
{
	HAWSER_OPTIONS(hawser_bind_options, options, .service = service);

	return hawser_bind_with(client, &options, callback, user, ret_binding);
}

static const struct failure given_up = {
    .code = -ECANCELED,
    .stage = HAWSER_STAGE_NONE,
    .cause = HAWSER_CAUSE_CANCELLED,
    .text = "released by its owner",
};

int hawser_binding_release(hawser_binding *binding)
{
	int result = loop_enter(binding->loop);

	if (result < 0)
		return result;
	if (binding->machine.state >= BINDING_releasing)
		return -ESTALE;
	binding_end(binding, HAWSER_BINDING_RELEASED, &given_up);
	return 0;
}

void hawser_binding_free(hawser_binding *binding)
{
	if (!binding || loop_is_forked(binding->loop))
		return;
	loop_enter(binding->loop);
	binding->held = false;
	binding->silent = true;
	if (binding->machine.state == BINDING_released) {
		if (!binding->telling)
			binding_release_memory(binding);
		return;
	}
	binding_end(binding, HAWSER_BINDING_RELEASED, &given_up);
}

enum hawser_binding_state hawser_binding_state(const hawser_binding *binding)
{
	return (enum hawser_binding_state)binding->machine.state;
}

const char *hawser_binding_service(const hawser_binding *binding)
{
	return binding->name;
}

hawser_client *hawser_binding_client(const hawser_binding *binding)
{
	return binding->client && binding->client->held ? binding->client : NULL;
}
