/* SPDX-License-Identifier: MIT
 *
 * hawser watch: a client that stays, and a line for each thing that it is told.
 *
 * In a pipe every change is a line. On a terminal the steps of a round belong to the progress line, and a
 * failure like the one before it is only counted there, so that an outage is one line and a countdown.
 *
 * It ends by --count or a signal; by --deadline-ms, well if all is up then; and by failure when the client
 * gives up or the service is refused.
 */
#include "progress.h"
#include "text.h"
#include "visit.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

static struct watch {
	bool all; /* every change is a line */
	uint64_t changes;
	/* The failure that was printed last, until the client is ready. */
	int failure_code;
	enum hawser_stage failure_stage;
} watch;

static void now_text(char *text, size_t size, bool universal)
{
	struct timespec now;
	struct tm parts;
	char seconds[32];

	clock_gettime(CLOCK_REALTIME, &now);
	if (universal)
		gmtime_r(&now.tv_sec, &parts);
	else
		localtime_r(&now.tv_sec, &parts);
	strftime(seconds, sizeof(seconds), universal ? "%Y-%m-%dT%H:%M:%S" : "%H:%M:%S", &parts);
	snprintf(text, size, "%s.%03ld%s", seconds, now.tv_nsec / 1000000, universal ? "Z" : "");
}

static void line_begin(enum colour colour, const char *word)
{
	char when[48];

	progress_clear();
	now_text(when, sizeof(when), false);
	text_coloured(stdout, COLOUR_FAINT, 0, when);
	fputs("  ", stdout);
	text_coloured(stdout, colour, 10, word);
	fputs("  ", stdout);
}

static void line_end(void)
{
	putchar('\n');
	fflush(stdout);
}

static void json_line_begin(const char *event)
{
	char when[48];

	now_text(when, sizeof(when), true);
	json_begin(event);
	json_text("time", when);
}

static void json_line_end(const struct hawser_error *error)
{
	if (error) {
		json_open("error", '{');
		json_error(error);
		json_close('}');
	} else {
		json_word("error", "null");
	}
	json_end();
}

static void change_json(const struct hawser_change *change)
{
	json_line_begin("change");
	json_text("from", hawser_state_name(change->from));
	json_text("to", hawser_state_name(change->to));
	json_text("why", change->why);
	json_number("round", change->round);
	json_number("attempt", change->attempt);
	json_text("address", change->address);
	json_number("next_retry_us", change->next_retry_ns / 1000);
	json_line_end(change->error);
}

static void put_error(const struct hawser_error *error)
{
	printf("%s at %s: ", hawser_errno_name(error->code), hawser_stage_name(error->stage));
	text_put(stdout, error->text);
}

static void put_detail(const struct hawser_change *change)
{
	char duration[DURATION_SIZE];

	switch (change->to) {
	case HAWSER_RESOLVING:
		printf("round %u, %s", change->round, change->why);
		return;
	case HAWSER_CONNECTING:
	case HAWSER_PREPARING:
	case HAWSER_READY:
		printf("round %u, attempt %u, ", change->round, change->attempt);
		text_put(stdout, change->address);
		return;
	default:
		if (change->error)
			put_error(change->error);
		else
			fputs(change->why, stdout);
		if (change->next_retry_ns)
			printf("; next try in %s", text_duration(change->next_retry_ns, duration));
	}
}

static bool is_step(enum hawser_state state)
{
	return state == HAWSER_RESOLVING || state == HAWSER_CONNECTING || state == HAWSER_PREPARING ||
	       state == HAWSER_CLOSING;
}

static bool is_news(const struct hawser_change *change)
{
	int code = change->error ? change->error->code : 0;
	enum hawser_stage stage = change->error ? change->error->stage : HAWSER_STAGE_NONE;
	bool repeats = change->to == HAWSER_WAITING && code == watch.failure_code &&
		       stage == watch.failure_stage && change->from != HAWSER_READY;

	if (change->to == HAWSER_WAITING || change->to == HAWSER_READY) {
		watch.failure_code = code;
		watch.failure_stage = stage;
	}
	return watch.all || (!repeats && !is_step(change->to));
}

static void counted(struct visit *visit)
{
	if (++watch.changes >= visit->options->count)
		visit_end(visit, EXIT_DONE);
}

static void on_changed(struct visit *visit, const struct hawser_change *change)
{
	enum colour colour = change->to == HAWSER_READY     ? COLOUR_GOOD
			     : change->to == HAWSER_WAITING ? COLOUR_WAIT
			     : change->to == HAWSER_CLOSED  ? COLOUR_BAD
							    : COLOUR_FAINT;

	if (visit->options->json) {
		change_json(change);
	} else if (!visit->options->quiet && is_news(change)) {
		line_begin(colour, hawser_state_name(change->to));
		put_detail(change);
		line_end();
	}
	counted(visit);
}

static void on_binding(struct visit *visit, hawser_binding *binding, enum hawser_binding_event event,
    const struct hawser_error *error)
{
	const char *word = hawser_binding_event_name(event);

	(void)binding;
	if (visit->options->json) {
		json_line_begin("binding");
		json_text("service", SERVICE(visit->options));
		json_text("binding", word);
		json_line_end(error);
	} else if (!visit->options->quiet) {
		line_begin(event == HAWSER_BINDING_BOUND  ? COLOUR_GOOD
			   : event == HAWSER_BINDING_LOST ? COLOUR_WAIT
							  : COLOUR_BAD,
		    word);
		text_put(stdout, SERVICE(visit->options));
		if (error) {
			fputs(": ", stdout);
			text_put(stdout, error->text);
		}
		line_end();
	}
	counted(visit);
}

static void on_deadline(struct visit *visit)
{
	bool up = visit->binding ? hawser_binding_state(visit->binding) == HAWSER_BINDING_IS_BOUND
				 : hawser_client_state(visit->client) == HAWSER_READY;

	visit_end(visit, up ? EXIT_DONE : EXIT_DEADLINE);
}

enum exit_code command_watch(const struct options *options)
{
	static const struct visit_events events = {
	    .changed = on_changed, .binding = on_binding, .deadline = on_deadline};
	struct visit visit;

	watch.all = options->verbose || !isatty(STDOUT_FILENO);
	visit_run(&visit, options, &events);
	return visit_close(&visit);
}
