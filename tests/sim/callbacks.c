/* SPDX-License-Identifier: MIT
 *
 * The user's callbacks: each is checked by the oracle, traced, and may do anything.
 */
#include "world.h"

#include <errno.h>

/* The user may have freed the loop in any callback: then nothing more is asked of this client but what is
 * legal. */
static void finish(struct world *world)
{
	user_reacts(world);
	world->in_callback = false;
}

static void begin(struct world *world)
{
	oracle_callback(world);
	world->in_callback = true;
}

void on_change(hawser_client *handle, const struct hawser_change *change, void *user)
{
	struct sim_client *client = user;
	struct world *world = client->world;

	begin(world);
	trace(world, TRACE_change, client->index, change->from, change->to);
	if (change->error)
		trace(world, TRACE_change_error, client->index, trace_number(change->error->code),
		    change->next_retry_ns / MICROSECOND);
	oracle_change(client, handle, change);
	finish(world);
}

static void take_client_fds(struct sim_client *client)
{
	struct world *world = client->world;
	int fd;

	while (chance(world, 60)) {
		api_enter(world);
		fd = hawser_client_take_fd(client->handle);
		api_leave(world, API_client_take_fd, client->index, fd < 0 ? fd : 0);
		if (fd < 0)
			return;
		descriptor_find(world, fd)->holder = HOLDER_USER;
		descriptor_close(world, fd);
	}
}

void on_data(hawser_client *handle, const struct hawser_bytes *data, void *user)
{
	struct sim_client *client = user;
	struct world *world = client->world;

	(void)handle;
	begin(world);
	trace(world, TRACE_data, client->index, data->size, 0);
	oracle_data(client, data);
	take_client_fds(client);
	finish(world);
}

void on_writable(hawser_client *handle, void *user)
{
	struct sim_client *client = user;
	struct world *world = client->world;

	(void)handle;
	begin(world);
	trace(world, TRACE_writable, client->index, 0, 0);
	oracle_writable(client);
	finish(world);
}

void on_handover(hawser_client *handle, int fd, void *user)
{
	struct sim_client *client = user;
	struct world *world = client->world;

	(void)handle;
	begin(world);
	trace(world, TRACE_handover, client->index, 0, 0);
	oracle_handover(client, fd);
	descriptor_find(world, fd)->holder = HOLDER_USER;
	descriptor_close(world, fd);
	finish(world);
}

void on_setup(hawser_client *handle, const struct hawser_error *error, void *user)
{
	struct sim_client *client = user;
	struct world *world = client->world;

	(void)handle;
	begin(world);
	trace(world, TRACE_setup_told, client->index, error ? trace_number(error->code) : 0, 0);
	oracle_setup(client, error);
	finish(world);
}

ssize_t on_check(hawser_client *handle, const struct hawser_bytes *data, bool *ret_done, void *user)
{
	struct sim_client *client = user;
	struct world *world = client->world;
	ssize_t taken;

	(void)handle;
	begin(world);
	*ret_done = false;
	if (chance(world, world->faults.check_refuses))
		taken = -EACCES;
	else
		taken = oracle_check(client, data, ret_done);
	trace(world, TRACE_setup_checked, client->index, data->size, trace_number(taken));
	finish(world);
	return taken;
}

void on_binding(
    hawser_binding *handle, enum hawser_binding_event event, const struct hawser_error *error, void *user)
{
	struct sim_binding *binding = user;
	struct world *world = binding->world;

	begin(world);
	trace(world, TRACE_binding_told, binding->index, event, error ? trace_number(error->code) : 0);
	oracle_binding(binding, handle, event, error);
	finish(world);
}

static void take_call_fds(const struct sim_call *call, hawser_call *handle)
{
	struct world *world = call->world;
	unsigned taken = 0;
	int fd;

	while (chance(world, 60)) {
		api_enter(world);
		fd = hawser_call_take_fd(handle);
		api_leave(world, API_call_take_fd, 0, fd < 0 ? fd : 0);
		oracle_reply_fd(call, fd, taken++);
		if (fd < 0)
			return;
		descriptor_find(world, fd)->holder = HOLDER_USER;
		descriptor_close(world, fd);
	}
}

void on_reply(hawser_call *handle, const struct hawser_bytes *reply, bool more,
    const struct hawser_error *error, void *user)
{
	struct sim_call *call = user;
	struct world *world = call->world;

	begin(world);
	if (error)
		trace(world, TRACE_call_failed, call->index, trace_number(error->code), error->fate);
	else
		trace(world, TRACE_reply, call->index, reply->size, more);
	oracle_reply(call, handle, reply, more, error);
	if (!error)
		take_call_fds(call, handle);
	finish(world);
}

void on_timer(hawser_timer *handle, void *user)
{
	struct sim_timer *timer = user;
	struct world *world = timer->world;

	(void)handle;
	begin(world);
	trace(world, TRACE_timer, timer->index, 0, 0);
	oracle_timer(timer);
	finish(world);
}

void on_post(void *user)
{
	struct sim_post *post = user;
	struct world *world = post->world;

	begin(world);
	trace(world, TRACE_post, post->index, 0, 0);
	oracle_post(post);
	finish(world);
}
