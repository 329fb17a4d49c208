/* SPDX-License-Identifier: MIT
 *
 * Setup: the user's own exchange at every connect, kept as parameters, run by the protocol, answered to its
 * owner once.
 *
 * Happy path: asked for before the connect it waits for the handshake, afterwards it runs at once; done, it
 * lets the connection be ready. A failure, a loss or the end while the answer is owed is the answer; the
 * exchange itself is run again at every later connect.
 */
#include "client.h"

#include <errno.h>
#include <string.h>

enum { SETUP_REQUEST_MAX = 131072 - 64 };

void hawser_setup_options_init(struct hawser_setup_options *options)
{
	const struct hawser_setup_options defaults = {HAWSER_DEFAULTS_hawser_setup_options};

	*options = defaults;
}

static void tell(struct task *task)
{
	struct setup *setup = container_of(task, struct setup, task);
	hawser_client *client = setup->client;
	hawser_loop *loop = client->loop;
	struct failure failure = setup->failure;
	struct hawser_error error;

	if (!setup->told || !client->held)
		return;
	if (failure.code == 0) {
		setup->told(client, NULL, setup->user);
		return;
	}
	error_fill(&error, loop, client, &failure, setup->began_ns);
	setup->told(client, &error, setup->user);
}

void setup_answer(hawser_client *client, const struct failure *failure)
{
	static const struct failure none;
	struct setup *setup = client->setup;

	if (!setup || !setup->pending)
		return;
	setup->pending = false;
	setup->failure = failure ? *failure : none;
	loop_queue(client->loop, &setup->task);
}

static void now_prepared(hawser_client *client)
{
	if (client->connection.state == CONNECTION_ready)
		timers_cancel(&client->loop->timers, &client->timer);
	else if (client->connection.state == CONNECTION_draining) /* the timer is the drain's */
		session_look_for_end(client);
	else if (session_in_effect(client))
		client_next(client, NEXT_PREPARED, NULL);
	else
		client_fire(client, CONNECTION_EVENT_prepared);
}

void setup_done(hawser_client *client)
{
	client->session->in_setup = false;
	setup_answer(client, NULL);
	now_prepared(client);
}

/* The protocol may end the session, or the exchange, from within. */
static int exchange_begin(hawser_client *client)
{
	hawser_connection *session = client->session;
	int result;

	session->in_setup = true;
	wire_enter(&session->wire);
	result = session->protocol->setup(session, session->state, &client->setup->options);
	if (result < 0)
		session->in_setup = false;
	else if (result == 0 && session->attached && session->in_setup)
		setup_done(client);
	wire_leave(&session->wire);
	return result;
}

void setup_begin(hawser_client *client)
{
	struct failure failure;
	int result;

	if (!client->setup) {
		now_prepared(client);
		return;
	}
	result = exchange_begin(client);
	if (result >= 0)
		return;
	failure_set(&failure, result, HAWSER_STAGE_SETUP, "the setup's request could not be sent");
	session_fail(client, &failure);
}

static char *copy_string(struct memory *memory, const char *text, size_t *ret_size)
{
	char *copy;

	*ret_size = text ? strlen(text) + 1 : 0;
	copy = text ? memory_allocate(memory, *ret_size) : NULL;
	if (copy)
		memcpy(copy, text, *ret_size);
	return copy;
}

static void setup_release(struct memory *memory, struct setup *setup)
{
	memory_release(memory, setup->service, setup->service_size);
	memory_release(memory, setup->method, setup->method_size);
	memory_release(memory, setup->request, setup->request_size);
	memory_release(memory, setup, sizeof(*setup));
}

void setup_free(hawser_client *client)
{
	if (!client->setup)
		return;
	task_drop(&client->setup->task);
	setup_release(&client->loop->memory, client->setup);
	client->setup = NULL;
}

static struct setup *setup_copy(struct memory *memory, const struct hawser_setup_options *options)
{
	struct setup *setup = memory_allocate(memory, sizeof(*setup));

	if (!setup)
		return NULL;
	setup->options = *options;
	setup->service = copy_string(memory, options->service, &setup->service_size);
	setup->method = copy_string(memory, options->method, &setup->method_size);
	setup->request_size = options->request.size;
	if (setup->request_size)
		setup->request = memory_allocate(memory, setup->request_size);
	if ((options->service && !setup->service) || (options->method && !setup->method) ||
	    (setup->request_size && !setup->request)) {
		setup_release(memory, setup);
		return NULL;
	}
	if (setup->request_size)
		memcpy(setup->request, options->request.data, setup->request_size);
	setup->options.service = setup->service;
	setup->options.method = setup->method;
	setup->options.request.data = setup->request;
	task_init(&setup->task, tell);
	return setup;
}

static int setup_check(const hawser_client *client, const struct hawser_setup_options *options)
{
	bool calls = client->protocol->flags & HAWSER_PROTOCOL_CALLS;

	if (!client->protocol->setup || (options->request.size && !options->request.data))
		return -EINVAL;
	if (calls && (!options->service || !options->service[0] || !options->method || !options->method[0]))
		return -EINVAL;
	if (options->request.size > SETUP_REQUEST_MAX || options->request.size > client->unsent_bytes_max)
		return -EMSGSIZE;
	return 0;
}

int hawser_client_setup(
    hawser_client *client, const struct hawser_setup_options *given, hawser_on_setup callback, void *user)
{
	struct hawser_setup_options options;
	int result = client_enter(client);

	if (result < 0)
		return result;
	if (client->setup)
		return -EALREADY;
	hawser_setup_options_init(&options);
	result = given ? options_copy(&options, sizeof(options), sizeof(options), given) : -EINVAL;
	if (result == 0)
		result = setup_check(client, &options);
	if (result < 0)
		return result;
	client->setup = setup_copy(&client->loop->memory, &options);
	if (!client->setup)
		return -ENOMEM;
	client->setup->client = client;
	client->setup->told = callback;
	client->setup->user = user;
	client->setup->pending = true;
	client->setup->began_ns = loop_now(client->loop);
	if (!client->session || client->connection.state != CONNECTION_ready)
		return 0;
	timers_arm(
	    &client->loop->timers, &client->timer, loop_after_ms(client->loop, client->setup_deadline_ms));
	result = exchange_begin(client);
	if (result >= 0)
		return 0;
	/* Nothing was sent and nobody was told: as if it had not been asked for. */
	timers_cancel(&client->loop->timers, &client->timer);
	setup_free(client);
	return result;
}
