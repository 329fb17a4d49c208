/* SPDX-License-Identifier: MIT
 *
 * The public face of a client: making, connecting, draining, closing and freeing it. What a connection does
 * is in round.c and advance.c, what happens on it in session.c.
 *
 * A client lives until it is closed, everybody was told, the kernel has given everything back, and its owner
 * has freed it.
 */
#include "client.h"
#include "client_options.h"

#include <errno.h>
#include <string.h>

int client_enter(hawser_client *client)
{
	int result = loop_enter(client->loop);

	if (result < 0)
		return result;
	if (client_is_over(client) || client->connection.state == CONNECTION_draining || !client->held)
		return -ESTALE;
	return 0;
}

int client_take_request(hawser_client *client)
{
	if (client->requests_count >= client->requests_max) {
		client->wants_room = true;
		return -ENOBUFS;
	}
	client->requests_count++;
	return 0;
}

static bool has_room(const hawser_client *client)
{
	return client->requests_count < client->requests_max &&
	       client->waiting_bytes <= client->unsent_bytes_max / 2;
}

void client_look_for_room(hawser_client *client)
{
	if (client->wants_room && has_room(client))
		loop_queue(client->loop, &client->writable_task);
}

void client_give_request(hawser_client *client)
{
	client->requests_count--;
	client_look_for_room(client);
}

void client_untake_request(hawser_client *client)
{
	client->requests_count--;
}

static void client_release_memory(hawser_client *client)
{
	hawser_loop *loop = client->loop;
	struct memory *memory = &loop->memory;

	setup_free(client);
	task_drop(&client->step_task);
	task_drop(&client->writable_task);
	task_drop(&client->handover_task);
	timers_unreserve(&loop->timers, 3);
	if (client->attempts != &client->first_attempt)
		memory_release(memory, client->attempts, client->attempts_room * sizeof(struct past_attempt));
	memory_release(memory, client->socket_options, sizeof(*client->socket_options));
	memory_release(memory, client->texts, client->texts_size);
	words_drop(memory, &client->host_words);
	slots_give(&loop->client_slots, client);
	loop_drop(loop);
}

/* The last of it, unless a retry_now of another thread is still on its way. */
static void end(struct task *task)
{
	hawser_client *client = container_of(task, struct hawser_client, end_task);

	client->over = true;
	if (!atomic_load(&client->retry_posted))
		client_release_memory(client);
}

static void retry_came(void *user)
{
	hawser_client *client = user;

	atomic_store(&client->retry_posted, false);
	if (client->over)
		client_release_memory(client);
	else
		client_retry(client);
}

static void tell_writable(struct task *task)
{
	hawser_client *client = container_of(task, struct hawser_client, writable_task);
	bool wanted = client->wants_room && has_room(client);
	bool drained = client->queue_drained;

	client->queue_drained = false;
	client->wants_room = client->wants_room && !wanted;
	if (client->session &&
	    (session_takes_requests(client) || client->connection.state == CONNECTION_draining))
		session_drain_queue(client); /* a drain awaits these, too */
	if ((wanted || drained) && client->held && client->on_writable && !client_is_over(client))
		client->on_writable(client, client->user);
}

static void tell_handover(struct task *task)
{
	hawser_client *client = container_of(task, struct hawser_client, handover_task);
	struct engine *engine = client->loop->engine;
	int fd = client->handed_fd;

	client->handed_fd = -1;
	if (client->held && client->on_handover)
		client->on_handover(client, fd, client->user);
	else
		engine->operations->close(engine, fd);
}

static void client_init(hawser_client *client, hawser_loop *loop)
{
	client->loop = loop;
	client->number = ++loop->next_client;
	client->born_ns = client->moved_ns = loop_now(loop);
	client->connection.effects = &client_effects;
	client->connection.overall_at_ns = ENGINE_NEVER;
	client->handed_fd = client->pending_fd = -1;
	client->held = true;
	client->attempts = &client->first_attempt;
	client->attempts_room = 1;
	client->retry_post.function = retry_came;
	client->retry_post.user = client;
	client->retry_post.embedded = true;
	atomic_init(&client->retry_posted, false);
	list_init(&client->bindings);
	list_init(&client->link);
	list_init(&client->watch_link);
	client_timers_init(client);
	task_init(&client->writable_task, tell_writable);
	task_init(&client->handover_task, tell_handover);
	task_init(&client->end_task, end);
	loop_hold(loop);
}

int hawser_client_new(
    hawser_loop *loop, const struct hawser_client_options *given, hawser_client **ret_client)
{
	struct hawser_client_options options;
	hawser_client *client;
	uint64_t id;
	int result = loop_enter(loop);

	if (result < 0)
		return result;
	hawser_client_options_init(&options);
	result =
	    given && ret_client ? options_copy(&options, sizeof(options), sizeof(options), given) : -EINVAL;
	if (result < 0)
		return result;
	result = timers_reserve(&loop->timers, 3);
	if (result < 0)
		return result;
	client = slots_take(&loop->client_slots, &id);
	if (!client) {
		timers_unreserve(&loop->timers, 3);
		return -ENOMEM;
	}
	client_init(client, loop);
	result = client_configure(client, &options);
	if (result < 0) {
		client_release_memory(client);
		return result;
	}
	list_append(&loop->clients, &client->link);
	*ret_client = client;
	if (!options.start_later)
		client_fire(client, CONNECTION_EVENT_started);
	return 0;
}

int hawser_client_connect(hawser_client *client)
{
	struct failure failure;
	int result = client_enter(client);

	if (result < 0)
		return result;
	if (client->connection.once && client->connection.attempt > 0)
		return -EOPNOTSUPP;
	if (client->connection.state == CONNECTION_idle) {
		client_fire(client, CONNECTION_EVENT_started);
		return 0;
	}
	if (client->connection.state != CONNECTION_waiting) { /* then there is nothing to give up */
		failure_set(&failure, -ECANCELED, HAWSER_STAGE_NONE, "superseded: its owner starts over");
		client_failure_take(client, &failure);
		loop_now(client->loop);
		attempt_remember_cut(client, &failure);
	}
	client_fire(client, CONNECTION_EVENT_restarted);
	return 0;
}

int hawser_client_retry_now(hawser_client *client)
{
	hawser_loop *loop = client->loop;
	int result = loop_visit(loop);

	if (result < 0)
		return result;
	if (!atomic_exchange(&client->retry_posted, true))
		loop_post(loop, &client->retry_post);
	loop_visit_end(loop);
	return 0;
}

int hawser_client_drain(hawser_client *client)
{
	int result = client_enter(client);

	if (result < 0)
		return result;
	if (client->connection.state != CONNECTION_ready)
		failure_set(&client->end, -ECANCELED, HAWSER_STAGE_NONE, "drained");
	client_fire(client, CONNECTION_EVENT_drain_asked);
	return 0;
}

int hawser_client_close(hawser_client *client)
{
	int result = loop_enter(client->loop);

	if (result < 0)
		return result;
	if (client_is_over(client))
		return -ESTALE;
	client_stop(client, -ECANCELED, "closed by its owner");
	return 0;
}

void hawser_client_free(hawser_client *client)
{
	hawser_loop *loop;

	if (!client || loop_is_forked(client->loop))
		return;
	loop = client->loop;
	client->held = false;
	if (loop->gone) {
		client_release_memory(client);
		return;
	}
	loop_enter(loop);
	if (client->connection.state == CONNECTION_closed)
		loop_queue(loop, &client->end_task);
	else
		client_stop(client, -ECANCELED, "its client was freed");
}

enum hawser_state hawser_client_state(const hawser_client *client)
{
	return (enum hawser_state)client->connection.state;
}

void *hawser_client_user(const hawser_client *client)
{
	return client->user;
}

hawser_loop *hawser_client_loop(const hawser_client *client)
{
	return client->loop;
}

int hawser_client_peer(const hawser_client *client, struct hawser_peer *ret_peer)
{
	if (loop_is_forked(client->loop))
		return -ECHILD;
	if (!ret_peer)
		return -EINVAL;
	if (!client->is_unix)
		return -EOPNOTSUPP;
	if (!client->peer_known)
		return -ENOTCONN;
	ret_peer->pid = client->peer.pid;
	ret_peer->uid = client->peer.uid;
	ret_peer->gid = client->peer.gid;
	return 0;
}
