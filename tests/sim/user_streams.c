/* SPDX-License-Identifier: MIT
 *
 * The user's calls about raw streams. What it sends is a pattern of client, send and place, so that the
 * oracle can tell what has to arrive from what was accepted.
 */
#include "world.h"

#include <errno.h>

static struct sim_client *any_stream(struct world *world)
{
	struct user *user = &world->user;
	uint64_t from;

	if (user->clients_count == 0)
		return NULL;
	from = draw_below(world, user->clients_count);
	for (uint64_t i = 0; i < user->clients_count; i++) {
		struct sim_client *client = &user->clients[(from + i) % user->clients_count];

		if (client->made && !client->freed && client->raw)
			return client;
	}
	return any_client(world); /* the calls must refuse the other protocols */
}

static size_t draw_size(struct world *world)
{
	uint64_t kind = draw_below(world, 100);

	if (kind < 80)
		return (size_t)draw_between(world, 1, 100);
	return (size_t)draw_between(world, 1, 6000);
}

static uint8_t *fill(struct world *world, const struct sim_client *client, size_t size)
{
	uint8_t *place;

	buffer_clear(&world->text);
	place = buffer_grow(&world->text, size);
	for (size_t i = 0; i < size; i++)
		place[i] = pattern_byte(client->index * 1000 + client->sends, i);
	return place;
}

void user_send(struct world *world)
{
	struct sim_client *client = any_stream(world);
	size_t size = draw_size(world);
	uint64_t position = UINT64_MAX;
	int fds[2];
	unsigned fds_count = 0;
	uint8_t *bytes;
	int result;

	if (!client)
		return;
	client->sends++;
	bytes = fill(world, client, size);
	if (client->is_unix && chance(world, 8))
		fds_count = (unsigned)draw_between(world, 1, 2);
	descriptors_offer(world, fds, fds_count);
	api_enter(world);
	result = hawser_send(client->handle, bytes, size, fds, fds_count, &position);
	api_leave(world, API_send, client->index, result);
	descriptors_settle(world, fds, fds_count, result);
	if (result < 0 && position != UINT64_MAX)
		violated(world, "hawser_send failed and touched its output");
	if (result == 0 && size > client->options.unsent_bytes_max)
		violated(world, "hawser_send took more bytes than unsent_bytes_max");
	if (result == -EMSGSIZE && size <= client->options.unsent_bytes_max)
		violated(world, "hawser_send refused %zu bytes as too many", size);
	if (result == 0)
		oracle_sent(client, bytes, size, position);
	if (result == -ENOBUFS)
		client->wants_writable = true;
}

void user_pause(struct world *world)
{
	struct sim_client *client = any_stream(world);
	int result;

	if (!client)
		return;
	api_enter(world);
	result = hawser_pause(client->handle);
	api_leave(world, API_pause, client->index, result);
	if (result == 0)
		client->paused = true;
}

void client_resume(struct sim_client *client)
{
	struct world *world = client->world;
	int result;

	client->paused = false;
	api_enter(world);
	result = hawser_resume(client->handle);
	api_leave(world, API_resume, client->index, result);
	if (result == -ENOMEM) {
		client->paused = true;
	}
}

void user_resume(struct world *world)
{
	struct sim_client *client = any_stream(world);

	if (client)
		client_resume(client);
}

void user_shutdown_send(struct world *world)
{
	struct sim_client *client = any_stream(world);
	int result;

	if (!client)
		return;
	api_enter(world);
	result = hawser_shutdown_send(client->handle);
	api_leave(world, API_shutdown_send, client->index, result);
	if (result == 0)
		client->send_shut = true;
}
