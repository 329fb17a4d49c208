/* SPDX-License-Identifier: MIT
 *
 * The promises about setups, bindings and calls: one terminal answer each, none that nobody sent, and a fate
 * that is true.
 */
#include "world.h"

#include <errno.h>

void oracle_setup(struct sim_client *client, const struct hawser_error *error)
{
	struct world *world = client->world;

	if (!client->setup_asked || client->setup_answered)
		violated(world, "the setup of client %u is answered %s", client->index,
		    client->setup_asked ? "a second time" : "and was never asked for");
	if (client->freed)
		violated(world, "client %u was freed, and is told of its setup", client->index);
	if (error)
		oracle_error(world, error);
	client->setup_answered = true;
}

/* ---- bindings ---- */

static bool is_over(const struct sim_client *client)
{
	return client->freed || client->world->loop_freed || client->told >= HAWSER_DRAINING ||
	       hawser_client_state(client->handle) >= HAWSER_DRAINING;
}

static void check_calls_before_loss(const struct sim_binding *binding, bool at_end)
{
	const struct world *world = binding->world;

	for (uint32_t i = 0; i < world->user.calls_count; i++) {
		const struct sim_call *call = &world->user.calls[i];

		if (!call->made || call->freed || call->ended || call->no_reply ||
		    call->binding != binding->index)
			continue;
		if (at_end || call->taken)
			violated(world, "binding %u is told of its %s before its call %u is", binding->index,
			    at_end ? "end" : "loss", call->index);
	}
}

static void bound(struct sim_binding *binding)
{
	const struct world *world = binding->world;
	const struct sim_client *client = &world->user.clients[binding->client];

	if (binding->bound)
		violated(world, "binding %u is told BOUND twice", binding->index);
	if (!client->raw && binding->bounds >= binding->accepts)
		violated(world, "binding %u is bound, and no host accepted it", binding->index);
	binding->bound = true;
	binding->bounds++;
}

static void check_refusal(const struct sim_binding *binding, const struct hawser_error *error)
{
	const struct world *world = binding->world;

	if (error->code == -EEXIST && !binding->duplicate)
		violated(
		    world, "binding %u is said to be there already, and is the only one", binding->index);
	if (error->code != -EEXIST && !binding->refusals)
		violated(world, "binding %u is refused, and no host refused it", binding->index);
	if (error->code != -EEXIST && binding->retry_refused)
		violated(
		    world, "binding %u is refused for good, and was to be asked for again", binding->index);
}

static void check_failure(const struct sim_binding *binding, const struct hawser_error *error)
{
	const struct world *world = binding->world;
	const struct sim_client *client = &world->user.clients[binding->client];

	if (binding->one_shot || binding->fail_fast || client->options.fail_fast || is_over(client))
		return;
	if (error->code == -EMSGSIZE || error->code == -ENOMEM)
		return;
	if (error->cause != HAWSER_CAUSE_PROTOCOL || !binding->nonsense)
		violated(world, "binding %u is persistent and fails: %s", binding->index,
		    hawser_errno_name(error->code));
}

void oracle_binding(struct sim_binding *binding, hawser_binding *handle, enum hawser_binding_event event,
    const struct hawser_error *error)
{
	const struct world *world = binding->world;

	if (!binding->made || binding->freed || binding->ended)
		violated(world, "binding %u %s and is told %s", binding->index,
		    binding->freed   ? "was freed"
		    : binding->ended ? "has ended"
				     : "was never made",
		    hawser_binding_event_name(event));
	if (binding->handle && binding->handle != handle)
		violated(world, "binding %u is told with another one's handle", binding->index);
	if ((event == HAWSER_BINDING_BOUND) != (error == NULL))
		violated(world, "binding %u is told %s with%s error", binding->index,
		    hawser_binding_event_name(event), error ? " an" : "out");
	if (error)
		oracle_error(world, error);
	binding->pending_connection = 0;
	if (event == HAWSER_BINDING_BOUND) {
		bound(binding);
		return;
	}
	if (event == HAWSER_BINDING_LOST) {
		if (!binding->bound)
			violated(world, "binding %u is lost and was not bound", binding->index);
		check_calls_before_loss(binding, false);
		binding->bound = false;
		return;
	}
	check_calls_before_loss(binding, true);
	if (event == HAWSER_BINDING_REFUSED)
		check_refusal(binding, error);
	if (event == HAWSER_BINDING_FAILED)
		check_failure(binding, error);
	if (event == HAWSER_BINDING_FAILED && binding->bound)
		violated(world, "binding %u was bound, and fails without having been lost", binding->index);
	binding->ended = true;
}

/* ---- calls ---- */

static void check_reply(struct sim_call *call, const struct hawser_bytes *reply, bool more)
{
	const struct world *world = call->world;
	const uint8_t *bytes = reply->data;
	uint32_t sequence = call->replies++;

	if (reply->size < TEXT_HEADER || word_get(bytes) != REPLY_MAGIC)
		violated(world, "call %u is given something that no host sent", call->index);
	if (word_get(bytes + 4) != call->index)
		violated(world, "call %u is given the reply to call %u", call->index, word_get(bytes + 4));
	if (word_get(bytes + 8) != sequence)
		violated(world, "call %u is given reply %u instead of %u", call->index, word_get(bytes + 8),
		    sequence);
	if (word_get(bytes + 12) != reply->size)
		violated(world, "call %u is given %zu bytes of a reply of %u", call->index, reply->size,
		    word_get(bytes + 12));
	for (size_t i = TEXT_HEADER; i < reply->size; i++)
		if (bytes[i] != pattern_byte(call->index + sequence, i))
			violated(world, "call %u is given a reply with a wrong byte at %zu", call->index, i);
	if (more != (sequence + 1 < call->count))
		violated(world, "call %u: more is %d with reply %u of %u", call->index, more, sequence + 1,
		    call->count);
	if (!call->executed || call->replies_sent <= sequence)
		violated(world, "call %u is given a reply before the host sent it", call->index);
}

static void check_fate(struct sim_call *call, const struct hawser_error *error)
{
	const struct world *world = call->world;

	switch (error->fate) {
	case HAWSER_FATE_NONE:
		violated(world, "call %u fails, and its fate is not told", call->index);
	case HAWSER_FATE_ANSWERED:
		if (!call->failures_sent)
			violated(world, "call %u is said to be answered by a failure that no host sent",
			    call->index);
		break;
	case HAWSER_FATE_NEVER_SENT:
	case HAWSER_FATE_SENT:
		if (call->taken)
			violated(world, "call %u is reported as %s, and the kernel has it", call->index,
			    hawser_fate_name(error->fate));
		call->claimed_unsent = true;
		break;
	case HAWSER_FATE_MAYBE_EXECUTED:
		/* Cancelled or overdue in the queue it may still be sent. */
		if (!call->given && !call->taken &&
		    (error->cause == HAWSER_CAUSE_PROTOCOL || error->cause == HAWSER_CAUSE_LOST))
			violated(world,
			    "call %u is said to be executed maybe, and the kernel never had all of it",
			    call->index);
		break;
	}
	if (error->code == -ENOSYS && error->stage == HAWSER_STAGE_CALL && !call->missing &&
	    error->fate != HAWSER_FATE_ANSWERED)
		violated(world, "call %u is told that its method is missing", call->index);
}

void oracle_reply_fd(const struct sim_call *call, int fd, unsigned taken)
{
	struct world *world = call->world;
	uint64_t tag = reply_tag(call->index, call->replies - 1);
	const struct descriptor *descriptor = descriptor_find(world, fd);

	if (fd >= 0) {
		if (!descriptor || !descriptor->open || descriptor->holder != HOLDER_LIBRARY)
			violated(world, "call %u is given a descriptor that is none, or not the library's",
			    call->index);
		if (descriptor->tag != tag)
			violated(world, "call %u is given a descriptor of another reply", call->index);
		return;
	}
	for (uint32_t i = 0; i < world->network.descriptors_count; i++)
		if (world->network.descriptors[i].tag == tag && world->network.descriptors[i].open)
			violated(world, "call %u was given %u descriptors, and more came with its reply",
			    call->index, taken);
}

/* Nothing is cancelled that nobody gave up. */
static void check_cancelled(const struct sim_call *call)
{
	const struct world *world = call->world;
	const struct sim_binding *binding = &world->user.bindings[call->binding];
	const struct sim_client *client = &world->user.clients[binding->client];

	if (call->cancel_asked || binding->release_asked || binding->freed || client->freed ||
	    client->close_asked || client->drain_asked || client->connect_asked || world->loop_freed)
		return;
	violated(world, "call %u is told that it was cancelled, and nobody did", call->index);
}

void oracle_reply(struct sim_call *call, hawser_call *handle, const struct hawser_bytes *reply, bool more,
    const struct hawser_error *error)
{
	const struct world *world = call->world;

	if (!call->made || call->freed || call->ended || call->no_reply)
		violated(world, "call %u %s and is told something", call->index,
		    call->freed   ? "was freed"
		    : call->ended ? "has ended"
				  : "was never made");
	if (call->handle && call->handle != handle)
		violated(world, "call %u is told with another one's handle", call->index);
	if ((error == NULL) == (reply == NULL) || (error && more))
		violated(world, "call %u is told neither a reply nor an end", call->index);
	if (error) {
		oracle_error(world, error);
		check_fate(call, error);
		if (error->cause == HAWSER_CAUSE_CANCELLED)
			check_cancelled(call);
	} else {
		check_reply(call, reply, more);
		if (!world->user.bindings[call->binding].bounds)
			violated(world, "call %u is answered before its binding was ever bound", call->index);
	}
	call->ended = error || !more;
}

/* ---- the hosts' side ---- */

void oracle_executed(
    struct world *world, const struct sim_connection *connection, uint32_t number, uint32_t service)
{
	struct sim_call *call;

	(void)connection;
	if (number >= SETUP_NUMBER)
		return;
	call = &world->user.calls[number];
	if (call->executed)
		violated(world, "call %u is executed twice", number);
	if (call->claimed_unsent)
		violated(world, "call %u was reported as never sent, and is executed", number);
	if (world->user.bindings[call->binding].service != service)
		violated(world, "call %u is executed by service %u", number, service);
	if (call->missing)
		violated(world, "call %u invokes a method that the host never listed", number);
	call->executed = true;
}

void oracle_answering(
    struct world *world, const struct sim_connection *connection, const struct answer *answer)
{
	bool about_call = answer->kind >= ANSWER_REPLY;
	struct sim_binding *binding;
	struct sim_call *call;

	if (about_call && answer->number >= SETUP_NUMBER)
		return;
	if (about_call) {
		call = &world->user.calls[answer->number];
		if (answer->kind == ANSWER_REPLY)
			call->replies_sent++;
		else
			call->failures_sent++;
		if (answer->kind != ANSWER_REPLY || answer->sequence + 1 >= answer->count)
			call->answered_on = connection_id(world, connection);
		return;
	}
	for (uint32_t i = 0; i < world->user.bindings_count; i++) {
		binding = &world->user.bindings[i];
		if (!binding->made || (int)binding->client != connection->client ||
		    binding->service != answer->number)
			continue;
		binding->pending_connection = 0; /* a refusal may be told to nobody, and asked again */
		binding->accepts += answer->kind == ANSWER_BOUND;
		binding->refusals += answer->kind == ANSWER_BIND_EMPTY || answer->kind == ANSWER_BIND_REFUSED;
		binding->nonsense += answer->kind == ANSWER_BIND_ERROR ||
				     answer->kind == ANSWER_BIND_WRONG_KIND ||
				     answer->kind == ANSWER_BIND_BROKEN;
	}
}

/* ---- timers and posts ---- */

void oracle_timer(struct sim_timer *timer)
{
	struct world *world = timer->world;

	if (!timer->made || timer->freed || !timer->armed)
		violated(world, "timer %u fires and %s", timer->index,
		    timer->freed ? "was freed" : "is not armed");
	if (world->now < timer->due_ns)
		violated(world, "timer %u fires %llu ns early", timer->index,
		    (unsigned long long)(timer->due_ns - world->now));
	for (uint32_t i = 0; i < world->user.timers_count; i++) {
		const struct sim_timer *other = &world->user.timers[i];

		if (other->armed && other->due_ns == timer->due_ns && other->order < timer->order)
			violated(world,
			    "timer %u fires before timer %u, which was started earlier for the same moment",
			    timer->index, other->index);
	}
	timer->armed = timer->period_ns != 0;
	timer->due_ns = world->now + timer->period_ns;
	timer->order = world->user.timer_order++;
}

void oracle_post(struct sim_post *post)
{
	struct world *world = post->world;

	if (!post->accepted || post->ran)
		violated(world, "post %u runs %s", post->index, post->ran ? "twice" : "and was refused");
	for (uint32_t i = 0; i < post->index; i++)
		if (world->user.posts[i].accepted && !world->user.posts[i].ran)
			violated(world, "post %u runs before post %u", post->index, i);
	post->ran = true;
	world->user.posts_ran++;
}
