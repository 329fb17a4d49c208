/* SPDX-License-Identifier: MIT
 *
 * One seed, one world: faults, hosts and a user are drawn; the user does what it likes while the network does
 * its worst; then the network heals and everything has to be bound; then the user frees everything and
 * nothing may be left.
 */
#include "world.h"

#include "loop.h"
#include <errno.h>
#include <string.h>

/* Longer than the longest backoff (gRPC's cap and its jitter) and the deadlines that may pass first. */
#define HEAL_MOST (300 * SECOND)

/* No byte and no wish is longer on its way. */
#define ARRIVAL_MOST (4 * SECOND)

enum { HEAL_TURNS_MAX = 100000, TURN_CHECK_EVERY = 8 };

static unsigned draw_rate(struct world *world, unsigned most, unsigned scale)
{
	uint64_t rate;

	if (chance(world, 55))
		return 0;
	rate = draw_below(world, most + 1);
	return (unsigned)(rate * scale / 100);
}

static void draw_faults(struct world *world)
{
	struct faults *faults = &world->faults;
	unsigned scale = 100;

	if (chance(world, 60))
		scale = (unsigned)draw_below(world, 101);
	if (chance(world, 8))
		scale = 0;
#define FAULT(name, most) faults->name = draw_rate(world, most, scale);
#include "faults.def"
#undef FAULT
	faults->reacts = (unsigned)draw_below(world, 40);
	faults->window = chance(world, 70) ? 1 << 20 : (size_t)draw_between(world, 1, 2000);
	faults->host_period_ns = draw_between(world, 50 * MILLISECOND, 5 * SECOND);
	world->memory.fail_per_mille = chance(world, 25) && scale ? (unsigned)draw_below(world, 60) : 0;
	if (chance(world, 2) && scale)
		world->memory.fail_per_mille = (unsigned)draw_below(world, 1001);
}

static void draw_theme(struct world *world)
{
	struct faults *faults = &world->faults;

	world->theme = chance(world, 50) ? THEME_ANYTHING : (enum theme)draw_below(world, THEMES);
	switch (world->theme) {
	case THEME_QUEUES:
		faults->window = (size_t)draw_between(world, 1, 300);
		faults->send_slow = (unsigned)draw_below(world, 101);
		faults->send_partial = (unsigned)draw_below(world, 101);
		faults->host_freezes = (unsigned)draw_below(world, 60);
		break;
	case THEME_CHURN:
		faults->host_period_ns = draw_between(world, 5 * MILLISECOND, 300 * MILLISECOND);
		faults->host_dies = (unsigned)draw_between(world, 10, 100);
		faults->host_hangs_up = (unsigned)draw_below(world, 20);
		break;
	case THEME_MEMORY:
		world->memory.fail_per_mille = (unsigned)draw_between(world, 1, 100);
		faults->start_fails = (unsigned)draw_below(world, 9);
		break;
	case THEME_REENTRY:
		faults->reacts = (unsigned)draw_between(world, 40, 95);
		faults->sleeps = (unsigned)draw_below(world, 10);
		break;
	default:
		break;
	}
}

static void begin(struct world *world, uint64_t seed)
{
	world->seed = seed;
	world->generator = seed;
	world->hash = 0;
	world->events = 0;
	world->now = WORLD_BEGINS;
	world->healed = false;
	world->loop_freed = false;
	world->running = false;
	world->in_api = false;
	world->in_callback = false;
	world->loop = NULL;
	world->callbacks_at_ns = 0;
	world->agenda.count = 0;
	world->agenda.sequence = 0;
	memset(&world->memory, 0, sizeof(world->memory));
	world->engine.exists = false;
	memset(world->answers, 0, sizeof(world->answers));
	network_begin(world);
	user_begin(world);
	draw_faults(world);
	draw_theme(world);
	world->clients_max = (unsigned)draw_between(world, 1, 4);
	world->hosts_count = (unsigned)draw_between(world, 1, HOSTS_MAX);
	world->steps = (uint32_t)draw_between(world, 20, 300);
	trace(world, TRACE_world, (uint64_t)world->theme, world->clients_max, world->steps);
}

static void write_log(enum hawser_log_level level, const hawser_client *client, const char *line, void *user)
{
	struct world *world = user;

	(void)client;
	if (!line || !*line || strchr(line, '\n'))
		violated(world, "the log has an empty line, or one with a newline");
	world->hash = digest_bytes(world->hash, line, strlen(line));
	if (world->readable)
		trace_log(world, (int)level, line);
}

static void make_loop(struct world *world)
{
	struct hawser_allocator allocator = memory_allocator(world);
	struct hawser_loop_options options;
	hawser_loop *loop = NULL;
	int result;

	hawser_loop_options_init(&options);
	options.allocator = &allocator;
	options.random_seed = draw(world) | 1;
	options.turn_completions_max = (uint32_t)(chance(world, 50) ? 256 : draw_between(world, 1, 8));
	options.watch_directories = chance(world, 80);
	options.log = write_log;
	options.log_user = world;
	options.log_level = chance(world, 10) ? HAWSER_LOG_DEBUG : HAWSER_LOG_WARNING;
	world->receive_buffer_size = chance(world, 60) ? 16384 : 512;
	options.receive_buffer_size = world->receive_buffer_size;
	api_enter(world);
	result = loop_new_on(&options, engine_begin, world, &loop);
	api_leave(world, API_loop_new, 0, result);
	if ((result == 0) != (loop != NULL))
		violated(world, "hawser_loop_new answered %d with a wrong output", result);
	world->loop = loop;
}

/* ---- running the loop ---- */

static void turned(struct world *world, uint64_t ms, int result)
{
	world->running = false;
	trace(world, TRACE_turned, ms, trace_number(result), 0);
	if (result < 0 && !(world->loop_freed && result == -ESTALE))
		violated(world, "running the loop answered %s", hawser_errno_name(result));
	if (world->loop_freed) { /* in a callback: it went at the end of that turn */
		oracle_loop_gone(world);
		return;
	}
	if (hawser_loop_memory(world->loop) != world->memory.held)
		violated(world, "the loop says it holds %zu bytes, and holds %llu",
		    hawser_loop_memory(world->loop), (unsigned long long)world->memory.held);
}

static void run_once(struct world *world, uint32_t ms)
{
	int result;

	world->running = true;
	result = hawser_loop_run_once(world->loop, ms);
	turned(world, ms, result);
}

static void stop_later(struct world *world, uint64_t subject, uint64_t detail)
{
	(void)subject;
	(void)detail;
	if (!world->loop || world->loop_freed)
		return;
	api_enter(world);
	api_leave(world, API_loop_stop, 0, hawser_loop_stop(world->loop));
}

static void run_until_stopped(struct world *world)
{
	int result;

	agenda_add(world, draw_below(world, 3 * SECOND), stop_later, 0, 0);
	world->running = true;
	result = hawser_loop_run(world->loop);
	turned(world, 0, result);
}

static void run_some(struct world *world)
{
	static const uint32_t times_ms[] = {0, 0, 1, 5, 20, 100, 500, 2000};
	int result;

	switch (draw_below(world, 20)) {
	case 0:
	case 1:
		run_until_stopped(world);
		break;
	case 2:
		world->running = true;
		result = hawser_loop_dispatch(world->loop);
		turned(world, 0, result);
		break;
	default:
		run_once(world, times_ms[draw_below(world, 8)]);
	}
}

static void live(struct world *world)
{
	user_client_new(world);
	agenda_add(world, draw_below(world, 2 * SECOND), user_thread, 0, 0);
	for (uint32_t step = 0; step < world->steps && world->loop; step++) {
		if (chance(world, 45)) {
			user_burst(world);
			continue;
		}
		run_some(world);
		if (step % TURN_CHECK_EVERY == 0 && world->loop)
			oracle_turned(world);
	}
}

/* ---- healing ---- */

static void wake_clients(struct world *world)
{
	struct user *user = &world->user;

	for (uint32_t i = 0; i < user->clients_count; i++) {
		struct sim_client *client = &user->clients[i];

		if (!client->made || client->freed)
			continue;
		if (client->raw && client->paused)
			client_resume(client);
		if (hawser_client_state(client->handle) == HAWSER_IDLE && !client->none)
			client_connect(client);
	}
}

/* Until all is bound, and what was still on its way has arrived. */
static void settle(struct world *world, uint64_t until)
{
	uint32_t turns = 0;

	do {
		if (world->now > until)
			violated(world, "the network is well since %llu s, and not everything is bound",
			    (unsigned long long)(HEAL_MOST / SECOND));
		if (++turns > HEAL_TURNS_MAX)
			violated(world, "the loop turns without end");
		wake_clients(world);
		run_once(world, 1000);
		oracle_turned(world);
	} while (!oracle_is_settled(world));
	until = world->now + ARRIVAL_MOST;
	while (world->now < until)
		run_once(world, 500);
	oracle_turned(world);
}

static void heal(struct world *world)
{
	uint64_t until;

	trace(world, TRACE_heal, 0, 0, 0);
	world->healed = true;
	world->memory.spared = true;
	memset(&world->faults, 0, sizeof(world->faults));
	world->faults.window = 1 << 20;
	for (unsigned i = 0; i < world->hosts_count; i++)
		world->hosts[i].uid = 1000;
	hosts_heal(world);
	engine_heal(world);
	network_heal(world);
	until = world->now + HEAL_MOST;
	do
		settle(world, until);
	while (!oracle_is_settled(world));
	oracle_settled(world);
}

void world_run(struct world *world, uint64_t seed)
{
	begin(world, seed);
	hosts_begin(world);
	make_loop(world);
	if (world->loop)
		live(world);
	if (world->loop)
		heal(world);
	user_frees(world);
	if (world->loop)
		oracle_frees_loop(world);
	oracle_end(world);
	trace(world, TRACE_ended, world->events, 0, 0);
}
