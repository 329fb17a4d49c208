/* SPDX-License-Identifier: MIT
 *
 * An actor: a client that says what it is told. This file is what a user of hawser writes; the rest of the
 * demo is scenery.
 */
#include "demo.h"

#include <stdio.h>
#include <string.h>

hawser_binding *actor_bindings[3];

static uint64_t since_ms(uint64_t ns)
{
	return ns / 1000000;
}

static void keep_error(struct actor *actor, const struct hawser_error *error)
{
	actor->last = *error;
	snprintf(actor->last_address, sizeof(actor->last_address), "%s", error->address);
	snprintf(actor->last_text, sizeof(actor->last_text), "%s", error->text);
}

/* " (500 ms)" where the sentence speaks of the attempt's deadline, else "". */
static const char *deadline_of(const struct actor *actor, const struct hawser_error *error)
{
	static char text[32];

	text[0] = '\0';
	if (error->cause == HAWSER_CAUSE_DEADLINE && error->stage == HAWSER_STAGE_CONNECT &&
	    actor->attempt_deadline_ms != HAWSER_AUTO)
		snprintf(text, sizeof(text), " (%u ms)", actor->attempt_deadline_ms);
	return text;
}

static void say_change(struct actor *actor, const struct hawser_change *change)
{
	const struct hawser_error *error = change->error;

	switch (change->to) {
	case HAWSER_READY:
		say(actor->name, "ready: attempt %u, %s", change->attempt, change->address);
		return;
	case HAWSER_WAITING:
		if (!error)
			return;
		say(actor->name, "attempt %u: %s at %s, %s%s; next round in %llu ms", change->attempt,
		    hawser_errno_name(error->code), hawser_stage_name(error->stage), error->text,
		    deadline_of(actor, error), (unsigned long long)since_ms(change->next_retry_ns));
		return;
	case HAWSER_CLOSED:
		if (error && error->cause != HAWSER_CAUSE_CANCELLED)
			say(actor->name, "gave up after %u rounds: %s at %s, %s%s; address %s", change->round,
			    hawser_errno_name(error->code), hawser_stage_name(error->stage), error->text,
			    deadline_of(actor, error), change->address);
		return;
	default:
		return;
	}
}

static void on_change(hawser_client *client, const struct hawser_change *change, void *user)
{
	struct actor *actor = user;
	uint64_t now_ns = hawser_loop_now_ns(hawser_client_loop(client));

	if (change->error)
		keep_error(actor, change->error);
	if (change->from == HAWSER_READY)
		actor->began_ns = now_ns;
	if (change->to == HAWSER_READY && actor->ready_count < SAMPLES_MAX)
		actor->ready_ns[actor->ready_count++] = now_ns - actor->began_ns;
	if (actor->loud)
		say_change(actor, change);
}

static void on_binding(
    hawser_binding *binding, enum hawser_binding_event event, const struct hawser_error *error, void *user)
{
	struct actor *actor = user;
	uint64_t now_ns = hawser_loop_now_ns(hawser_client_loop(actor->client));

	if (event == HAWSER_BINDING_BOUND && actor->bound_count < SAMPLES_MAX)
		actor->bound_ns[actor->bound_count++] = now_ns - actor->began_ns;
	if (actor->loud && event != HAWSER_BINDING_RELEASED)
		say(actor->name, "service %s: %s%s%s", hawser_binding_service(binding),
		    hawser_binding_event_name(event), error ? ", " : "", error ? error->text : "");
}

void actor_on_reply(hawser_call *call, const struct hawser_bytes *reply, bool more,
    const struct hawser_error *error, void *user)
{
	struct actor *actor = user;

	(void)call;
	if (error)
		say(actor->name, "call failed: %s, %s; the host has %s it", hawser_errno_name(error->code),
		    error->text,
		    error->fate == HAWSER_FATE_MAYBE_EXECUTED ? "maybe executed" : "not executed");
	else if (reply->size)
		say(actor->name, "%s \"%.*s\"", more ? "stream" : "reply", (int)reply->size,
		    (const char *)reply->data);
	actor->replies++;
}

void actor_start(struct actor *actor, hawser_loop *loop, struct hawser_client_options *options)
{
	options->name = actor->name;
	options->user = actor;
	options->on_change = on_change;
	actor->attempt_deadline_ms = options->attempt_deadline_ms;
	actor->began_ns = hawser_loop_now_ns(loop);
	if (hawser_client_new(loop, options, &actor->client) < 0)
		say(actor->name, "no client for %s", options->target);
}

void actor_bind(struct actor *actor, const char *service)
{
	static const char *const names[] = {"Echo", "Counter", "Slow"};
	hawser_binding **place = NULL;

	for (size_t i = 0; i < 3; i++)
		if (actor->loud && strcmp(names[i], service) == 0)
			place = &actor_bindings[i];
	if (hawser_bind(actor->client, service, on_binding, actor, place) == 0 && actor->loud)
		say(actor->name, "asks for service %s: queued, there is no connection yet", service);
}
