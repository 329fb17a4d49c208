/* SPDX-License-Identifier: MIT
 *
 * The progress line. It is overwritten with spaces rather than by an escape sequence, so that any terminal
 * will do, and cut to the terminal's width, as a line that wraps cannot be rewritten. A terminal that is
 * forbidden to move its cursor (TERM=dumb) is a pipe.
 */
#include "progress.h"

#include "text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { WIDTH_DEFAULT = 80, WIDTH_MAX = 200 };
#define MOMENT_NS 200000000ULL /* what passes sooner is not worth a word */

static struct {
	const struct options *options;
	bool drawn;
	bool plain;
	enum hawser_state state;
	uint64_t since_ns;    /* in this state, or for this answer */
	uint64_t retry_at_ns; /* when the next round begins, 0: none is planned */
	uint32_t round;       /* the last that failed */
	int code;             /* its failure; 0: none since it was ready */
	enum hawser_stage stage;
	char address[HAWSER_ADDRESS_MAX];
	char awaited[300];
	char shown[WIDTH_MAX]; /* what is on the terminal now */
} progress;

void progress_open(const struct options *options)
{
	const char *terminal = getenv("TERM");
	bool silent = options->json || options->quiet;

	progress.options = options;
	progress.since_ns = now_ns();
	progress.drawn = !silent && isatty(STDERR_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
	progress.plain = !silent && !progress.drawn && options->command != COMMAND_WATCH;
}

bool progress_is_drawn(void)
{
	return progress.drawn;
}

static size_t width(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 2)
		return WIDTH_DEFAULT - 1;
	return size.ws_col < WIDTH_MAX ? size.ws_col - 1U : WIDTH_MAX - 1;
}

__attribute__((format(printf, 1, 2))) static void show(const char *format, ...)
{
	char line[WIDTH_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	line[width()] = '\0';
	for (char *at = line; *at; at++)
		if ((unsigned char)*at < 0x20 || (unsigned char)*at > 0x7e)
			*at = '?';
	if (strcmp(line, progress.shown) == 0)
		return;
	fprintf(stderr, "\r%-*s\r%s", (int)strlen(progress.shown), line, line);
	fflush(stderr);
	memcpy(progress.shown, line, sizeof(line));
}

void progress_clear(void)
{
	if (!progress.shown[0])
		return;
	fprintf(stderr, "\r%-*s\r", (int)strlen(progress.shown), "");
	fflush(stderr);
	progress.shown[0] = '\0';
}

static void plain_print(const struct hawser_change *change)
{
	char duration[DURATION_SIZE];

	fprintf(stderr, "hawser: round %u: %s at %s, ", change->round, hawser_errno_name(change->error->code),
	    hawser_stage_name(change->error->stage));
	text_put(stderr, change->error->text);
	fprintf(stderr, "; next try in %s\n", text_duration(change->next_retry_ns, duration));
}

void progress_change(const struct hawser_change *change)
{
	const struct hawser_error *error = change->to == HAWSER_WAITING ? change->error : NULL;

	progress.state = change->to;
	progress.since_ns = now_ns();
	progress.retry_at_ns = change->next_retry_ns ? progress.since_ns + change->next_retry_ns : 0;
	snprintf(progress.address, sizeof(progress.address), "%s", change->address);
	if (change->to == HAWSER_READY)
		progress.code = 0;
	if (!error)
		return;
	if (progress.plain && (error->code != progress.code || error->stage != progress.stage))
		plain_print(change);
	progress.round = change->round;
	progress.code = error->code;
	progress.stage = error->stage;
}

void progress_await(const char *name, const char *what)
{
	progress.since_ns = now_ns();
	snprintf(progress.awaited, sizeof(progress.awaited), "%s %s", name, what);
}

static void show_failure(uint64_t now)
{
	const char *name = hawser_errno_name(progress.code);
	const char *stage = hawser_stage_name(progress.stage);

	if (progress.retry_at_ns > now)
		show("round %u failed, %s at %s: next try in %.1f s", progress.round, name, stage,
		    (double)(progress.retry_at_ns - now) / 1e9);
	else
		show("round %u failed, %s at %s: trying again", progress.round, name, stage);
}

void progress_tick(void)
{
	uint64_t now = now_ns();
	uint64_t for_ns = now - progress.since_ns;
	double seconds = (double)for_ns / 1e9;

	switch (progress.state) {
	case HAWSER_WAITING:
		show_failure(now);
		return;
	case HAWSER_RESOLVING:
	case HAWSER_CONNECTING:
	case HAWSER_PREPARING:
		if (for_ns < MOMENT_NS && progress.code)
			show_failure(now);
		else if (for_ns >= MOMENT_NS && progress.state == HAWSER_RESOLVING)
			show("looking up %s: %.1f s", TARGET(progress.options), seconds);
		else if (for_ns >= MOMENT_NS)
			show("connecting to %s: %.1f s", progress.address, seconds);
		return;
	case HAWSER_READY:
		if (progress.options->command == COMMAND_WATCH)
			show("ready for %.0f s: %s", seconds, progress.address);
		else if (for_ns >= MOMENT_NS)
			show("waiting for %s: %.1f s", progress.awaited, seconds);
		return;
	default:
		return;
	}
}
