/* SPDX-License-Identifier: MIT
 *
 * Every pair of state and event that is not in a table: a debug build aborts and says which it was, a release
 * build tells `missing` and moves nothing. So does a machine that is moved from within an effect.
 */
#include "../support/release_core.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(missing_moves, .timeout = 60);

/* What the effects of the machine under test were asked for. */
static unsigned moves;
static unsigned missing;
static unsigned effects;
static unsigned missing_event;
static bool fire_inside;
static void (*connection_mover)(struct connection *connection, enum connection_event event);
static void (*binding_mover)(struct binding *binding, enum binding_event event);

static void connection_effect(struct connection *connection)
{
	effects++;
	if (fire_inside)
		connection_mover(connection, CONNECTION_EVENT_stopped);
}

static void connection_moved(struct connection *connection, enum connection_state from, const char *why)
{
	(void)connection;
	(void)from;
	(void)why;
	moves++;
}

static void connection_missing(struct connection *connection, enum connection_event event)
{
	(void)connection;
	missing++;
	missing_event = event;
}

static void connection_check(const struct connection *connection)
{
	(void)connection;
}

static const struct connection_effects connection_effects = {
    .begin_round = connection_effect,
    .begin_attempt = connection_effect,
    .prepare = connection_effect,
    .drain_queue = connection_effect,
    .hand_over = connection_effect,
    .back_off = connection_effect,
    .await_answers = connection_effect,
    .shut_down = connection_effect,
    .tell_closed = connection_effect,
    .moved = connection_moved,
    .missing = connection_missing,
    .check = connection_check,
};

static void binding_effect(struct binding *binding)
{
	effects++;
	if (fire_inside)
		binding_mover(binding, BINDING_EVENT_told);
}

static void binding_moved(struct binding *binding, enum binding_state from, const char *why)
{
	(void)binding;
	(void)from;
	(void)why;
	moves++;
}

static void binding_missing(struct binding *binding, enum binding_event event)
{
	(void)binding;
	missing++;
	missing_event = event;
}

static const struct binding_effects binding_effects = {
    .tell_bound = binding_effect,
    .tell_lost = binding_effect,
    .tell_end = binding_effect,
    .moved = binding_moved,
    .missing = binding_missing,
};

static unsigned connection_moves_to(unsigned state, unsigned event)
{
	struct connection connection = {.effects = &connection_effects, .state = (uint8_t)state};

	connection_mover(&connection, (enum connection_event)event);
	return connection.state;
}

static unsigned binding_moves_to(unsigned state, unsigned event)
{
	struct binding binding = {.effects = &binding_effects, .state = (uint8_t)state};

	binding_mover(&binding, (enum binding_event)event);
	return binding.state;
}

/* A child makes the move: ret_words is what it says, the result how it ends. */
static int ending(
    unsigned (*moves_to)(unsigned state, unsigned event), unsigned state, unsigned event, char ret_words[256])
{
	const struct rlimit no_core = {0, 0};
	int ends[2];
	int status;
	ssize_t size;
	pid_t pid;

	cr_assert_eq(pipe(ends), 0);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		setrlimit(RLIMIT_CORE, &no_core);
		dup2(ends[1], STDERR_FILENO);
		moves_to(state, event);
		_exit(0);
	}
	close(ends[1]);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	size = read(ends[0], ret_words, 255);
	ret_words[size > 0 ? size : 0] = '\0';
	close(ends[0]);
	return status;
}

static unsigned expect_aborts(
    const struct machine *machine, unsigned (*moves_to)(unsigned state, unsigned event))
{
	unsigned absent = 0;
	char words[256];
	char expected[256];

	for (unsigned state = 0; state < machine->states; state++)
		for (unsigned event = 0; event < machine->events; event++) {
			int status;

			if (machine->moves[state * machine->events + event].why)
				continue;
			absent++;
			status = ending(moves_to, state, event, words);
			snprintf(expected, sizeof(expected), "from %s on %s\n", machine->state_names[state],
			    machine->event_names[event]);
			cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%s", expected);
			cr_assert(strstr(words, expected), "\"%s\" says nothing %s", words, expected);
		}
	return absent;
}

Test(missing_moves, abort_a_debug_build)
{
	connection_mover = connection_fire;
	binding_mover = binding_fire;
	cr_assert_gt(expect_aborts(&connection_machine, connection_moves_to), 90);
	cr_assert_gt(expect_aborts(&binding_machine, binding_moves_to), 20);
}

static void expect_missing(
    const struct machine *machine, unsigned (*moves_to)(unsigned state, unsigned event))
{
	for (unsigned state = 0; state < machine->states; state++)
		for (unsigned event = 0; event < machine->events; event++) {
			const struct move *move = &machine->moves[state * machine->events + event];
			unsigned to;

			moves = missing = effects = 0;
			missing_event = machine->events;
			to = moves_to(state, event);
			if (move->why) {
				cr_assert_eq(to, move->to);
				cr_assert_eq(missing, 0);
				cr_assert_eq(moves, 1);
				continue;
			}
			cr_assert_eq(to, state, "%s moved on %s", machine->state_names[state],
			    machine->event_names[event]);
			cr_assert_eq(missing, 1);
			cr_assert_eq(missing_event, event);
			cr_assert_eq(moves + effects, 0);
		}
}

Test(missing_moves, are_told_and_move_nothing_in_a_release_build)
{
	connection_mover = release_connection_fire;
	binding_mover = release_binding_fire;
	expect_missing(&connection_machine, connection_moves_to);
	expect_missing(&binding_machine, binding_moves_to);
}

/* Also when the pair itself is in the table. */
Test(missing_moves, an_effect_may_not_move_its_machine)
{
	char words[256];
	int status;

	fire_inside = true;
	connection_mover = connection_fire;
	binding_mover = binding_fire;
	status = ending(connection_moves_to, CONNECTION_idle, CONNECTION_EVENT_started, words);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	cr_assert(strstr(words, "from resolving on stopped (from within an effect)"), "%s", words);
	status = ending(binding_moves_to, BINDING_queued, BINDING_EVENT_refused, words);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	cr_assert(strstr(words, "from releasing on told (from within an effect)"), "%s", words);
	connection_mover = release_connection_fire;
	binding_mover = release_binding_fire;
	cr_assert_eq(connection_moves_to(CONNECTION_idle, CONNECTION_EVENT_started), CONNECTION_resolving);
	cr_assert_eq(missing, 1);
	cr_assert_eq(missing_event, CONNECTION_EVENT_stopped);
	cr_assert_eq(binding_moves_to(BINDING_queued, BINDING_EVENT_refused), BINDING_releasing);
	cr_assert_eq(missing, 2);
	cr_assert_eq(missing_event, BINDING_EVENT_told);
	cr_assert_eq(effects, 2);
}
