/* SPDX-License-Identifier: MIT
 *
 * Something that is shown again and again: on a terminal it is redrawn every second, elsewhere it is printed
 * every --interval, or once at the end. Ends as live does, and with the same summary. No records are asked of
 * the kernel: what is shown is read from its maps.
 */
#include "show.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LOOK_MS = 50, LINES_BESIDE = 5 };

static unsigned rows_of(const struct winsize *size)
{
	if (size->ws_row == 0)
		return UINT_MAX;
	return size->ws_row > LINES_BESIDE + 1 ? (unsigned)size->ws_row - LINES_BESIDE : 1;
}

static int draw(const struct screen *screen, bool titled, screen_function function)
{
	char when[WORDS_TIME_BYTES];
	int64_t real_ns = (int64_t)words_now_ns() + words_to_real_ns();

	if (titled && !screen->arguments->json)
		fprintf(screen->file, "%s\n", words_time(real_ns, when));
	return function(screen);
}

/* In place of what the terminal showed. A row that it would wrap pushed the first ones out. */
static int redraw(struct screen *screen, screen_function function)
{
	struct winsize size = {0};
	char *picture = NULL;
	size_t length;
	int result;

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	screen->rows_max = rows_of(&size);
	screen->file = open_memstream(&picture, &length);
	if (!screen->file)
		return -errno;
	result = draw(screen, true, function);
	if (fclose(screen->file) != 0 && result >= 0)
		result = -ENOMEM;
	if (result >= 0) {
		fputs("\033[H\033[2J", stdout);
		cells_put_lines(stdout, picture, size.ws_col ? size.ws_col : UINT_MAX);
	}
	free(picture);
	return result;
}

static int show(struct screen *screen, bool redraws, bool titled, screen_function function)
{
	int result;

	screen->rows_max = UINT_MAX;
	screen->file = stdout;
	result = redraws ? redraw(screen, function) : draw(screen, titled, function);
	return output_flush() < 0 ? -EPIPE : result;
}

/* Connects that ended. */
struct sums {
	uint64_t seen;
	uint64_t causes[HAWSER_TRACE_CAUSES];
};

static int sums_read(hawser_trace *trace, struct sums *ret_sums)
{
	struct hawser_trace_histogram every;
	struct sums sums = {0};

	for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++) {
		int result = hawser_trace_histogram_read(trace, HAWSER_TRACE_EVERY, cause, &every);

		if (result < 0)
			return result;
		sums.causes[cause] = every.count;
		sums.seen += every.count;
	}
	*ret_sums = sums;
	return 0;
}

/* Waits and looks. 1: it is time to show something; 0: it is over; else a negative errno. */
static int rest(const struct screen *screen, const struct session *session, uint64_t until_ns)
{
	uint64_t count = screen->arguments->count;
	struct sums sums;
	int result;

	while (session_goes_on(session)) {
		poll(NULL, 0, LOOK_MS); /* records are not read: of pinned programs, they are another's */
		if (output_flush() < 0)
			return -EPIPE;
		result = count ? sums_read(screen->trace, &sums) : 0;
		if (result < 0)
			return result;
		if (count && sums.seen >= count)
			break;
		if (words_now_ns() >= until_ns)
			return session_goes_on(session);
	}
	return 0;
}

static void summary(const struct session *session)
{
	struct hawser_trace_counters counters = {0};
	struct sums sums = {0};

	sums_read(session->trace, &sums);
	hawser_trace_counters_read(session->trace, &counters);
	counters.records_lost = 0; /* nothing here is made of records */
	words_summary(sums.causes, sums.seen, &counters);
}

/* What is pinned has counted already: where nothing says for how long to wait, it is shown as it is now. */
static bool shows_now(const struct arguments *arguments)
{
	return arguments->pinned && !arguments->count && arguments->duration_s <= 0;
}

static int repeat(
    struct screen *screen, const struct session *session, bool redraws, screen_function function)
{
	const struct arguments *arguments = screen->arguments;
	double interval_s = arguments->interval_s > 0 ? arguments->interval_s : 1;
	bool repeats = redraws || arguments->interval_s > 0;
	uint64_t step_ns = (uint64_t)(interval_s * 1e9);
	int result;

	if (!repeats && shows_now(arguments))
		return show(screen, redraws, false, function);
	while ((result = rest(screen, session, repeats ? words_now_ns() + step_ns : UINT64_MAX)) > 0) {
		result = show(screen, redraws, true, function);
		if (result < 0)
			return result;
	}
	return result < 0 ? result : show(screen, redraws, repeats, function);
}

int screen_run(const struct arguments *arguments, bool redraw_on_terminal, screen_function function)
{
	bool redraws = redraw_on_terminal && isatty(STDOUT_FILENO) && !arguments->json;
	struct arguments adapted = *arguments;
	struct session session;
	struct screen screen = {.arguments = arguments};
	int result;

	adapted.options.config.records = 0;
	if (!session_open(&session, &adapted))
		return 1;
	screen.trace = session.trace;
	if (redraws) /* one write a picture */
		setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	else if (!shows_now(arguments) || arguments->interval_s > 0)
		fprintf(stderr, "tracing connects, Ctrl-C ends it\n");
	result = repeat(&screen, &session, redraws, function);
	summary(&session);
	session_close(&session);
	if (result < 0 && result != -EPIPE)
		fprintf(stderr, "hawser-trace: %s\n", strerror(-result));
	return result < 0 && result != -EPIPE;
}
