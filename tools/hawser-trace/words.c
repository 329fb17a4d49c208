/* SPDX-License-Identifier: MIT
 *
 * Times, durations and sums for people, and texts of others that are made safe for a terminal.
 */
#include "show.h"
#include "utf8.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

char *words_tame(char *text)
{
	char *kept = text;
	int size;

	for (const char *c = text; *c; c += size) {
		bool ascii = (unsigned char)*c < 0x80;

		size = ascii ? 1 : utf8_size(c);
		if (size == 0 || utf8_is_control(utf8_code_point(c, size))) {
			size = size ? size : 1;
			*kept++ = '?';
		} else {
			memmove(kept, c, (size_t)size);
			kept += size;
		}
	}
	*kept = '\0';
	return text;
}

const char *words_duration(uint64_t ns, char text[WORDS_DURATION_BYTES])
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	double value = (double)ns;
	unsigned unit = 0;
	int decimals;

	while (value >= 999.5 && unit < 3) {
		value /= 1000;
		unit++;
	}
	decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
	if (ns == 0)
		snprintf(text, WORDS_DURATION_BYTES, "-");
	else
		snprintf(text, WORDS_DURATION_BYTES, "%.*f %s", decimals, value, units[unit]);
	return text;
}

static struct timespec timespec_of(int64_t ns)
{
	struct timespec time = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

	if (time.tv_nsec < 0) {
		time.tv_nsec += 1000000000;
		time.tv_sec--;
	}
	return time;
}

/* A recorded file may claim any time, before 1970 or without a year that the calendar knows. */
const char *words_time(int64_t real_ns, char text[WORDS_TIME_BYTES])
{
	struct timespec time = timespec_of(real_ns);
	struct tm parts;
	size_t length;

	if (!localtime_r(&time.tv_sec, &parts)) {
		snprintf(text, WORDS_TIME_BYTES, "?");
		return text;
	}
	length = strftime(text, WORDS_TIME_BYTES, "%H:%M:%S", &parts);
	snprintf(text + length, WORDS_TIME_BYTES - length, ".%03d", (int)(time.tv_nsec / 1000000));
	return text;
}

const char *words_date(int64_t real_ns, char text[WORDS_DATE_BYTES])
{
	struct timespec time = timespec_of(real_ns);
	struct tm parts;
	size_t length;

	gmtime_r(&time.tv_sec, &parts); /* 64 bits of nanoseconds are years of four digits */
	length = strftime(text, WORDS_DATE_BYTES, "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(text + length, WORDS_DATE_BYTES - length, ".%09dZ", (int)time.tv_nsec);
	return text;
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t words_to_real_ns(void)
{
	return clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
}

uint64_t words_now_ns(void)
{
	return (uint64_t)clock_ns(CLOCK_MONOTONIC);
}

void words_summary(
    const uint64_t causes[HAWSER_TRACE_CAUSES], uint64_t seen, const struct hawser_trace_counters *counters)
{
	fprintf(stderr, "%" PRIu64 " connect%s", seen, seen == 1 ? "" : "s");
	for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++)
		if (causes[cause])
			fprintf(stderr, ", %" PRIu64 " %s", causes[cause], hawser_trace_cause_name(cause));
	fputc('\n', stderr);
	words_losses(counters);
}

void words_losses(const struct hawser_trace_counters *counters)
{
	if (counters->records_lost)
		fprintf(stderr,
		    "%" PRIu64
		    " more %s not shown: connects came faster than they could be read or written\n",
		    counters->records_lost, counters->records_lost == 1 ? "was" : "were");
	if (counters->inflight_full)
		fprintf(stderr, "%" PRIu64 " more %s not seen: the table of connects in flight was full\n",
		    counters->inflight_full, counters->inflight_full == 1 ? "was" : "were");
	if (counters->events_missed)
		fprintf(stderr,
		    "%" PRIu64 " event%s missed, for a program was interrupted by what it watches: as many "
		    "connects may be told wrongly, or not at all\n",
		    counters->events_missed, counters->events_missed == 1 ? " was" : "s were");
}
