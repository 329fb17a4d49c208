/* SPDX-License-Identifier: MIT
 *
 * What moves a connection: completions, timers, wishes and failures become events of its table here, one
 * after the other. Effects (round.c) never move it themselves; what they find out at once is `next` and is
 * looked at when the effect is done.
 */
#include "client.h"
#include "probes.h"

#include <errno.h>

static void fire(hawser_client *client, enum connection_event event)
{
	connection_fire(&client->connection, event);
	client->moved_ns = client->loop->now_ns; /* effects read the clock */
	tell_change_settled(client);
}

static void take_next(hawser_client *client)
{
	enum client_next next = client->next;
	struct failure failure = client->next_failure;

	client->next = NEXT_NONE;
	switch (next) {
	case NEXT_NONE:
		return;
	case NEXT_RESOLVED:
		fire(client, CONNECTION_EVENT_resolved);
		return;
	case NEXT_PREPARED:
		fire(client, CONNECTION_EVENT_prepared);
		return;
	case NEXT_HANDED_OVER:
		fire(client, CONNECTION_EVENT_handed_over);
		return;
	case NEXT_ATTEMPT_FAILED:
		attempt_remember(client, &failure);
		if (client->addresses_next < client->addresses_count) {
			client_failure_take(client, &failure);
			fire(client, CONNECTION_EVENT_attempt_failed);
			return;
		}
		client_fail(client, &failure);
		return;
	case NEXT_FAILED:
		client_fail(client, &failure);
		return;
	}
}

void client_fire(hawser_client *client, enum connection_event event)
{
	fire(client, event);
	while (client->next != NEXT_NONE)
		take_next(client);
}

static enum connection_event failure_event(const hawser_client *client)
{
	switch ((enum connection_state)client->connection.state) {
	case CONNECTION_preparing:
	case CONNECTION_ready:
	case CONNECTION_draining:
		return CONNECTION_EVENT_lost;
	default:
		return CONNECTION_EVENT_round_failed;
	}
}

void client_failure_take(hawser_client *client, const struct failure *failure)
{
	client->failure = *failure;
	client->counters.causes[failure->cause]++;
	PROBE(failed, client->number, client->name, client->connection.attempt, failure->code,
	    (int)failure->stage, (int)failure->cause);
}

void client_fail(hawser_client *client, const struct failure *failure)
{
	struct connection *connection = &client->connection;
	bool backlog_full = failure->cause == HAWSER_CAUSE_BACKLOG_FULL;
	enum connection_event event = failure_event(client);
	uint64_t now_ns = loop_now(client->loop);
	uint64_t random = loop_random(client->loop);

	client_failure_take(client, failure);
	if (connection->state == CONNECTION_preparing || connection->state == CONNECTION_resolving)
		attempt_remember(client, failure);
	if (connection->state == CONNECTION_ready || connection->state == CONNECTION_draining)
		client->counters.losses++;
	if (!connection_failed(connection, now_ns, random, backlog_full) &&
	    connection->state != CONNECTION_draining)
		event = CONNECTION_EVENT_gave_up;
	client_fire(client, event);
}

void client_give_up(hawser_client *client, const struct failure *failure)
{
	loop_now(client->loop);
	attempt_remember_cut(client, failure);
	client_failure_take(client, failure);
	client_fire(client, CONNECTION_EVENT_gave_up);
}

void client_stop(hawser_client *client, int code, const char *text)
{
	if (client_is_over(client))
		return;
	failure_set(&client->end, code, HAWSER_STAGE_NONE, text);
	client_fire(client, CONNECTION_EVENT_stopped);
}

static void timer_expired(struct timer *timer)
{
	hawser_client *client = container_of(timer, struct hawser_client, timer);
	struct failure failure;

	switch ((enum connection_state)client->connection.state) {
	case CONNECTION_waiting:
		client_fire(client, CONNECTION_EVENT_elapsed);
		return;
	case CONNECTION_resolving:
		failure_set(&failure, -ETIMEDOUT, HAWSER_STAGE_RESOLVE, "the name was not resolved in time");
		client_fail(client, &failure);
		return;
	case CONNECTION_preparing:
	case CONNECTION_ready: /* a setup that was asked for on a ready connection */
		failure_set(
		    &failure, -ETIMEDOUT, HAWSER_STAGE_SETUP, "the host did not finish the setup in time");
		client_fail(client, &failure);
		return;
	case CONNECTION_draining:
		failure_set(&client->end, -ECANCELED, HAWSER_STAGE_NONE, "the drain's deadline passed");
		client_fire(client, CONNECTION_EVENT_overdue);
		return;
	default:
		return;
	}
}

static void overall_expired(struct timer *timer)
{
	hawser_client *client = container_of(timer, struct hawser_client, overall_timer);
	struct failure failure;

	failure_set(&failure, -ETIMEDOUT, HAWSER_STAGE_CONNECT,
	    "no connection was ready before the overall deadline");
	if (client->failure.code)
		failure.stage = client->failure.stage;
	client_give_up(client, &failure);
}

static void useful_expired(struct timer *timer)
{
	hawser_client *client = container_of(timer, struct hawser_client, useful_timer);

	connection_was_useful(&client->connection);
}

static void step(struct task *task)
{
	hawser_client *client = container_of(task, struct hawser_client, step_task);

	if (client->connection.state == CONNECTION_draining && session_answered(client)) {
		failure_set(&client->end, -ECANCELED, HAWSER_STAGE_NONE, "drained");
		client_fire(client, CONNECTION_EVENT_drained);
	}
	if (client->connection.state == CONNECTION_closing && client->busy == 0)
		client_fire(client, CONNECTION_EVENT_released);
}

void client_timers_init(hawser_client *client)
{
	client->timer.expired = timer_expired;
	client->overall_timer.expired = overall_expired;
	client->useful_timer.expired = useful_expired;
	task_init(&client->step_task, step);
}

void client_release_when_done(hawser_client *client)
{
	if (client->busy == 0 && client->connection.state == CONNECTION_closing)
		loop_queue(client->loop, &client->step_task);
}

void client_retry(hawser_client *client)
{
	if (client->connection.state == CONNECTION_waiting)
		client_fire(client, CONNECTION_EVENT_elapsed);
}

void client_path_appeared(hawser_client *client, uint64_t delay_ns)
{
	if (client->connection.state != CONNECTION_waiting) {
		client->path_hit = true;
		return;
	}
	connection_ladder_begins(&client->connection);
	timers_arm(&client->loop->timers, &client->timer, loop_now(client->loop) + delay_ns);
}
