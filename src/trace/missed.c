/* SPDX-License-Identifier: MIT
 *
 * Events that never reached a program. From 6.1 on the kernel does not run a tracing program that has been
 * interrupted on this processor while it ran, and counts that with the program. What cannot be asked counts
 * as nothing: programs of a pinned trace that its reader may not look at, and kernels before 5.12.
 */
#include "trace.h"

#include <string.h>

/* These two stand in for each other: what one of them misses, the other sees. */
static const char *const twins[2] = {"tcp_state", "tcp_state_again"};

static bool has(const struct hawser_trace *trace, const char *name)
{
	for (unsigned i = 0; i < trace_programs_count; i++)
		if (trace->programs[i] >= 0 && strcmp(trace_programs[i].name, name) == 0)
			return true;
	return false;
}

static bool is_stood_in_for(const struct hawser_trace *trace, const char *name)
{
	for (unsigned i = 0; i < 2; i++)
		if (strcmp(name, twins[i]) == 0)
			return has(trace, twins[1 - i]);
	return false;
}

uint64_t trace_events_missed(const struct hawser_trace *trace)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < trace_programs_count; i++) {
		struct bpf_prog_info info = {0};
		uint32_t size = sizeof(info);

		if (trace->programs[i] >= 0 && !is_stood_in_for(trace, trace_programs[i].name) &&
		    bpf_obj_get_info_by_fd(trace->programs[i], &info, &size) == 0)
			sum += info.recursion_misses;
	}
	return sum;
}
