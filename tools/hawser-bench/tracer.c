/* SPDX-License-Identifier: MIT
 *
 * The modes of a trace that are compared. Each but one watches this process alone.
 *
 * Happy path: open loads and attaches the programs, and in the mode that sends records starts a thread that
 * takes them as hawser-trace live does; close reads what was seen, and detaches.
 * Failures: not permitted, no BTF (why has the sentence); no thread; a reader that cannot read: an errno.
 */
#include "tracer.h"
#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { READ_MS = 50 };

const struct tracer_mode_words tracer_modes[TRACER_MODES] = {
    [TRACER_FILTERED_OUT] = {"filtered-out", "filtered out",
	"histogram mode with a filter that no connect of this process matches"},
    [TRACER_HISTOGRAMS] = {"histograms", "histograms", "histograms by layer and cause"},
    [TRACER_CALLS] = {"calls", "histograms, connect(2)",
	"the same with connect(2), for which programs run at each system call"},
    [TRACER_DESTINATIONS] = {"destinations", "destinations",
	"histograms by destination, too, but no records"},
    [TRACER_RECORDS] = {"records", "records",
	"a record a connect, too, and a thread on the server's CPU that takes them"},
};

static void options_fill(struct hawser_trace_options *options, enum tracer_mode mode)
{
	hawser_trace_options_init(options);
	options->config.filters = HAWSER_TRACE_FILTER_TGID;
	options->config.tgid = mode == TRACER_FILTERED_OUT ? UINT32_MAX : (uint32_t)getpid();
	options->histograms = mode < TRACER_DESTINATIONS;
	options->calls = mode == TRACER_CALLS;
	options->config.records = mode == TRACER_RECORDS;
}

static int count(const struct hawser_trace_record *record, void *user)
{
	struct tracer *tracer = user;

	(void)record;
	tracer->records++;
	return 0;
}

static void *read_records(void *user)
{
	struct tracer *tracer = user;
	int result = 0;
	bool last = false;

	pin_thread(tracer->reader_cpu);
	while (!last && (result >= 0 || result == -EINTR)) {
		last = atomic_load(&tracer->ends); /* what came before it is read once more */
		result = hawser_trace_read(tracer->trace, last ? 0 : READ_MS, count, tracer);
	}
	tracer->error = result < 0 ? result : 0;
	return NULL;
}

int tracer_open(
    struct tracer *tracer, enum tracer_mode mode, int reader_cpu, struct hawser_trace_sentence *why)
{
	struct hawser_trace_options options;
	int result;

	*tracer = (struct tracer){.mode = mode, .reader_cpu = reader_cpu};
	options_fill(&options, mode);
	result = hawser_trace_open(&options, why, &tracer->trace);
	if (result < 0 || mode != TRACER_RECORDS)
		return result;
	result = pthread_create(&tracer->reader, NULL, read_records, tracer);
	if (result == 0)
		return 0;
	snprintf(why->text, sizeof(why->text), "no thread to read records: %s", strerror(result));
	hawser_trace_close(tracer->trace);
	return -result;
}

static int seen_read(const struct tracer *tracer, struct tracer_seen *ret_seen)
{
	struct hawser_trace_counters counters;
	struct tracer_seen seen = {.records = tracer->records};
	int result = hawser_trace_counters_read(tracer->trace, &counters);

	/* Those of io_uring are counted there, too, besides their own layer. */
	for (unsigned cause = 0; result == 0 && cause < HAWSER_TRACE_CAUSES; cause++) {
		struct hawser_trace_histogram histogram;

		result = hawser_trace_histogram_read(tracer->trace, HAWSER_TRACE_TCP, cause, &histogram);
		if (result == 0)
			seen.connects += histogram.count;
	}
	if (result < 0)
		return result;
	seen.records_lost = counters.records_lost;
	*ret_seen = seen;
	return 0;
}

int tracer_close(struct tracer *tracer, struct tracer_seen *ret_seen)
{
	int result;

	if (tracer->mode == TRACER_RECORDS) {
		atomic_store(&tracer->ends, true);
		pthread_join(tracer->reader, NULL);
	}
	result = tracer->error ? tracer->error : seen_read(tracer, ret_seen);
	hawser_trace_close(tracer->trace);
	return result;
}
