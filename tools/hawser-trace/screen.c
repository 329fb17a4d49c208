/* SPDX-License-Identifier: MIT
 *
 * Something that is shown again and again: on a terminal it is redrawn every second, elsewhere it is printed
 * every --interval, or once at the end. Ends as live does, and with the same summary. No records are asked of
 * the kernel: what is shown is read from its maps.
 */
#include "show.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LOOK_MS = 50, LINES_BESIDE = 5 };

struct sums {
	uint64_t seen;
	uint64_t causes[HAWSER_TRACE_CAUSES];
};

static int sums_read(hawser_trace *trace, struct sums *ret_sums)
{
	struct hawser_trace_histogram histogram;
	struct sums sums = {0};
	int result;

	for (unsigned layer = 0; layer < HAWSER_TRACE_LAYERS; layer++) {
		for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++) {
			result = hawser_trace_histogram_read(trace, layer, cause, &histogram);
			if (result < 0)
				return result;
			sums.causes[cause] += histogram.count;
			sums.seen += histogram.count;
		}
	}
	*ret_sums = sums;
	return 0;
}

static unsigned rows_of_terminal(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0)
		return UINT_MAX;
	return size.ws_row > LINES_BESIDE + 1 ? (unsigned)size.ws_row - LINES_BESIDE : 1;
}

static int show(struct screen *screen, bool redraws, bool titled, screen_function function)
{
	char when[WORDS_TIME_BYTES];
	int64_t real_ns = (int64_t)words_now_ns() + words_to_real_ns();
	int result;

	screen->rows_max = redraws ? rows_of_terminal() : UINT_MAX;
	if (redraws)
		fputs("\033[H\033[2J", stdout);
	if (titled && !screen->arguments->json)
		printf("%s\n", words_time(real_ns, when));
	result = function(screen);
	return fflush(stdout) != 0 ? -EPIPE : result;
}

/* Waits and looks. 1: it is time to show something; 0: it is over; else a negative errno. */
static int rest(const struct screen *screen, const struct session *session, uint64_t until_ns)
{
	uint64_t count = screen->arguments->count;
	struct sums sums;
	int result;

	while (session_goes_on(session)) {
		poll(NULL, 0, LOOK_MS); /* records are not read: of pinned programs, they are another's */
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

static void summary(hawser_trace *trace)
{
	struct hawser_trace_counters counters = {0};
	struct sums sums = {0};

	sums_read(trace, &sums);
	hawser_trace_counters_read(trace, &counters);
	counters.records_lost = 0; /* nothing here is made of records */
	words_summary(sums.causes, sums.seen, &counters);
}

int screen_run(const struct arguments *arguments, bool redraw, screen_function function)
{
	bool redraws = redraw && isatty(STDOUT_FILENO) && !arguments->json;
	double interval_s = arguments->interval_s > 0 ? arguments->interval_s : 1;
	bool repeats = redraws || arguments->interval_s > 0;
	uint64_t step_ns = (uint64_t)(interval_s * 1e9), next_ns = UINT64_MAX;
	struct arguments adapted = *arguments;
	struct session session;
	struct screen screen = {.arguments = arguments};
	int result = 0;

	adapted.options.config.records = 0;
	if (!session_open(&session, &adapted))
		return 1;
	screen.trace = session.trace;
	if (redraws) /* one write a picture */
		setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	else
		fprintf(stderr, "tracing connects, Ctrl-C ends it\n");
	if (repeats)
		next_ns = words_now_ns() + step_ns;
	while (result >= 0 && (result = rest(&screen, &session, next_ns)) > 0) {
		result = show(&screen, redraws, true, function);
		next_ns += step_ns;
	}
	if (result >= 0)
		result = show(&screen, redraws, repeats, function);
	summary(session.trace);
	session_close(&session);
	if (result < 0 && result != -EPIPE)
		fprintf(stderr, "hawser-trace: %s\n", strerror(-result));
	return result < 0 && result != -EPIPE;
}
