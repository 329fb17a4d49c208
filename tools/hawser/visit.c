/* SPDX-License-Identifier: MIT
 *
 * A command's way through the library. It knows nothing of what the commands print.
 *
 * Happy path: visit_run makes a loop and a client, which begins to connect; the command is told what
 * happens and calls visit_end, which stops the loop.
 *
 * Failures: whatever closes the client or the binding for good ends the visit with that error;
 * --deadline-ms ends it by a timer; a signal stops the loop, which hawser_loop_stop may do from a handler: it
 * stores two atomics and writes an eventfd.
 */
#include "visit.h"

#include "methods.h"
#include "progress.h"
#include "text.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define MS 1000000ULL
#define TICK_NS (100 * MS)

static hawser_loop *volatile signalled_loop;
static volatile sig_atomic_t signal_number;

static void on_signal(int number)
{
	int saved = errno;

	signal_number = number;
	if (signalled_loop)
		hawser_loop_stop(signalled_loop);
	errno = saved;
}

/* A second Ctrl-C ends the program at once. */
static void signals_catch(hawser_loop *loop)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | (int)SA_RESETHAND};

	signalled_loop = loop;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

void visit_end(struct visit *visit, enum exit_code exit_code)
{
	if (visit->over)
		return;
	visit->over = true;
	visit->exit_code = exit_code;
	visit->outcome.elapsed_ns = now_ns() - visit->began_ns;
	progress_clear();
	if (visit->loop)
		hawser_loop_stop(visit->loop);
}

void visit_fail(struct visit *visit, const struct hawser_error *error)
{
	if (visit->over)
		return;
	outcome_set(&visit->outcome, error, visit->phase);
	visit_end(visit, visit->outcome.exit_code);
}

void visit_fail_with(struct visit *visit, int code, enum hawser_stage stage, const char *text)
{
	struct hawser_status status = {.size = sizeof(status)};
	struct hawser_error error = {.code = code, .stage = stage, .address = "", .text = text};

	error.cause = code == -ETIMEDOUT ? HAWSER_CAUSE_DEADLINE : HAWSER_CAUSE_LOCAL;
	if (visit->client && hawser_client_status(visit->client, &status) == 0) {
		error.round = status.round;
		error.attempt = status.attempt;
		error.address = status.address;
	}
	visit_fail(visit, &error);
}

static void on_deadline(hawser_timer *timer, void *user)
{
	struct visit *visit = user;
	struct hawser_status status = {.size = sizeof(status)};
	enum hawser_stage stage = HAWSER_STAGE_CONNECT;
	char text[128];

	(void)timer;
	if (visit->over)
		return;
	if (visit->events->deadline) {
		visit->events->deadline(visit);
		return;
	}
	hawser_client_status(visit->client, &status);
	if (status.state == HAWSER_RESOLVING)
		stage = HAWSER_STAGE_RESOLVE;
	else if (status.state == HAWSER_READY)
		stage = HAWSER_STAGE_BIND;
	snprintf(text, sizeof(text), "not %s within %u ms",
	    stage == HAWSER_STAGE_BIND ? "bound" : "connected", visit->options->deadline_ms);
	visit->outcome.last.code = status.last_code;
	visit->outcome.last.stage = status.last_stage;
	visit->outcome.last.cause = status.last_cause;
	visit_fail_with(visit, -ETIMEDOUT, stage, text);
}

static void on_tick(hawser_timer *timer, void *user)
{
	const struct visit *visit = user;

	(void)timer;
	if (!visit->over)
		progress_tick();
}

static void ready(struct visit *visit)
{
	if (SERVICE(visit->options)) {
		visit->phase = PHASE_BIND;
		visit->bind_began_ns = now_ns();
		progress_await(SERVICE(visit->options), "to be bound");
	}
	if (visit->events->ready)
		visit->events->ready(visit);
}

/* The library takes a host that was ready and said something for a good one and tries for ever; whoever asks
 * for one answer does not. */
static bool is_too_often_lost(struct visit *visit, const struct hawser_change *change)
{
	if (visit->options->command == COMMAND_WATCH || change->from != HAWSER_READY || !change->error)
		return false;
	return ++visit->losses >= visit->options->attempts;
}

static void on_change(hawser_client *client, const struct hawser_change *change, void *user)
{
	struct visit *visit = user;

	(void)client;
	if (visit->over || visit->phase == PHASE_CALL) /* the call will be told */
		return;
	if (is_too_often_lost(visit, change)) {
		visit_fail(visit, change->error);
		return;
	}
	progress_change(change);
	if (visit->events->changed)
		visit->events->changed(visit, change);
	if (visit->over)
		return;
	if (change->to == HAWSER_READY)
		ready(visit);
	else if (change->to == HAWSER_CLOSED && change->error)
		visit_fail(visit, change->error);
}

static void on_handover(hawser_client *client, int fd, void *user)
{
	struct visit *visit = user;

	(void)client;
	close(fd);
	if (!visit->over)
		ready(visit);
}

static void on_binding(
    hawser_binding *binding, enum hawser_binding_event event, const struct hawser_error *error, void *user)
{
	struct visit *visit = user;

	if (visit->over)
		return;
	if (visit->events->binding)
		visit->events->binding(visit, binding, event, error);
	if (event == HAWSER_BINDING_BOUND || event == HAWSER_BINDING_LOST)
		return;
	if (hawser_client_state(visit->client) < HAWSER_CLOSING) /* else the client's own end follows */
		visit_fail(visit, error);
}

static void on_log(enum hawser_log_level level, const hawser_client *client, const char *line, void *user)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};

	(void)client;
	(void)user;
	progress_clear();
	text_coloured(stderr, COLOUR_FAINT, 8, names[level]);
	text_put(stderr, line);
	fputc('\n', stderr);
}

static int loop_open(struct visit *visit)
{
	const struct options *options = visit->options;
	HAWSER_OPTIONS(hawser_loop_options, wanted, .engine = (enum hawser_engine_choice)options->engine,
	    .log = options->verbose ? on_log : NULL, .log_level = HAWSER_LOG_DEBUG);
	int result = hawser_loop_new(&wanted, &visit->loop);

	if (result < 0) {
		visit_fail_with(visit, result, HAWSER_STAGE_NONE,
		    wanted.engine == HAWSER_ENGINE_URING ? "io_uring cannot be used here"
							 : "no event loop can be made here");
		return result;
	}
	signals_catch(visit->loop);
	return 0;
}

static int client_open(struct visit *visit)
{
	const struct options *options = visit->options;
	bool perfetto = strcmp(options->protocol, "perfetto") == 0;
	HAWSER_OPTIONS(hawser_client_options, wanted, .target = TARGET(options),
	    .protocol = options->protocol, .custom_protocol = perfetto ? methods_protocol() : NULL,
	    .user = visit, .on_change = on_change, .on_handover = on_handover,
	    .backoff = (enum hawser_backoff_preset)options->backoff, .rounds_max = options->attempts,
	    .peer_uid = options->peer_uid);
	int result = hawser_client_new(visit->loop, &wanted, &visit->client);

	if (result < 0) {
		visit_fail_with(visit, result, HAWSER_STAGE_SOCKET,
		    strncmp(TARGET(options), "fd:", 3) == 0 ? "this is no connected stream socket"
							    : "the client cannot be made");
		return result;
	}
	if (SERVICE(options))
		result = hawser_bind(visit->client, SERVICE(options), on_binding, visit, &visit->binding);
	if (result < 0)
		visit_fail_with(visit, result, HAWSER_STAGE_BIND, "the service cannot be asked for");
	return result;
}

static int timers_open(struct visit *visit)
{
	int result = 0;

	if (visit->options->deadline_ms != HAWSER_NONE)
		result = hawser_timer_new(
		    visit->loop, visit->options->deadline_ms * MS, 0, on_deadline, visit, &visit->deadline);
	if (result == 0 && progress_is_drawn())
		result = hawser_timer_new(visit->loop, TICK_NS, TICK_NS, on_tick, visit, &visit->tick);
	if (result < 0)
		visit_fail_with(visit, result, HAWSER_STAGE_NONE, "there is no memory left");
	return result;
}

void visit_run(struct visit *visit, const struct options *options, const struct visit_events *events)
{
	int result;

	memset(visit, 0, sizeof(*visit));
	visit->options = options;
	visit->events = events;
	visit->began_ns = now_ns();
	progress_open(options);
	if (loop_open(visit) < 0 || client_open(visit) < 0 || timers_open(visit) < 0)
		return;
	result = hawser_loop_run(visit->loop);
	if (result < 0)
		visit_fail_with(visit, result, HAWSER_STAGE_NONE, "the event loop failed");
	if (signal_number)
		visit_end(visit, (enum exit_code)(EXIT_SIGNAL + signal_number));
	if (!visit->over) /* nothing is left that could happen, and nobody said why */
		visit_fail_with(visit, -ECANCELED, HAWSER_STAGE_NONE, "the client has ended");
}

uint32_t visit_take_deadline_ms(struct visit *visit)
{
	uint64_t passed_ms = (now_ns() - visit->began_ns) / MS;
	uint32_t deadline_ms = visit->options->deadline_ms;

	hawser_timer_free(visit->deadline);
	visit->deadline = NULL;
	if (deadline_ms == HAWSER_NONE)
		return HAWSER_NONE;
	return passed_ms < deadline_ms ? deadline_ms - (uint32_t)passed_ms : 1;
}

enum exit_code visit_close(struct visit *visit)
{
	progress_clear();
	if (visit->outcome.error.code)
		outcome_print(&visit->outcome, visit->options);
	signalled_loop = NULL;
	hawser_timer_free(visit->tick);
	hawser_timer_free(visit->deadline);
	hawser_binding_free(visit->binding);
	hawser_client_free(visit->client);
	hawser_loop_free(visit->loop);
	return visit->exit_code;
}
