/* SPDX-License-Identifier: MIT
 *
 * `hawser-trace live`: a line a connect as it ends, and a summary at the end. A record that was lost is said,
 * not hidden.
 */
#include "hawser-trace.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

enum { INTERVAL_MS = 50, HEADER_EVERY = 40 };

struct live {
	const struct arguments *arguments;
	int64_t to_real_ns; /* what makes CLOCK_MONOTONIC the time of day */
	uint64_t seen;
	uint64_t causes[HAWSER_TRACE_CAUSES];
};

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static const char *time_text(const struct live *live, uint64_t ns, char *text, size_t size)
{
	int64_t real = (int64_t)ns + live->to_real_ns;
	time_t seconds = real / 1000000000;
	struct tm parts;
	size_t length;

	localtime_r(&seconds, &parts);
	length = strftime(text, size, "%H:%M:%S", &parts);
	snprintf(text + length, size - length, ".%03d", (int)(real / 1000000 % 1000));
	return text;
}

/* Three digits that count, in the unit that suits. */
static const char *duration_text(uint64_t ns, char *text, size_t size)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	double value = (double)ns;
	unsigned unit = 0;

	while (value >= 999.5 && unit < 3) {
		value /= 1000;
		unit++;
	}
	if (ns == 0)
		snprintf(text, size, "-");
	else
		snprintf(text, size, "%.*f %s",
		    unit == 0 || value >= 99.95 ? 0
		    : value >= 9.995            ? 1
						: 2,
		    value, units[unit]);
	return text;
}

static const char *colour_of(const struct hawser_trace_record *record)
{
	switch (record->cause) {
	case HAWSER_TRACE_OK:
		return "\033[32m";
	case HAWSER_TRACE_CANCELLED:
	case HAWSER_TRACE_ABORTED:
		return "\033[33m";
	default:
		return "\033[31m";
	}
}

static void print_header(void)
{
	printf("%-12s %7s %-15s %-7s %-13s %8s %8s %8s %3s %-28s %s\n", "TIME", "PID", "COMM", "LAYER",
	    "CAUSE", "SUBMIT", "NETWORK", "TOTAL", "SYN", "DESTINATION", "DETAIL");
}

/* Whatever the process wrote there must not move the cursor. */
static const char *tame(char *text)
{
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || (unsigned char)*c == 0x7f)
			*c = '?';
	return text;
}

static void print_record(const struct live *live, const struct hawser_trace_record *record)
{
	char when[32], submit[16], network[16], total[16], destination[160], detail[160], comm[32];
	bool colour = live->arguments->colour;

	snprintf(comm, sizeof(comm), "%.*s", HAWSER_TRACE_COMM_BYTES - 1, record->comm);
	printf("%-12s %7u %-15s %-7s %s%-13s%s %8s %8s %8s %3u %-28s ",
	    time_text(live, record->start_ns, when, sizeof(when)), record->tgid, tame(comm),
	    hawser_trace_layer_name(record->layer), colour ? colour_of(record) : "",
	    hawser_trace_cause_name(record->cause), colour ? "\033[0m" : "",
	    duration_text(record->submit_to_syn_ns, submit, sizeof(submit)),
	    duration_text(record->syn_to_answer_ns, network, sizeof(network)),
	    duration_text(record->total_ns, total, sizeof(total)),
	    record->syn_retransmits + !!(record->flags & HAWSER_TRACE_SYN_SENT),
	    tame((char *)hawser_trace_destination_text(record, destination, sizeof(destination))));
	if (record->error)
		printf("%s ", strerrorname_np(record->error) ? strerrorname_np(record->error) : "errno ?");
	fputs(hawser_trace_detail_text(record, detail, sizeof(detail)), stdout);
	if (record->flags & HAWSER_TRACE_HAS_TAG) {
		char target[HAWSER_TRACE_TARGET_BYTES];

		memcpy(target, record->target, sizeof(target));
		printf(" [%s #%" PRIu64 " attempt %u]", tame(target), record->client, record->attempt);
	}
	putchar('\n');
}

static int on_record(const struct hawser_trace_record *record, void *user)
{
	struct live *live = user;

	if (record->cause < HAWSER_TRACE_CAUSES)
		live->causes[record->cause]++;
	if (live->arguments->json) {
		json_record(stdout, record);
	} else {
		if (live->seen % HEADER_EVERY == 0)
			print_header();
		print_record(live, record);
	}
	live->seen++;
	if (live->arguments->count && live->seen >= live->arguments->count) {
		session_stop();
		return -ECANCELED;
	}
	return 0;
}

static void print_summary(const struct live *live, hawser_trace *trace)
{
	struct hawser_trace_counters counters = {0};

	hawser_trace_counters_read(trace, &counters);
	fprintf(stderr, "%" PRIu64 " connects", live->seen);
	for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++)
		if (live->causes[cause])
			fprintf(
			    stderr, ", %" PRIu64 " %s", live->causes[cause], hawser_trace_cause_name(cause));
	fputc('\n', stderr);
	if (counters.records_lost)
		fprintf(stderr, "%" PRIu64 " more were not shown: they came faster than they could be read\n",
		    counters.records_lost);
	if (counters.inflight_full)
		fprintf(stderr, "%" PRIu64 " more were not seen: the table of connects in flight was full\n",
		    counters.inflight_full);
}

int command_live(const struct arguments *arguments)
{
	struct live live = {
	    .arguments = arguments, .to_real_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC)};
	struct session session;
	int result = 0;

	if (!session_open(&session, arguments))
		return 1;
	fprintf(stderr, "tracing connects, Ctrl-C ends it\n");
	while (session_goes_on(&session) && result >= 0) {
		result = hawser_trace_read(session.trace, INTERVAL_MS, on_record, &live);
		if (result == -EINTR)
			result = 0;
		if (fflush(stdout) != 0)
			break; /* nobody reads any more */
	}
	if (result >= 0) /* what came since the last look */
		hawser_trace_read(session.trace, 0, on_record, &live);
	fflush(stdout);
	print_summary(&live, session.trace);
	session_close(&session);
	return result < 0 && result != -ECANCELED;
}
