/* SPDX-License-Identifier: MIT
 *
 * The options of a simulated client, and the schedule of backoff that they ask for by design.md and client.h.
 */
#include "world.h"

#include <stdio.h>
#include <string.h>

static uint32_t some_ms(struct world *world, uint32_t usual, uint32_t most)
{
	if (!chance(world, 40))
		return usual;
	if (chance(world, 10))
		return HAWSER_NONE;
	return (uint32_t)draw_between(world, 1, most);
}

static void draw_backoff(struct world *world, struct hawser_client_options *options)
{
	options->backoff = (enum hawser_backoff_preset)draw_below(world, HAWSER_BACKOFF_DECORRELATED + 1);
	if (chance(world, 20))
		options->backoff_jitter =
		    (enum hawser_jitter)draw_below(world, HAWSER_JITTER_DECORRELATED + 1);
	if (world->theme == THEME_CHURN) {
		options->backoff_base_ms = (uint32_t)draw_between(world, 1, 20);
		options->backoff_cap_ms = options->backoff_base_ms + (uint32_t)draw_below(world, 200);
	} else if (chance(world, 30)) {
		options->backoff_base_ms = (uint32_t)draw_between(world, 1, 500);
		options->backoff_cap_ms = options->backoff_base_ms + (uint32_t)draw_below(world, 20000);
	}
	if (chance(world, 20))
		options->backoff_factor_percent = (uint32_t)draw_between(world, 100, 400);
	if (chance(world, 20))
		options->backoff_jitter_percent = (uint32_t)draw_below(world, 101);
}

static void draw_limits(struct world *world, struct hawser_client_options *options)
{
	if (chance(world, 20))
		options->rounds_max = (uint32_t)draw_between(world, 1, 5);
	if (chance(world, 15))
		options->overall_deadline_ms = (uint32_t)draw_between(world, 1, 20000);
	options->resolve_deadline_ms = some_ms(world, 5000, 5000);
	options->attempt_deadline_ms = some_ms(world, HAWSER_AUTO, 3000);
	options->setup_deadline_ms = some_ms(world, 10000, 5000);
	options->bind_deadline_ms = some_ms(world, 10000, 5000);
	options->call_deadline_ms = some_ms(world, HAWSER_NONE, 5000);
	options->drain_deadline_ms = some_ms(world, 5000, 3000);
	if (chance(world, world->theme == THEME_QUEUES ? 40 : 25))
		options->requests_max = (uint32_t)draw_between(world, 1, 8);
	if (world->theme == THEME_QUEUES)
		options->unsent_bytes_max = (uint32_t)draw_between(world, 64, 400);
	else if (chance(world, 25))
		options->unsent_bytes_max = (uint32_t)draw_between(world, 64, 4000);
	if (chance(world, 20))
		options->attempts_kept = (uint32_t)draw_below(world, HAWSER_ATTEMPTS_MAX + 1);
}

static struct schedule preset(const struct sim_client *client)
{
	struct schedule schedule = {
	    .base_ms = 1000, .cap_ms = 30000, .factor = 1.6, .percent = 20, .jitter = HAWSER_JITTER_PERCENT};

	if (client->options.backoff == HAWSER_BACKOFF_PERFETTO)
		return (struct schedule){1000, 30000, 1, 0, HAWSER_JITTER_NONE, true};
	if (client->options.backoff == HAWSER_BACKOFF_GRPC) {
		schedule.cap_ms = 120000;
		return schedule;
	}
	if (client->is_unix)
		schedule = (struct schedule){10, 1000, 2, 20, HAWSER_JITTER_FULL, false};
	if (client->options.backoff == HAWSER_BACKOFF_FULL)
		schedule.jitter = HAWSER_JITTER_FULL;
	else if (client->options.backoff == HAWSER_BACKOFF_EQUAL)
		schedule.jitter = HAWSER_JITTER_EQUAL;
	else if (client->options.backoff == HAWSER_BACKOFF_DECORRELATED)
		schedule.jitter = HAWSER_JITTER_DECORRELATED;
	return schedule;
}

static struct schedule schedule_of(const struct sim_client *client)
{
	const struct hawser_client_options *options = &client->options;
	struct schedule schedule = preset(client);

	if (options->backoff_base_ms != HAWSER_AUTO)
		schedule.base_ms = options->backoff_base_ms;
	if (options->backoff_cap_ms != HAWSER_AUTO)
		schedule.cap_ms = options->backoff_cap_ms;
	if (options->backoff_factor_percent != HAWSER_AUTO)
		schedule.factor = options->backoff_factor_percent / 100.0;
	if (options->backoff_jitter_percent != HAWSER_AUTO)
		schedule.percent = options->backoff_jitter_percent;
	if (options->backoff_jitter != HAWSER_JITTER_DEFAULT)
		schedule.jitter = options->backoff_jitter;
	return schedule;
}

static void draw_target(struct world *world, struct sim_client *client)
{
	const struct host *host = &world->hosts[client->host];

	client->is_unix = host->is_unix;
	client->is_name = !host->is_unix && chance(world, 50);
	if (client->is_name)
		snprintf(client->target, sizeof(client->target), "tcp:h%u.c%u.sim:%u", client->host,
		    client->index, host->port);
	else
		snprintf(client->target, sizeof(client->target), "%s", host->target);
	snprintf(client->name, sizeof(client->name), "c%u", client->index);
}

void client_options_draw(struct world *world, struct sim_client *client)
{
	struct hawser_client_options *options = &client->options;
	const struct host *host;

	client->host = (unsigned)draw_below(world, world->hosts_count);
	host = &world->hosts[client->host];
	draw_target(world, client);
	client->none = chance(world, 6);
	client->raw = host->raw && !client->none;
	hawser_client_options_init(options);
	options->target = client->target;
	options->name = client->name;
	client->greeted = !client->none && !client->raw && chance(world, 15);
	if (client->greeted)
		options->custom_protocol = protocol_greeted();
	options->protocol = client->none ? "none" : client->raw ? "raw" : NULL;
	options->user = client;
	options->on_change = on_change;
	options->on_data = on_data;
	options->on_writable = on_writable;
	options->on_handover = on_handover;
	options->start_later = chance(world, 12);
	options->fail_fast = chance(world, 12);
	options->half_close = client->raw && chance(world, 30);
	if (client->is_unix && chance(world, 15))
		options->peer_uid = 1000;
	draw_backoff(world, options);
	draw_limits(world, options);
	client->schedule = schedule_of(client);
}
