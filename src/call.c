/* SPDX-License-Identifier: MIT
 *
 * Calls: sent at once on a bound binding, waiting in order on one that is not, answered once or as a stream.
 *
 * Failures: a call's end is told once: the host's failure, its deadline, its cancelling, the loss of its
 * connection, the end of its binding. fate says what may have become of it; on a loss it follows from how
 * much of the outgoing stream the kernel has taken. A call that is cancelled while its bytes are queued may
 * still be executed.
 */
#include "client.h"
#include "probes.h"

#include <errno.h>
#include <string.h>

static void waiting_copy_free(hawser_call *call)
{
	struct engine *engine = call->loop->engine;

	if (!call->copy)
		return;
	for (size_t i = 0; i < call->fds_count; i++)
		engine->operations->close(engine, call->fds[i]);
	memory_release(&call->loop->memory, call->copy, call->copy_size);
	call->client->waiting_bytes -= (uint32_t)call->copy_size;
	client_look_for_room(call->client);
	call->copy = NULL;
	call->fds = NULL;
	call->fds_count = 0;
}

void call_release_memory(hawser_call *call)
{
	hawser_loop *loop = call->loop;

	task_drop(&call->task);
	words_drop(&loop->memory, &call->host_words);
	slots_give(&loop->call_slots, call);
	loop_drop(loop);
}

/* Takes the call out of everything but its owner's hands. */
static void leave_binding(hawser_call *call)
{
	if (call->state == CALL_WAITING)
		call->binding->calls_waiting--;
	waiting_copy_free(call);
	timers_cancel(&call->loop->timers, &call->timer);
	timers_unreserve(&call->loop->timers, 1);
	list_remove(&call->link);
	call->state = CALL_ENDING;
}

static void call_over(hawser_call *call)
{
	call->state = CALL_ENDED;
	client_give_request(call->client);
	call->client = NULL;
	call->binding = NULL;
}

static void tell_reply(hawser_call *call)
{
	struct hawser_bytes reply = call->reply;
	bool over = !call->more;

	call->reply_waits = false;
	if (over)
		PROBE(call_end, call->client->number, call, 0, HAWSER_FATE_ANSWERED);
	if (!call->silent)
		call->callback(call, &reply, call->more, NULL, call->user);
	if (over)
		call_over(call);
}

static void tell_failure(hawser_call *call)
{
	struct hawser_error error;

	error_fill(&error, call->loop, call->client, &call->failure, call->began_ns);
	PROBE(call_end, call->client->number, call, call->failure.code, (int)call->failure.fate);
	call_over(call);
	if (!call->silent && call->callback)
		call->callback(call, NULL, false, &error, call->user);
}

static void tell(struct task *task)
{
	hawser_call *call = container_of(task, struct hawser_call, task);

	call->telling = true;
	if (call->reply_waits)
		tell_reply(call);
	else if (call->state == CALL_ENDING)
		tell_failure(call);
	call->telling = false;
	if (call->state == CALL_ENDED && !call->held)
		call_release_memory(call);
}

void call_answered(hawser_call *call, const struct hawser_bytes *reply, bool more)
{
	call->reply = *reply;
	call->more = more;
	call->reply_waits = true;
	if (!more) {
		call->request.id = 0;
		leave_binding(call);
	}
	loop_queue(call->loop, &call->task);
}

void call_fail(hawser_call *call, const struct failure *failure)
{
	hawser_connection *session = call->client->session;

	if (call->state >= CALL_ENDING)
		return;
	if (session && call->request.id)
		requests_remove(&session->requests, &call->request);
	call->request.id = 0;
	call->failure = *failure;
	if (call->failure.fate == HAWSER_FATE_NONE)
		call->failure.fate =
		    call->state == CALL_WAITING ? HAWSER_FATE_NEVER_SENT : HAWSER_FATE_MAYBE_EXECUTED;
	call->reply_waits = false;
	leave_binding(call);
	loop_queue(call->loop, &call->task);
	session_look_for_end(call->client);
}

static enum hawser_fate fate_on_loss(const hawser_call *call, const struct wire *wire)
{
	uint64_t possibly = wire->sending ? wire->sending_to : wire->sent_to;

	if (call->sent_from >= possibly)
		return HAWSER_FATE_NEVER_SENT;
	return call->sent_to > possibly ? HAWSER_FATE_SENT : HAWSER_FATE_MAYBE_EXECUTED;
}

void calls_connection_went(hawser_binding *binding, hawser_connection *session, const struct failure *failure)
{
	struct list *next;

	for (struct list *link = binding->calls.next; link != &binding->calls; link = next) {
		hawser_call *call = container_of(link, struct hawser_call, link);
		struct failure told = *failure;

		next = link->next;
		if (call->state != CALL_SENT)
			continue;
		requests_remove(&session->requests, &call->request);
		call->request.id = 0;
		told.fate = (uint8_t)fate_on_loss(call, &session->wire);
		call_fail(call, &told);
	}
}

void calls_end(hawser_binding *binding, const struct failure *failure)
{
	while (!list_empty(&binding->calls))
		call_fail(container_of(binding->calls.next, struct hawser_call, link), failure);
}

/* Gives the call to the protocol; on success its place in the outgoing stream is known. */
int call_send(hawser_call *call, const struct hawser_protocol_call *what)
{
	hawser_binding *binding = call->binding;
	hawser_connection *session = call->client->session;
	uint64_t id = session->next_id + 1;
	int result = 0;

	if (!what->no_reply)
		result = requests_add(&session->requests, &call->request, id);
	if (result < 0)
		return result;
	call->request.kind = REQUEST_CALL;
	call->sent_from = session->wire.queued_to;
	session->asking = true;
	result = session->protocol->invoke(session, session->state, id, binding->service, what);
	session->asking = false;
	if (result < 0) {
		if (!what->no_reply)
			requests_remove(&session->requests, &call->request);
		call->request.id = 0;
		return result;
	}
	session->next_id = id;
	call->sent_to = session->wire.queued_to;
	call->state = CALL_SENT;
	return 0;
}

/* A call without a reply is over when it is with the wire: there is nothing to tell. */
void call_is_over_unanswered(hawser_call *call)
{
	timers_cancel(&call->loop->timers, &call->timer);
	timers_unreserve(&call->loop->timers, 1);
	list_remove(&call->link);
	PROBE(call_end, call->client->number, call, 0, HAWSER_FATE_NONE);
	call_over(call);
	if (!call->held)
		call_release_memory(call);
}

void call_fail_unsent(hawser_call *call, int code)
{
	struct failure failure;

	failure_set(&failure, code, HAWSER_STAGE_CALL,
	    code == -ENOSYS     ? "the host does not list this method"
	    : code == -EMSGSIZE ? "the call does not fit a frame"
				: NULL);
	failure.fate = HAWSER_FATE_NEVER_SENT;
	call_fail(call, &failure);
}

bool calls_send_waiting(hawser_binding *binding)
{
	struct list *next;

	for (struct list *link = binding->calls.next; link != &binding->calls; link = next) {
		hawser_call *call = container_of(link, struct hawser_call, link);
		struct hawser_protocol_call what = {
		    call->method, call->arguments, call->fds, call->fds_count, call->callback == NULL};
		int result;

		next = link->next;
		if (call->state != CALL_WAITING)
			continue;
		if (!binding->client->session->protocol->invoke) {
			call_fail_unsent(call, -EOPNOTSUPP);
			continue;
		}
		result = call_send(call, &what);
		if (result == -ENOBUFS && binding->client->session->wire.refused)
			return false;
		if (result < 0) {
			call_fail_unsent(call, result);
			continue;
		}
		binding->calls_waiting--;
		call->fds_count = 0; /* the wire's now */
		waiting_copy_free(call);
		if (what.no_reply)
			call_is_over_unanswered(call);
	}
	return true;
}

static void timer_expired(struct timer *timer)
{
	hawser_call *call = container_of(timer, struct hawser_call, timer);
	struct failure failure;

	failure_set(&failure, -ETIMEDOUT, HAWSER_STAGE_CALL, "the call was not answered before its deadline");
	call_fail(call, &failure);
}

void call_init(hawser_call *call, hawser_binding *binding)
{
	call->binding = binding;
	call->client = binding->client;
	call->loop = binding->loop;
	call->began_ns = loop_now(binding->loop);
	call->timer.expired = timer_expired;
	list_init(&call->link);
	task_init(&call->task, tell);
	loop_hold(binding->loop);
}
