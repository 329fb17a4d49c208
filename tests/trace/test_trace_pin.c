/* SPDX-License-Identifier: MIT
 *
 * What is pinned outlives its loader and is read by others: by hawser-trace, by the library, and by bpftool
 * as the manual page says, every command of which is run here. The bpf file system is the test's own.
 * HAWSER_BPFTOOL names another bpftool than the one in the path.
 */
#include "pinned.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>
#include <hawser/trace.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#define MANUAL "tools/hawser-trace/hawser-trace-bpftool.7"
enum { PORT_SILENT = 80 };

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

/* ---- the manual ---- */

static void replace(char *text, size_t size, const char *old, const char *new)
{
	char *at = strstr(text, old), rest[2048];

	if (!at)
		return;
	snprintf(rest, sizeof(rest), "%s", at + strlen(old));
	snprintf(at, size - (size_t)(at - text), "%s%s", new, rest);
}

/* The object for the kernel that runs. Skips the test where there is none. */
static const char *object_name(void)
{
	struct utsname name;
	unsigned major = 0, minor = 0;

	uname(&name);
	cr_assert_eq(sscanf(name.release, "%u.%u", &major, &minor), 2);
	major = major * 100 + minor;
	if (major < 517)
		cr_skip_test("bpftool's objects are for Linux 5.17 and later");
	return major >= 614   ? "hawser_trace_6_14"
	       : major >= 604 ? "hawser_trace_6_4"
	       : major >= 601 ? "hawser_trace_6_1"
			      : "hawser_trace_5_17";
}

/* Numbers differ, words do not; those of one or two letters say nothing. */
static void expect_words(const char *sample, const char *output, const char *command)
{
	char word[64];

	while (*sample) {
		size_t length = 0;

		while (isalpha((unsigned char)sample[length]) || sample[length] == '_')
			length++;
		if (length > 2 && length < sizeof(word)) {
			snprintf(word, sizeof(word), "%.*s", (int)length, sample);
			if (strcmp(word, "bash") != 0)
				cr_expect_not_null(
				    strstr(output, word), "%s does not say '%s': %s", command, word, output);
		}
		sample += length ? length : 1;
	}
}

/* The commands of a section, one after the other. */
static unsigned walk(const char *section)
{
	FILE *manual = fopen(MANUAL, "re");
	char line[1024], command[2048] = "", heading[64], lib[512];
	static char output[PINNED_OUTPUT_BYTES];
	bool inside = false, example = false;
	unsigned commands = 0;

	cr_assert_not_null(manual, "%s: run it in the root of the tree", MANUAL);
	snprintf(heading, sizeof(heading), ".SH %s\n", section);
	snprintf(lib, sizeof(lib), "%s/lib/hawser", getenv("HAWSER_BUILD_DIR"));
	while (fgets(line, sizeof(line), manual)) {
		if (strncmp(line, ".SH ", 4) == 0)
			inside = strcmp(line, heading) == 0;
		else if (line[0] == '.')
			example = strcmp(line, ".EX\n") == 0;
		else if (inside && example && strncmp(line, "# ", 2) == 0) {
			snprintf(command, sizeof(command), "%.*s", (int)strcspn(line + 2, "\n"), line + 2);
			replace(command, sizeof(command), "/usr/local/lib/hawser", lib);
			replace(command, sizeof(command), "hawser_trace_6_14", object_name());
			cr_expect_eq(pinned_run(command, output), 0, "%s: %s", command, output);
			pinned_connect_refused();
			pinned_connect(PORT_SILENT, SOCK_NONBLOCK); /* in flight until the test ends */
			commands++;
		} else if (inside && example)
			expect_words(line, output, command);
	}
	fclose(manual);
	return commands;
}

static void need_bpftool(const char *feature)
{
	static char output[PINNED_OUTPUT_BYTES], command[256];

	if (pinned_run("bpftool version && command -v jq", output) != 0)
		cr_skip_test("bpftool or jq is not installed");
	snprintf(command, sizeof(command), "bpftool prog help 2>&1 | grep -q -- '%s'", feature);
	if (pinned_run(command, output) != 0)
		cr_skip_test("this bpftool has no %s: it needs 7.5", feature);
}

/* ---- tests ---- */

Test(trace_pin, bpftool_alone, .timeout = 120)
{
	pinned_begin();
	need_bpftool("autoattach");
	network_rule("in", "tcp dport 80 drop");
	cr_expect_eq(walk("WITH BPFTOOL"), 13);
	cr_expect_neq(access(PINS, F_OK), 0);
	cr_expect_neq(access(PINS "_maps", F_OK), 0);
}

Test(trace_pin, older_bpftool, .timeout = 120)
{
	pinned_begin_mounted();
	need_bpftool("pinmaps");
	network_rule("in", "tcp dport 80 drop");
	cr_expect_eq(walk("WITH AN OLDER BPFTOOL"), 10);
	cr_expect_neq(access(PINS, F_OK), 0);
	cr_expect_neq(access(PINS "_maps", F_OK), 0);
}

/* The verifier takes the object as it is, although this bpftool does not attach it. */
Test(trace_pin, plain_object_loads_without_attaching, .timeout = 60)
{
	char command[256];

	pinned_begin_mounted();
	need_bpftool("pinmaps");
	snprintf(command, sizeof(command),
	    "bpftool prog loadall $HAWSER_BUILD_DIR/lib/hawser/%s.bpf.o " PINS " pinmaps " PINS "_maps && "
	    "ls " PINS "/tcp_state " PINS "_maps/histograms",
	    object_name());
	pinned_expect(command, 0, "histograms");
}

Test(trace_pin, pins_outlive_and_count, .timeout = 60)
{
	pinned_begin_mounted();
	pinned_expect("hawser-trace pin --netns /proc/self/ns/net", 0, PINS " pinned");
	for (int i = 0; i < 3; i++)
		pinned_connect_refused();
	pinned_expect("hawser-trace status", 0, "3 refused");
	pinned_expect("hawser-trace status", 0, "filters: netns");
	pinned_expect(
	    "hawser-trace status --json | jq -c '[.connects.tcp.refused, .connects.tcp.ok, .records, "
	    ".counters.records_lost, (.programs | length > 2), (.since_s > 1600000000)]'",
	    0, "[3,0,false,0,true,true]");
	pinned_expect("hawser-trace hist --pinned --duration 0.1", 0, "tcp refused: 3 connects");
	pinned_expect("hawser-trace top --pinned --duration 0.1", 0, "127.0.0.1:9");
	pinned_expect("hawser-trace unpin", 0, "unpinned");
	pinned_expect("ls /sys/fs/bpf | grep -c hawser", 1, "0");
}

Test(trace_pin, records_only_when_asked_for, .timeout = 60)
{
	pinned_begin_mounted();
	pinned_expect("hawser-trace live --pinned", 1, "nothing of hawser is pinned");
	pinned_expect("hawser-trace pin --netns /proc/self/ns/net", 0, "pinned");
	pinned_connect_refused();
	pinned_expect("hawser-trace live --pinned", 1, "sends no records: `hawser-trace pin --records`");
	pinned_expect("hawser-trace pin --records --netns /proc/self/ns/net", 0, "configured anew");
	pinned_connect_refused();
	pinned_expect("hawser-trace live --pinned --count 1 --json 2>/dev/null | jq -r .cause", 0, "refused");
	pinned_expect("hawser-trace status", 0, "records: sent");
	pinned_expect("hawser-trace unpin --json | jq .unpinned", 0, "true");
}

Test(trace_pin, filters_change_while_pinned, .timeout = 60)
{
	pinned_begin_mounted();
	pinned_expect("hawser-trace pin --netns /proc/self/ns/net --port 1", 0, "pinned");
	pinned_connect_refused();
	pinned_expect("hawser-trace status", 0, ", port=1\n");
	pinned_expect("hawser-trace status --json | jq .connects.tcp.refused", 0, "0\n");
	pinned_expect("hawser-trace pin --netns /proc/self/ns/net --port 9", 0, "configured anew");
	pinned_connect_refused();
	pinned_expect("hawser-trace status --json | jq .connects.tcp.refused", 0, "1\n");
}

Test(trace_pin, status_counts_what_is_in_flight, .timeout = 60)
{
	pinned_begin_mounted();
	network_rule("in", "tcp dport 80 drop");
	pinned_expect("hawser-trace pin --netns /proc/self/ns/net", 0, "pinned");
	pinned_connect(PORT_SILENT, SOCK_NONBLOCK);
	pinned_connect(PORT_SILENT, SOCK_NONBLOCK);
	pinned_expect("hawser-trace status", 0, "in flight: 2");
	pinned_expect("hawser-trace inflight --pinned --duration 0.1", 0, "127.0.0.1:80");
}

Test(trace_pin, another_place, .timeout = 60)
{
	pinned_begin_mounted();
	pinned_expect("hawser-trace pin --path /sys/fs/bpf/elsewhere", 0, "pinned");
	pinned_expect("hawser-trace status", 1, "nothing of hawser is pinned under " PINS);
	pinned_expect("hawser-trace status --path /sys/fs/bpf/elsewhere", 0, "pinned under");
	pinned_expect("hawser-trace unpin --path /sys/fs/bpf/elsewhere", 0, "unpinned");
}

Test(trace_pin, places_that_cannot_be, .timeout = 60)
{
	pinned_begin_mounted();
	pinned_expect("hawser-trace unpin", 1, "nothing of hawser is pinned");
	pinned_expect("hawser-trace pin --path /tmp/hawser", 1, "/tmp is not in a bpf file system");
	pinned_expect("hawser-trace pin --path /nonexistent/hawser", 1, "No such file");
	pinned_expect("hawser-trace pin --path /sys/fs/bpf/a.b", 1, "without dots");
	pinned_expect("hawser-trace pin --path hawser", 1, "no path to pin under");
	pinned_expect("hawser-trace status --path ''", 1, "no path to pin under");
	pinned_expect(
	    "hawser-trace pin --path /sys/fs/bpf/$(printf 'x%.0s' {1..300})", 1, "no path to pin under");
	pinned_expect("umount /sys/fs/bpf && hawser-trace pin", 1, "`mount -t bpf bpf /sys/fs/bpf`");
}

/* Whatever else lies there is not touched, and nothing is left half done. */
Test(trace_pin, what_is_in_the_way_stays, .timeout = 60)
{
	pinned_begin_mounted();
	pinned_expect("mkdir " PINS "_maps && hawser-trace pin", 1, "exists already");
	pinned_expect("ls -d " PINS, 2, "No such file");
	pinned_expect("hawser-trace unpin", 1, "nothing of hawser is pinned");
	pinned_expect("ls -d " PINS "_maps && rmdir " PINS "_maps", 0, PINS "_maps");
	pinned_expect("mkdir " PINS " && hawser-trace pin", 1, "exists already");
	pinned_expect("ls -d " PINS, 0, PINS);
}

/* Maps whose values are larger than the room for them must not be read. */
Test(trace_pin, maps_of_others_are_not_read, .timeout = 60)
{
	pinned_begin_mounted();
	need_bpftool("pinmaps");
	pinned_expect("hawser-trace pin && rm " PINS "_maps/histograms && bpftool map create " PINS
		      "_maps/histograms type percpu_array key 4 value 4096 entries 64 name histograms && "
		      "hawser-trace status",
	    1, "another version of hawser");
	pinned_expect("hawser-trace top --pinned", 1, "another version of hawser");
	pinned_expect("hawser-trace pin", 1, "another version of hawser");
	pinned_expect(
	    "hawser-trace unpin && hawser-trace pin && rm " PINS
	    "_maps/hawser_t_bss && bpftool map create " PINS
	    "_maps/hawser_t_bss type array key 4 value 64 entries 1 name bss && hawser-trace status",
	    1, "another version of hawser");
	pinned_expect("hawser-trace unpin && hawser-trace pin && rm " PINS
		      "_maps/inflight && bpftool map create " PINS
		      "_maps/inflight type hash key 8 value 8 entries 8 name inflight && hawser-trace status",
	    1, "another version of hawser");
	pinned_expect(
	    "rm " PINS "_maps/inflight && bpftool map create " PINS
	    "_maps/inflight type array key 4 value 4 entries 8 name inflight && hawser-trace status",
	    1, "another version of hawser");
}

Test(trace_pin, a_file_system_that_is_read_only, .timeout = 60)
{
	pinned_begin_mounted();
	pinned_expect("mount -o remount,ro /sys/fs/bpf && hawser-trace pin", 1, "Read-only file system");
}

Test(trace_pin, without_capabilities, .timeout = 60)
{
	pinned_begin_mounted();
	pinned_expect(
	    "setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all --inh-caps -all "
	    "$HAWSER_BUILD_DIR/bin/hawser-trace pin",
	    1, "not permitted");
}

/* ---- the library ---- */

Test(trace_pin, library_reads_what_is_pinned, .timeout = 60)
{
	struct hawser_trace_sentence why = {""};
	struct hawser_trace_histogram histogram;
	struct hawser_trace_config config;
	hawser_trace *trace = NULL, *pinned = NULL;

	pinned_begin_mounted();
	cr_assert_eq(hawser_trace_open_pinned(PINS, &why, &pinned), -ENOENT);
	cr_assert_null(pinned);
	cr_assert_eq(hawser_trace_open(NULL, &why, &trace), 0, "%s", why.text);
	cr_assert_eq(hawser_trace_config_read(trace, &config), 0);
	cr_assert_eq(config.records, 1);
	config.filters = HAWSER_TRACE_FILTER_TGID;
	config.tgid = (uint32_t)getpid();
	cr_assert_eq(hawser_trace_configure(trace, &config), 0);
	cr_assert_eq(hawser_trace_pin(trace, PINS, &why), 0, "%s", why.text);
	cr_expect_eq(hawser_trace_pin(trace, PINS, NULL), -EEXIST);
	/* A map has one pin: the second place is begun, and taken back. */
	cr_expect_lt(hawser_trace_pin(trace, "/sys/fs/bpf/second", &why), 0);
	cr_expect_neq(access("/sys/fs/bpf/second", F_OK), 0);
	cr_expect_neq(access("/sys/fs/bpf/second_maps", F_OK), 0);
	hawser_trace_close(trace);
	pinned_connect_refused();
	cr_assert_eq(hawser_trace_open_pinned(PINS, &why, &pinned), 0, "%s", why.text);
	cr_expect_eq(hawser_trace_pin(pinned, "/sys/fs/bpf/again", NULL), -EEXIST);
	cr_assert_eq(
	    hawser_trace_histogram_read(pinned, HAWSER_TRACE_TCP, HAWSER_TRACE_REFUSED, &histogram), 0);
	cr_expect_eq(histogram.count, 1);
	cr_assert_eq(hawser_trace_config_read(pinned, &config), 0);
	cr_expect_eq(config.tgid, (uint32_t)getpid());
	hawser_trace_close(pinned);
	cr_expect_eq(hawser_trace_unpin(PINS, &why), 0, "%s", why.text);
	cr_expect_eq(hawser_trace_unpin(PINS, NULL), -ENOENT);
}
