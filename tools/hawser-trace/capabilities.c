/* SPDX-License-Identifier: MIT
 *
 * Once the programs are attached nothing is left to be permitted, but for two cases: kernels that let nobody
 * else read a map, and programs that are started later and whose probes are wanted.
 */
#include "hawser-trace.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* To look at programs that are started later, and to attach to their probes. */
static const unsigned for_names[] = {CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE, CAP_SYS_ADMIN};

typedef struct __user_cap_data_struct capability_sets[_LINUX_CAPABILITY_U32S_3];

static bool sets_read(capability_sets sets)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

	return syscall(SYS_capget, &header, sets) == 0;
}

static bool sets_write(const capability_sets sets)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

	return syscall(SYS_capset, &header, sets) == 0;
}

/* Of what there is. */
static void keep(capability_sets ret_kept, const capability_sets sets, const unsigned *wanted, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		ret_kept[CAP_TO_INDEX(wanted[i])].permitted |=
		    sets[CAP_TO_INDEX(wanted[i])].effective & CAP_TO_MASK(wanted[i]);
}

/* Before 5.19 a kernel that forbids eBPF to ordinary users forbids them even to read a map that they hold.
 * Tried with the capability put aside. */
static bool needs_bpf_to_read(hawser_trace *trace, const capability_sets sets)
{
	static const unsigned wanted[] = {CAP_BPF};
	struct hawser_trace_counters counters;
	capability_sets aside = {0};

	keep(aside, sets, wanted, 1);
	return sets_write(aside) && hawser_trace_counters_read(trace, &counters) == -EPERM;
}

bool capabilities_give_up(hawser_trace *trace, bool names)
{
	capability_sets sets, kept = {0};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || !sets_read(sets))
		return false;
	if (names)
		keep(kept, sets, for_names, sizeof(for_names) / sizeof(for_names[0]));
	else if (trace && needs_bpf_to_read(trace, sets))
		keep(kept, sets, for_names, 1);
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		kept[i].effective = kept[i].permitted;
	return sets_write(kept);
}
