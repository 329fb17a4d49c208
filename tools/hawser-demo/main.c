/* SPDX-License-Identifier: MIT
 *
 * hawser-demo: clients that are there before their host, lose it, and get it back; one that is refused, and
 * one that nobody answers. Public API only, this machine only, a few seconds, exit status 0 when everything
 * went as told.
 */
#include "demo.h"

#include <stdio.h>
#include <string.h>

#define MS 1000000ULL

enum { EXIT_USAGE = 2 };

struct play {
	hawser_loop *loop;
	hawser_timer *timer;
	struct stage stage;
	struct actor orders;
	struct actor fleet[FLEET];
	struct actor refused;
	struct actor silent;
	unsigned scene;
	bool failed;
};

static void start_host(struct play *play)
{
	if (stage_start_host(&play->stage) < 0)
		play->failed = true;
	say("host", play->scene > 1 ? "starts again" : "starts, late: the clients were waiting");
}

static void make_calls(struct play *play)
{
	struct actor *orders = &play->orders;

	say("demo", "all bound: a call, a stream, and one that takes its time");
	hawser_invoke(actor_bindings[0], "Echo", "two teas, please", 16, actor_on_reply, orders, NULL);
	hawser_invoke(actor_bindings[1], "Count", "3", 1, actor_on_reply, orders, NULL);
	hawser_invoke(actor_bindings[2], "Wait", "5000", 4, actor_on_reply, orders, NULL);
}

static void kill_host(struct play *play)
{
	say("demo", "kills the host, with a call in flight");
	stage_kill_host(&play->stage);
}

static void call_again(struct play *play)
{
	say("demo", "bound again by itself: the next call");
	hawser_invoke(actor_bindings[0], "Echo", "and a cake", 10, actor_on_reply, &play->orders, NULL);
}

static void check_end(struct play *play)
{
	const struct row rows[] = {
	    {"orders", &play->orders, 1},
	    {"fleet of 16", play->fleet, FLEET},
	    {"refused", &play->refused, 1},
	    {"silent", &play->silent, 1},
	};

	table_print(rows, sizeof(rows) / sizeof(rows[0]));
	kernel_print();
	if (play->orders.ready_count != 2 || play->orders.bound_count != 6 || play->orders.replies != 6 ||
	    hawser_client_state(play->refused.client) != HAWSER_CLOSED ||
	    hawser_client_state(play->silent.client) != HAWSER_CLOSED)
		play->failed = true;
	hawser_loop_stop(play->loop);
}

static const struct scene {
	uint64_t after_ms; /* the scene before */
	void (*act)(struct play *play);
} scenes[] = {
    {900, start_host},
    {1600, make_calls},
    {700, kill_host},
    {600, start_host},
    {700, call_again},
    {500, check_end},
};

static void next_scene(hawser_timer *timer, void *user)
{
	struct play *play = user;
	unsigned scene = play->scene++;

	scenes[scene].act(play);
	if (play->scene < sizeof(scenes) / sizeof(scenes[0]))
		hawser_timer_restart(timer, scenes[play->scene].after_ms * MS, 0);
}

static void start_actors(struct play *play)
{
	HAWSER_OPTIONS(hawser_client_options, orders, .target = play->stage.unix_target);
	HAWSER_OPTIONS(hawser_client_options, refused, .target = play->stage.refused_target, .rounds_max = 3,
	    .backoff_base_ms = 200);
	HAWSER_OPTIONS(hawser_client_options, silent, .target = play->stage.silent_target, .rounds_max = 2,
	    .attempt_deadline_ms = 500, .backoff_base_ms = 300);

	play->orders = (struct actor){.name = "orders", .loud = true};
	actor_start(&play->orders, play->loop, &orders);
	actor_bind(&play->orders, "Echo");
	actor_bind(&play->orders, "Counter");
	actor_bind(&play->orders, "Slow");
	for (int i = 0; i < FLEET; i++) {
		play->fleet[i] = (struct actor){.name = "fleet"};
		actor_start(&play->fleet[i], play->loop, &orders);
		actor_bind(&play->fleet[i], "Echo");
	}
	play->refused = (struct actor){.name = "refused", .loud = true};
	actor_start(&play->refused, play->loop, &refused);
	play->silent = (struct actor){.name = "silent", .loud = true};
	actor_start(&play->silent, play->loop, &silent);
}

static void free_actors(struct play *play)
{
	for (int i = 0; i < 3; i++)
		hawser_binding_free(actor_bindings[i]);
	hawser_client_free(play->orders.client);
	for (int i = 0; i < FLEET; i++)
		hawser_client_free(play->fleet[i].client);
	hawser_client_free(play->refused.client);
	hawser_client_free(play->silent.client);
}

static void usage_print(FILE *file)
{
	fprintf(file,
	    "Usage: hawser-demo\n"
	    "Shows clients that wait for their host, lose it and get it back, and two that find none.\n"
	    "Takes no option, about 5 seconds, and a hawser-host in its own directory; uses this\n"
	    "machine only. Exit status: 0; 1 if something did not go as told; 2 for an argument.\n");
}

int main(int count, char **arguments)
{
	static struct play play;

	if (count > 1) {
		bool asked = strcmp(arguments[1], "--help") == 0;

		usage_print(asked ? stdout : stderr);
		return asked ? 0 : EXIT_USAGE;
	}
	if (stage_set(&play.stage, arguments[0]) < 0)
		return 1;
	if (hawser_loop_new(NULL, &play.loop) < 0) {
		fprintf(stderr, "hawser-demo: no loop\n");
		return 1;
	}
	kernel_watch();
	say_begin();
	say("demo", "hawser %s on %s: %s", hawser_version(), hawser_loop_engine(play.loop),
	    hawser_loop_engine_reason(play.loop));
	start_actors(&play);
	say("demo", "plus a fleet of %d quiet clients of the same host, which is not there yet", FLEET);
	if (hawser_timer_new(play.loop, scenes[0].after_ms * MS, 0, next_scene, &play, &play.timer) < 0 ||
	    hawser_loop_run(play.loop) < 0)
		play.failed = true;
	hawser_timer_free(play.timer);
	free_actors(&play);
	hawser_loop_free(play.loop);
	stage_clear(&play.stage);
	if (play.failed)
		fprintf(stderr, "hawser-demo: something did not go as it should have\n");
	return play.failed;
}
