/* SPDX-License-Identifier: MIT
 *
 * Whose names are known: of the programs that run when the tracer starts, of --names=FILE, and of each
 * process that connects later, which is looked at then: of its first attempt there is no story yet.
 */
#include "show.h"

#include <errno.h>
#include <inttypes.h>

enum { MET_MAX = 256, COMPLAINTS_MAX = 3 };
#define MEET_AGAIN_NS 5000000000ULL

static struct {
	uint32_t tgid;
	uint64_t at_ns;
} met[MET_MAX];
static unsigned complaints;

void names_begin(hawser_trace *trace, const struct arguments *arguments)
{
	struct hawser_trace_names names = {0};

	hawser_trace_names_read(trace, &names);
	fprintf(stderr, "names come from %u program%s with hawser's probes%s\n", names.files,
	    names.files == 1 ? "" : "s",
	    arguments->names_file ? "" : " that run, and from those that are started");
	if (names.refused)
		fprintf(stderr, "%u process%s stayed out of sight: %s\n", names.refused,
		    names.refused == 1 ? "" : "es", names.why_refused.text);
	if (!arguments->json)
		story_explain(stderr);
}

void names_meet(hawser_trace *trace, const struct hawser_trace_record *record)
{
	struct hawser_trace_sentence why = {""};
	uint64_t now_ns = words_now_ns();
	unsigned i = record->tgid % MET_MAX;
	int result;

	/* Numbers of processes come again. */
	if (met[i].tgid == record->tgid && now_ns - met[i].at_ns < MEET_AGAIN_NS)
		return;
	met[i].tgid = record->tgid;
	met[i].at_ns = now_ns;
	result = hawser_trace_names_process(trace, record->tgid, &why);
	if (result == 0 || result == -ESRCH || !(record->flags & HAWSER_TRACE_HAS_TAG))
		return;
	if (complaints++ < COMPLAINTS_MAX)
		fprintf(stderr, "hawser-trace: no names: %s\n", why.text);
}

void names_end(hawser_trace *trace)
{
	struct hawser_trace_names names = {0};

	hawser_trace_names_read(trace, &names);
	if (names.steps_lost)
		fprintf(stderr,
		    "%" PRIu64
		    " times what a client said was lost: it came faster than it could be read, and some "
		    "lines lack it\n",
		    names.steps_lost);
}
