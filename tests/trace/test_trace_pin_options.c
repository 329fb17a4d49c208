/* SPDX-License-Identifier: MIT
 *
 * What `hawser-trace pin` is told: what status says of it, what cannot be changed any more, and the commands
 * that it advises, which must be right as they are printed.
 */
#include "pinned.h"

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

Test(trace_pin_options, status_says_filters_with_their_values, .timeout = 60)
{
	pinned_begin_mounted();
	pinned_expect("hawser-trace pin", 0, "pinned");
	pinned_expect("hawser-trace status", 0, "filters: none\n");
	pinned_expect("hawser-trace status --json | jq -c .filters", 0, "{}");
	pinned_expect("hawser-trace pin --records --failures --min-ms 2.5 --sample 3", 0, "configured anew");
	pinned_expect("hawser-trace status", 0,
	    "filters: sample=3, failures, min-ms=2.5\nall counts are of the sample\n");
	pinned_expect("hawser-trace status --json | jq -c .filters", 0,
	    "{\"sample\":3,\"failures\":true,\"min_ms\":2.5}");
	pinned_expect("hawser-trace pin --pid 7 --uid 8 --cgroup 9 --netns 10 --port 11 --to 10.0.0.0/8", 0,
	    "configured anew");
	pinned_expect(
	    "hawser-trace status", 0, "filters: pid=7, uid=8, cgroup=9, netns=10, port=11, to=10.0.0.0/8\n");
	pinned_expect("hawser-trace status --json | jq -c .filters", 0,
	    "{\"pid\":7,\"uid\":8,\"cgroup\":9,\"netns\":10,\"port\":11,\"to\":\"10.0.0.0/8\"}");
	pinned_expect("hawser-trace pin --to fe80::/10 && hawser-trace status", 0, "filters: to=fe80::/10\n");
}

/* A part of what was asked for would be worse than nothing. */
Test(trace_pin_options, programs_stay_as_they_were_pinned, .timeout = 60)
{
	static const char *const options[] = {"--calls", "--no-ring", "--histograms"};
	char command[64];

	pinned_begin_mounted();
	pinned_expect("hawser-trace pin --port 9", 0, "pinned");
	for (unsigned i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		snprintf(command, sizeof(command), "hawser-trace pin --port 10 %s", options[i]);
		pinned_expect(command, 1, "`hawser-trace unpin` first; nothing was changed");
		pinned_expect("hawser-trace status", 0, "filters: port=9\n");
	}
}

Test(trace_pin_options, what_chooses_records_needs_records, .timeout = 60)
{
	pinned_begin_mounted();
	pinned_expect("hawser-trace pin --failures", 2, "--failures chooses records");
	pinned_expect("hawser-trace pin --min-ms 0.5", 2, "--min-ms chooses records");
	pinned_expect("hawser-trace pin --records --histograms", 2, "--histograms has no records");
	pinned_expect("ls " PINS, 2, "No such file");
}

Test(trace_pin_options, advice_is_for_the_same_place, .timeout = 60)
{
	pinned_begin_mounted();
	pinned_expect(
	    "hawser-trace pin", 0, "`hawser-trace status` reads it, `hawser-trace unpin` removes it");
	pinned_expect("hawser-trace pin --path /sys/fs/bpf/elsewhere", 0,
	    "`hawser-trace status --path /sys/fs/bpf/elsewhere` reads it, "
	    "`hawser-trace unpin --path /sys/fs/bpf/elsewhere` removes it");
	pinned_expect("hawser-trace pin --path /sys/fs/bpf/elsewhere --calls", 1,
	    "`hawser-trace unpin --path /sys/fs/bpf/elsewhere` first");
	pinned_expect("hawser-trace live --pinned --path /sys/fs/bpf/elsewhere", 1,
	    "`hawser-trace pin --records --path /sys/fs/bpf/elsewhere` lets it");
}

Test(trace_pin_options, who_may_not_look_is_not_told_that_there_is_nothing, .timeout = 60)
{
	pinned_begin_mounted();
	pinned_expect("hawser-trace pin && chmod 700 /sys/fs/bpf", 0, "pinned");
	pinned_expect(
	    "setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all --inh-caps -all "
	    "$HAWSER_BUILD_DIR/bin/hawser-trace unpin",
	    1, "not permitted to remove what is pinned under " PINS);
	pinned_expect("hawser-trace status", 0, "pinned under");
}

Test(trace_pin_options, what_is_pinned_is_read_with_its_own_filters, .timeout = 60)
{
	pinned_begin_mounted();
	pinned_expect("hawser-trace pin --records --sample 2", 0, "pinned");
	pinned_expect("hawser-trace top --pinned --pid 1", 2, "--pid does not change what is pinned");
	pinned_expect("hawser-trace live --pinned --sample 3", 2, "--sample does not change what is pinned");
	pinned_expect("hawser-trace top --pinned --failures --duration 0.1", 0,
	    "a sample, one socket in 2: all counts are of it");
	pinned_expect("hawser-trace top --path " PINS, 2, "it needs --pinned");
}
