/* SPDX-License-Identifier: MIT
 *
 * The user's calls about clients.
 */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct sim_client *any_client(struct world *world)
{
	struct user *user = &world->user;
	struct sim_client *client;
	uint64_t from;

	if (user->clients_count == 0)
		return NULL;
	if (user->favourite && !user->favourite->freed && chance(world, 80))
		return user->favourite;
	from = draw_below(world, user->clients_count);
	for (uint64_t i = 0; i < user->clients_count; i++) {
		client = &user->clients[(from + i) % user->clients_count];
		if (client->made && !client->freed)
			return client;
	}
	return NULL;
}

void user_client_new(struct world *world)
{
	struct user *user = &world->user;
	struct sim_client *client;
	hawser_client *handle = NULL;
	int result;

	if (user->clients_count == world->clients_max || !world->loop)
		return;
	client = &user->clients[user->clients_count];
	memset(client, 0, sizeof(*client));
	client->world = world;
	client->index = user->clients_count;
	client_options_draw(world, client);
	client->told = HAWSER_IDLE;
	client->told_at_ns = world->now;
	client->unready_at_ns = UINT64_MAX; /* idle */
	client->made = true;                /* its callbacks are legal from now on, and only then */
	user->clients_count++;
	api_enter(world);
	result = hawser_client_new(world->loop, &client->options, &handle);
	api_leave(world, API_client_new, client->index, result);
	if (result == 0 &&
	    (!handle || hawser_client_user(handle) != client || hawser_client_loop(handle) != world->loop))
		violated(world, "client %u was made without what it was given", client->index);
	if (result < 0 && handle)
		violated(world, "hawser_client_new failed and touched its output");
	client->made = result == 0;
	client->handle = handle;
}

/* What cannot be meant is refused, and nothing is left behind. */
void user_client_new_bad(struct world *world)
{
	static const char *const targets[] = {
	    "", "unix:", "tcp:host", "tcp::80", "tcp:h:0", "tcp:h:99999", "ftp:x", "fd:x"};
	struct hawser_client_options options;
	hawser_client *handle = NULL;
	int result;

	if (!world->loop)
		return;
	hawser_client_options_init(&options);
	options.target = "unix:/sim/d0/none.sock";
	switch (draw_below(world, 5)) {
	case 0:
		options.target = targets[draw_below(world, 8)];
		break;
	case 1:
		options.protocol = "carrier pigeon";
		break;
	case 2:
		options.attempt_deadline_ms = 0;
		break;
	case 3:
		options.requests_max = 0;
		break;
	default:
		options.backoff_factor_percent = 5;
	}
	api_enter(world);
	result = hawser_client_new(world->loop, &options, &handle);
	api_leave(world, API_client_bad, 0, result);
	if (result == 0 || handle)
		violated(world, "options that cannot be meant made a client");
}

void client_connect(struct sim_client *client)
{
	struct world *world = client->world;

	client->hastened_at_ns = world->now;
	client->connect_asked = true;
	if (client->told == HAWSER_IDLE)
		client->told_at_ns = world->now;
	api_enter(world);
	api_leave(world, API_client_connect, client->index, hawser_client_connect(client->handle));
}

void user_client_connect(struct world *world)
{
	struct sim_client *client = any_client(world);

	if (client)
		client_connect(client);
}

void user_client_retry_now(struct world *world)
{
	struct sim_client *client = any_client(world);
	int result;

	if (!client)
		return;
	client->hastened_at_ns = world->now;
	api_enter(world);
	result = hawser_client_retry_now(client->handle);
	api_leave(world, API_client_retry_now, client->index, result);
	if (result == 0)
		client->retry_asked_at_ns = world->now;
}

void user_client_drain(struct world *world)
{
	struct sim_client *client = any_client(world);
	int result;

	if (!client)
		return;
	api_enter(world);
	result = hawser_client_drain(client->handle);
	api_leave(world, API_client_drain, client->index, result);
	client->drain_asked = true;
	if (result == 0 && !client->closing_at_ns)
		client->closing_at_ns =
		    world->now + (client->options.drain_deadline_ms == HAWSER_NONE
					 ? 3600 * SECOND
					 : client->options.drain_deadline_ms * MILLISECOND);
}

void client_close(struct sim_client *client)
{
	struct world *world = client->world;
	int result;

	api_enter(world);
	result = hawser_client_close(client->handle);
	api_leave(world, API_client_close, client->index, result);
	client->close_asked = true;
	if (result == 0)
		client->closing_at_ns = world->now;
}

void user_client_close(struct world *world)
{
	struct sim_client *client = any_client(world);

	if (client)
		client_close(client);
}

void client_free(struct sim_client *client)
{
	struct world *world = client->world;

	client->freed = true;
	api_enter(world);
	hawser_client_free(client->handle);
	api_leave(world, API_client_free, client->index, 0);
	client->handle = NULL;
}

void user_client_free(struct world *world)
{
	struct sim_client *client = any_client(world);

	if (client)
		client_free(client);
}

static void fill_setup(struct sim_client *client, uint8_t *request)
{
	word_put(request, ARGUMENTS_MAGIC);
	word_put(request + 4, SETUP_NUMBER + client->index);
	word_put(request + 8, 1);
	word_put(request + 12, SETUP_SIZE);
	for (size_t i = TEXT_HEADER; i < SETUP_SIZE; i++)
		request[i] = pattern_byte(SETUP_NUMBER + client->index, i);
}

void user_client_setup(struct world *world)
{
	struct sim_client *client = any_client(world);
	struct hawser_setup_options options;
	uint8_t request[SETUP_SIZE];
	bool checked;
	bool hopeless;
	int result;

	if (!client || client->none)
		return;
	hawser_setup_options_init(&options);
	hopeless = !client->raw && chance(world, 10);
	if (!client->raw) {
		options.service = "setup";
		options.method = hopeless ? "not_there" : "echo";
	}
	fill_setup(client, request);
	options.request = (struct hawser_bytes){request, sizeof(request)};
	checked = chance(world, 70);
	options.check = checked ? on_check : NULL;
	options.user = client;
	api_enter(world);
	result = hawser_client_setup(client->handle, &options, on_setup, client);
	api_leave(world, API_setup, client->index, result);
	memset(request, 0xdd, sizeof(request));
	if (result == 0 && client->setup_asked)
		violated(world, "client %u took a second setup", client->index);
	if (result == -ENOBUFS)
		client->wants_room = true;
	if (result == -EMSGSIZE && client->options.unsent_bytes_max >= SETUP_SIZE)
		violated(world, "client %u: a setup of %d bytes is said to be too large", client->index,
		    SETUP_SIZE);
	if (result == -EALREADY && !client->setup_asked)
		violated(world, "client %u has a setup that nobody asked for", client->index);
	if (result == 0) {
		client->setup_asked = true;
		client->setup_asked_at_ns = world->now;
		client->setup_checked = checked;
		client->setup_hopeless = hopeless;
	}
}

void user_client_ask(struct world *world)
{
	struct sim_client *client = any_client(world);
	struct hawser_peer peer;
	char text[512];
	int length;

	if (!client)
		return;
	oracle_status(client);
	oracle_sent_position(client);
	if (chance(world, 30)) {
		api_enter(world);
		length = hawser_client_status_json(client->handle, text, sizeof(text));
		api_leave(world, API_client_status, client->index, length < 0 ? length : 0);
		if (length <= 0 || text[0] != '{' || memchr(text, 0, sizeof(text)) == NULL)
			violated(world, "client %u: the status is no JSON object", client->index);
	}
	api_enter(world);
	api_leave(world, API_client_peer, client->index, hawser_client_peer(client->handle, &peer));
}
