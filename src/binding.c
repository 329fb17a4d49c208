/* SPDX-License-Identifier: MIT
 *
 * Bindings: what the table of core/binding.c asks for.
 *
 * Happy path: queued in call order; sent when the connection is ready; bound by the host's answer; after a
 * loss queued again.
 *
 * Failures: a full queue waits for writable; no memory for the request is tried again after 10 ms; a deadline
 * fails a one-shot binding, and ends the connection under a persistent one; a refusal is the end, or asked
 * again with a growing wait. Every end first ends the binding's calls.
 */
#include "client.h"
#include "probes.h"

#include <errno.h>
#include <string.h>

enum { NO_MEMORY_WAIT_MS = 10 };

void binding_release_memory(hawser_binding *binding)
{
	hawser_loop *loop = binding->loop;

	task_drop(&binding->task);
	timers_cancel(&loop->timers, &binding->timer);
	timers_unreserve(&loop->timers, 1);
	memory_release(&loop->memory, binding->name, strlen(binding->name) + 1);
	words_drop(&loop->memory, &binding->host_words);
	slots_give(&loop->binding_slots, binding);
	loop_drop(loop);
}

static void leave_client(hawser_binding *binding)
{
	binding_fire(&binding->machine, BINDING_EVENT_told);
	list_remove(&binding->link);
	client_give_request(binding->client);
}

static void tell_owner(
    hawser_binding *binding, enum hawser_binding_event event, const struct hawser_error *error)
{
	if (event == HAWSER_BINDING_BOUND)
		binding->bound_told = true;
	else
		binding->bound_told = false;
	binding->telling = true;
	if (!binding->silent)
		binding->callback(binding, event, error, binding->user);
	binding->telling = false;
}

static void tell(struct task *task)
{
	hawser_binding *binding = container_of(task, struct hawser_binding, task);
	bool over = binding->machine.state == BINDING_releasing;
	bool with_error = binding->event != HAWSER_BINDING_BOUND || binding->lost_untold;
	struct hawser_error error;

	if (with_error)
		error_fill(&error, binding->loop, binding->client, &binding->failure, binding->began_ns);
	if (binding->lost_untold) {
		binding->lost_untold = false;
		tell_owner(binding, HAWSER_BINDING_LOST, &error);
		if (!over)
			return;
	}
	if (over)
		leave_client(binding);
	tell_owner(binding, (enum hawser_binding_event)binding->event, with_error ? &error : NULL);
	if (!over)
		return;
	binding->client = NULL; /* it may go from here on */
	if (!binding->held)
		binding_release_memory(binding);
}

/* Behind what was queued since it was queued last: the ends of its calls. */
static void tell_later(hawser_binding *binding)
{
	task_drop(&binding->task);
	loop_queue(binding->loop, &binding->task);
}

static void tell_bound(struct binding *machine)
{
	hawser_binding *binding = (hawser_binding *)machine;

	binding->event = HAWSER_BINDING_BOUND;
	tell_later(binding);
}

/* Bound and lost before its owner was told of either: nothing to tell. */
static void tell_lost(struct binding *machine)
{
	hawser_binding *binding = (hawser_binding *)machine;

	task_drop(&binding->task);
	binding->lost_untold = binding->bound_told;
	if (binding->lost_untold)
		loop_queue(binding->loop, &binding->task);
}

static void tell_end(struct binding *machine)
{
	tell_later((hawser_binding *)machine);
}

static void moved(struct binding *machine, enum binding_state from, const char *why)
{
	hawser_binding *binding = (hawser_binding *)machine;

	PROBE(binding, binding->client->number, binding, binding->name, (int)from, (int)machine->state, why);
	loop_log(binding->loop, HAWSER_LOG_DEBUG, binding->client, "binding %s: %s -> %s: %s", binding->name,
	    binding_machine.state_names[from], binding_machine.state_names[machine->state], why);
}

static void missing(struct binding *machine, enum binding_event event)
{
	hawser_binding *binding = (hawser_binding *)machine;
	hawser_client *client = binding->client;
	struct failure failure;

	binding->loop->moves_missing++;
	loop_log(binding->loop, HAWSER_LOG_ERROR, binding->client,
	    "a bug in hawser: no move of a binding from %s on %s; its connection is given up",
	    binding_machine.state_names[machine->state], binding_machine.event_names[event]);
	if (!client || !client->session)
		return;
	failure_set(&failure, -EPROTO, HAWSER_STAGE_NONE, "a bug in hawser: its table of moves has a gap");
	session_fail(client, &failure);
}

static const struct binding_effects binding_effects = {
    .tell_bound = tell_bound,
    .tell_lost = tell_lost,
    .tell_end = tell_end,
    .moved = moved,
    .missing = missing,
};

static void unbind_service(hawser_binding *binding, hawser_connection *session)
{
	void *service = binding->service;

	binding->service = NULL;
	if (service && session && session->protocol->unbind)
		session->protocol->unbind(session, session->state, service);
}

static void forget_request(hawser_binding *binding, hawser_connection *session)
{
	if (session && binding->request.id)
		requests_remove(&session->requests, &binding->request);
	binding->request.id = 0;
}

void binding_end(hawser_binding *binding, enum hawser_binding_event event, const struct failure *failure)
{
	static const enum binding_event events[] = {
	    [HAWSER_BINDING_REFUSED] = BINDING_EVENT_refused,
	    [HAWSER_BINDING_FAILED] = BINDING_EVENT_failed,
	    [HAWSER_BINDING_RELEASED] = BINDING_EVENT_given_up,
	};
	hawser_connection *session = binding->client ? binding->client->session : NULL;

	if (binding->machine.state >= BINDING_releasing)
		return;
	calls_end(binding, failure);
	forget_request(binding, session);
	unbind_service(binding, session);
	timers_cancel(&binding->loop->timers, &binding->timer);
	binding->event = (uint8_t)event;
	binding->failure = *failure;
	binding_fire(&binding->machine, events[event]);
	session_look_for_end(binding->client);
}

static void sleep_for(hawser_binding *binding, uint64_t ns)
{
	uint64_t until_ns = loop_now(binding->loop) + ns;

	binding->asleep = true;
	if (binding->one_shot && until_ns > binding->deadline_at_ns)
		until_ns = binding->deadline_at_ns;
	timers_arm(&binding->loop->timers, &binding->timer, until_ns);
}

static void now_bound(hawser_binding *binding, void *service)
{
	hawser_client *client = binding->client;

	timers_cancel(&client->loop->timers, &binding->timer);
	binding->service = service;
	binding->refusals = 0;
	if (binding->was_bound)
		client->counters.rebinds++;
	binding->was_bound = true;
	binding_fire(&binding->machine, BINDING_EVENT_accepted);
	calls_send_waiting(binding);
}

static int send_request(hawser_binding *binding)
{
	hawser_connection *session = binding->client->session;
	uint64_t id = session->next_id + 1;
	int result = requests_add(&session->requests, &binding->request, id);

	if (result < 0)
		return result;
	binding->request.kind = REQUEST_BINDING;
	session->asking = true;
	result = session->protocol->bind(session, session->state, id, binding->name);
	session->asking = false;
	if (result < 0)
		forget_request(binding, session);
	else
		session->next_id = id;
	return result;
}

bool binding_send(hawser_binding *binding)
{
	hawser_client *client = binding->client;
	struct failure failure;
	int result;

	if (binding->machine.state == BINDING_bound)
		return calls_send_waiting(binding);
	if (binding->machine.state != BINDING_queued || binding->asleep)
		return true;
	if (client->protocol->flags & HAWSER_PROTOCOL_STREAM) {
		binding_fire(&binding->machine, BINDING_EVENT_sent);
		now_bound(binding, NULL);
		return true;
	}
	result = send_request(binding);
	if (result == -ENOBUFS && client->session->wire.refused)
		return false;
	if (result == -ENOMEM ||
	    result == -ENOBUFS) { /* the protocol's own, then: nothing will tell of room */
		sleep_for(binding, NO_MEMORY_WAIT_MS * 1000000ULL);
		return true;
	}
	if (result < 0) {
		failure_set(&failure, result, HAWSER_STAGE_BIND, NULL);
		binding_end(binding, HAWSER_BINDING_FAILED, &failure);
		return true;
	}
	binding_fire(&binding->machine, BINDING_EVENT_sent);
	if (!binding->one_shot)
		timers_arm(&client->loop->timers, &binding->timer,
		    loop_after_ms(client->loop, binding->deadline_ms));
	return true;
}

static void timer_expired(struct timer *timer)
{
	hawser_binding *binding = container_of(timer, struct hawser_binding, timer);
	hawser_client *client = binding->client;
	struct failure failure;

	failure_set(&failure, -ETIMEDOUT, HAWSER_STAGE_BIND, "the host did not answer the bind in time");
	if (binding->one_shot && binding->loop->now_ns >= binding->deadline_at_ns) {
		binding_end(binding, HAWSER_BINDING_FAILED, &failure);
		return;
	}
	if (binding->asleep) {
		binding->asleep = false;
		if (binding->one_shot)
			timers_arm(&client->loop->timers, &binding->timer, binding->deadline_at_ns);
		if (session_takes_requests(client))
			binding_send(binding);
		return;
	}
	client->connection.useful =
	    false; /* such a connection counts as a failed round, whatever it answered before */
	session_fail(client, &failure);
}

void binding_answered(hawser_binding *binding, void *service)
{
	binding->request.id = 0;
	now_bound(binding, service);
}

void binding_refused(hawser_binding *binding, const struct failure *failure)
{
	const struct backoff *backoff = &binding->client->connection.backoff;
	uint64_t wait_ns = backoff->base_ns;

	binding->request.id = 0;
	if (failure->code == -ENOMEM) { /* of ours, for what the host offered: not its refusal */
		binding_fire(&binding->machine, BINDING_EVENT_put_back);
		sleep_for(binding, NO_MEMORY_WAIT_MS * 1000000ULL);
		return;
	}
	if (failure->cause != HAWSER_CAUSE_REFUSED) {
		binding_end(binding, HAWSER_BINDING_FAILED, failure);
		return;
	}
	if (!binding->retry_refused) {
		binding_end(binding, HAWSER_BINDING_REFUSED, failure);
		return;
	}
	for (uint32_t i = 0; i < binding->refusals && wait_ns < backoff->cap_ns; i++)
		wait_ns *= 2;
	binding->refusals++;
	binding_fire(&binding->machine, BINDING_EVENT_put_back);
	sleep_for(binding, wait_ns < backoff->cap_ns ? wait_ns : backoff->cap_ns);
}

void binding_connection_went(
    hawser_binding *binding, hawser_connection *session, const struct failure *failure)
{
	bool bound = binding->machine.state == BINDING_bound;

	if (!bound && binding->machine.state != BINDING_binding)
		return;
	forget_request(binding, session);
	unbind_service(binding, session);
	if (binding->one_shot) {
		binding->lost_untold = bound && binding->bound_told;
		binding_end(binding, HAWSER_BINDING_FAILED, failure);
		return;
	}
	timers_cancel(&binding->loop->timers, &binding->timer);
	binding->failure = *failure;
	binding_fire(&binding->machine, bound ? BINDING_EVENT_lost : BINDING_EVENT_put_back);
}

void binding_round_failed(hawser_binding *binding, const struct failure *failure)
{
	if (binding->fail_fast && binding->machine.state == BINDING_queued)
		binding_end(binding, HAWSER_BINDING_FAILED, failure);
}

void binding_init(hawser_binding *binding, hawser_client *client)
{
	binding->machine.effects = &binding_effects;
	binding->client = client;
	binding->loop = client->loop;
	binding->timer.expired = timer_expired;
	binding->began_ns = loop_now(client->loop);
	list_init(&binding->calls);
	list_init(&binding->link);
	task_init(&binding->task, tell);
	loop_hold(client->loop);
}
