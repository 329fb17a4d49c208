/* SPDX-License-Identifier: MIT
 *
 * The user's calls about bindings and calls.
 */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct sim_binding *any_binding(struct world *world)
{
	struct user *user = &world->user;
	struct sim_binding *binding;
	uint64_t from;

	if (user->bindings_count == 0)
		return NULL;
	from = draw_below(world, user->bindings_count);
	for (uint64_t i = 0; i < user->bindings_count; i++) {
		binding = &user->bindings[(from + i) % user->bindings_count];
		if (binding->handle && (!user->favourite || binding->client == user->favourite->index))
			return binding;
	}
	return NULL;
}

struct sim_call *any_call(struct world *world)
{
	struct user *user = &world->user;
	struct sim_call *call;
	uint64_t from;

	if (user->calls_count == 0)
		return NULL;
	from = draw_below(world, user->calls_count);
	for (uint64_t i = 0; i < user->calls_count; i++) {
		call = &user->calls[(from + i) % user->calls_count];
		if (call->handle)
			return call;
	}
	return NULL;
}

static uint32_t draw_deadline(struct world *world)
{
	if (!chance(world, 30))
		return HAWSER_AUTO;
	return chance(world, 20) ? HAWSER_NONE : (uint32_t)draw_between(world, 1, 4000);
}

static int bind_now(struct sim_binding *binding, hawser_binding **ret_binding)
{
	struct sim_client *client = &binding->world->user.clients[binding->client];
	struct hawser_bind_options options;
	char service[16];

	hawser_bind_options_init(&options);
	snprintf(service, sizeof(service), "s%u", binding->service);
	options.service = service;
	options.one_shot = binding->one_shot;
	options.fail_fast = binding->fail_fast;
	options.retry_refused = binding->retry_refused;
	options.deadline_ms = binding->deadline_ms;
	return hawser_bind_with(client->handle, &options, on_binding, binding, ret_binding);
}

static bool is_duplicate(const struct sim_binding *binding)
{
	const struct user *user = &binding->world->user;

	for (uint32_t i = 0; i < binding->index; i++) {
		const struct sim_binding *other = &user->bindings[i];

		/* One that was freed may not have left yet. */
		if (other->made && (!other->ended || other->freed) && other->client == binding->client &&
		    other->service == binding->service)
			return true;
	}
	return false;
}

static void draw_binding(struct world *world, struct sim_binding *binding, const struct sim_client *client)
{
	memset(binding, 0, sizeof(*binding));
	binding->world = world;
	binding->index = world->user.bindings_count;
	binding->client = client->index;
	binding->service =
	    chance(world, 60) ? SERVICES_UNIQUE_FROM + binding->index : (uint32_t)draw_below(world, 5);
	binding->one_shot = chance(world, 20);
	binding->fail_fast = chance(world, 15);
	binding->retry_refused = chance(world, 40);
	binding->deadline_ms = draw_deadline(world);
	binding->asked_at_ns = world->now;
	binding->failures_before = world->memory.failures;
	binding->duplicate = is_duplicate(binding);
	binding->made = true;
}

void user_bind(struct world *world)
{
	struct sim_client *client = any_client(world);
	struct user *user = &world->user;
	hawser_binding *handle = NULL;
	struct sim_binding *binding;
	bool held;
	int result;

	if (!client || user->bindings_count == BINDINGS_MAX)
		return;
	binding = &user->bindings[user->bindings_count];
	draw_binding(world, binding, client);
	held = chance(world, 85);
	user->bindings_count++;
	api_enter(world);
	result = bind_now(binding, held ? &handle : NULL);
	api_leave(world, API_bind, binding->index, result);
	if (result == -ENOBUFS)
		client->wants_room = true;
	if (result == -EALREADY)
		violated(world, "binding %u is said to be there already", binding->index);
	if ((result == 0 && held) != (handle != NULL))
		violated(world, "hawser_bind answered %d with a wrong output", result);
	if ((result == -EOPNOTSUPP) != client->none && result != -ESTALE && result != -ENOBUFS &&
	    result != -ENOMEM)
		violated(world, "hawser_bind on protocol %s answered %d", client->options.protocol, result);
	binding->made = result == 0;
	binding->handle = handle;
}

/* The very same binding once more. */
void user_bind_again(struct world *world)
{
	struct sim_binding *binding = any_binding(world);
	const struct sim_client *client;
	hawser_binding *handle = NULL;
	int result;

	if (!binding || hawser_binding_state(binding->handle) >= HAWSER_BINDING_RELEASING)
		return;
	client = &world->user.clients[binding->client];
	if (client->freed)
		return;
	api_enter(world);
	result = bind_now(binding, &handle);
	api_leave(world, API_bind, binding->index, result);
	if (result == 0 || handle)
		violated(world, "binding %u was made a second time", binding->index);
}

void user_binding_release(struct world *world)
{
	struct sim_binding *binding = any_binding(world);
	int result;

	if (!binding)
		return;
	api_enter(world);
	result = hawser_binding_release(binding->handle);
	api_leave(world, API_binding_release, binding->index, result);
	binding->release_asked = true;
	if (binding->ended && result != -ESTALE)
		violated(world, "binding %u has ended and can be released", binding->index);
}

void binding_free(struct sim_binding *binding)
{
	struct world *world = binding->world;

	if (binding->ended && hawser_binding_state(binding->handle) != HAWSER_BINDING_IS_RELEASED)
		violated(world, "binding %u has ended and is not released", binding->index);
	binding->freed = true;
	api_enter(world);
	hawser_binding_free(binding->handle);
	api_leave(world, API_binding_free, binding->index, 0);
	binding->handle = NULL;
}

void user_binding_free(struct world *world)
{
	struct sim_binding *binding = any_binding(world);

	if (binding)
		binding_free(binding);
}

/* ---- calls ---- */

static uint32_t draw_size(struct world *world)
{
	uint64_t kind = draw_below(world, 1000);

	if (kind < 900)
		return (uint32_t)draw_between(world, TEXT_HEADER, 80);
	if (kind < 996)
		return (uint32_t)draw_between(world, TEXT_HEADER, 5000);
	return (uint32_t)draw_between(world, 130900, 131072); /* about the limit of a frame */
}

static void draw_call(struct world *world, struct sim_call *call, const struct sim_binding *binding)
{
	const struct sim_client *client = &world->user.clients[binding->client];

	memset(call, 0, sizeof(*call));
	call->world = world;
	call->index = world->user.calls_count;
	call->binding = binding->index;
	call->no_reply = chance(world, 12);
	call->missing = chance(world, 5);
	call->count = chance(world, 30) ? (uint32_t)draw_between(world, 2, 6) : 1;
	call->arguments_size = draw_size(world);
	call->reply_size = draw_size(world);
	if (call->reply_size > 130000)
		call->reply_size = 131072 - 64; /* hosts keep to the limit */
	call->deadline_ms = draw_deadline(world);
	if (client->is_unix && chance(world, 8))
		call->fds_count = (unsigned)draw_between(world, 1, 3);
	call->asked_at_ns = world->now;
	call->made = true;
}

static uint8_t *fill_arguments(struct world *world, const struct sim_call *call)
{
	uint8_t *place;

	buffer_clear(&world->text);
	place = buffer_grow(&world->text, call->arguments_size);
	word_put(place, ARGUMENTS_MAGIC);
	word_put(place + 4, call->index);
	word_put(place + 8, call->count);
	word_put(place + 12, call->reply_size);
	for (size_t i = TEXT_HEADER; i < call->arguments_size; i++)
		place[i] = pattern_byte(call->index, i);
	return place;
}

static int invoke_now(
    struct sim_call *call, struct sim_binding *binding, bool fail_fast, hawser_call **ret_call)
{
	struct world *world = call->world;
	struct hawser_invoke_options options;
	int fds[ENGINE_FDS_MAX];
	int result;

	hawser_invoke_options_init(&options);
	options.method = call->missing ? "missing" : call->count > 1 ? "stream" : "echo";
	options.arguments = (struct hawser_bytes){fill_arguments(world, call), call->arguments_size};
	options.deadline_ms = call->deadline_ms;
	options.fail_fast = fail_fast;
	descriptors_offer(world, fds, call->fds_count);
	options.fds = fds;
	options.fds_count = call->fds_count;
	api_enter(world);
	result =
	    hawser_invoke_with(binding->handle, &options, call->no_reply ? NULL : on_reply, call, ret_call);
	api_leave(world, API_invoke, call->index, result);
	memset(world->text.data, 0xdd, call->arguments_size < 256 ? call->arguments_size : 256);
	descriptors_settle(world, fds, call->fds_count, result);
	return result;
}

void user_invoke(struct world *world)
{
	struct sim_binding *binding = any_binding(world);
	struct user *user = &world->user;
	hawser_call *handle = NULL;
	struct sim_call *call;
	bool fail_fast;
	bool held;
	int result;

	if (!binding || user->calls_count == CALLS_MAX)
		return;
	call = &user->calls[user->calls_count];
	draw_call(world, call, binding);
	user->calls_count++;
	fail_fast = chance(world, 10);
	held = chance(world, 60);
	result = invoke_now(call, binding, fail_fast, held ? &handle : NULL);
	if (result == -ENOBUFS)
		world->user.clients[binding->client].wants_room = true;
	if ((result == 0 && held) != (handle != NULL))
		violated(world, "hawser_invoke answered %d with a wrong output", result);
	if (result == 0 && binding->ended)
		violated(world, "binding %u has ended and takes a call", binding->index);
	if (result == -ENOTCONN && !fail_fast)
		violated(world, "call %u was to wait, and is told that there is no connection", call->index);
	if (result == -EMSGSIZE && call->arguments_size < 130000 &&
	    world->user.clients[binding->client].options.unsent_bytes_max > 6000)
		violated(
		    world, "call %u of %u bytes is said to be too large", call->index, call->arguments_size);
	if (result == 0 && call->arguments_size > FRAME_MAX)
		violated(world, "call %u of %u bytes cannot fit a frame and was taken", call->index,
		    call->arguments_size);
	call->made = result == 0;
	call->handle = handle;
}

void user_call_cancel(struct world *world)
{
	struct sim_call *call = any_call(world);
	int result;

	if (!call)
		return;
	api_enter(world);
	result = hawser_call_cancel(call->handle);
	api_leave(world, API_call_cancel, call->index, result);
	call->cancel_asked = true;
	if (call->ended && result != -ESTALE)
		violated(world, "call %u has ended and can be cancelled", call->index);
}

void call_free(struct sim_call *call)
{
	struct world *world = call->world;

	call->freed = true;
	api_enter(world);
	hawser_call_free(call->handle);
	api_leave(world, API_call_free, call->index, 0);
	call->handle = NULL;
}

void user_call_free(struct world *world)
{
	struct sim_call *call = any_call(world);

	if (call)
		call_free(call);
}
