/* SPDX-License-Identifier: MIT
 *
 * What the library makes of pins that another has made: maps of another kind are refused, whatever their
 * names, for reading them would write beyond its memory. And events that the kernel kept from the programs
 * are counted, by who opened a trace and by who reads it where it is pinned.
 */
#include "../support/network.h"
#include "trace/trace.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define PINS "/sys/fs/bpf/hawser"
enum { UNSENT_PORT = 7000, DROPPED_PORT = 7001, MISSED_WITHIN_S = 20 };

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

static hawser_trace *begin(bool histograms)
{
	HAWSER_OPTIONS(hawser_trace_options, options, .no_ring = true, .histograms = histograms);
	struct hawser_trace_sentence why = {""};
	hawser_trace *trace;
	int result;

	network_enter();
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		cr_skip_test("no mount namespace of one's own here: %s", strerror(errno));
	if (mount("none", "/sys", "sysfs", 0, NULL) < 0 || mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL) < 0)
		cr_skip_test("no bpf file system of one's own here: %s", strerror(errno));
	result = hawser_trace_open(&options, &why, &trace);
	if (result == -EPERM || result == -ENOENT)
		cr_skip_test("%s", why.text);
	cr_assert_eq(result, 0, "%s", why.text);
	cr_assert_eq(hawser_trace_pin(trace, PINS, &why), 0, "%s", why.text);
	return trace;
}

static hawser_trace *open_pinned(void)
{
	struct hawser_trace_sentence why = {""};
	hawser_trace *trace;

	cr_assert_eq(hawser_trace_open_pinned(PINS, &why, &trace), 0, "%s", why.text);
	return trace;
}

/* ---- maps of others ---- */

static const struct other {
	const char *name;
	enum bpf_map_type type;
	uint32_t key_size;
	uint32_t value_size;
} others[] = {
    {"inflight", BPF_MAP_TYPE_PERCPU_HASH, 8, 1024},
    {"inflight", BPF_MAP_TYPE_PERCPU_ARRAY, 4, 1024},
    {"inflight", BPF_MAP_TYPE_LRU_HASH, 8, 1024},
    {"inflight", BPF_MAP_TYPE_HASH, 16, 1024},
    {"inflight", BPF_MAP_TYPE_HASH, 8, 8},
    {"inflight", BPF_MAP_TYPE_ARRAY, 4, 4},
    {"histograms", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct hawser_trace_histogram)},
    {"histograms", BPF_MAP_TYPE_PERCPU_HASH, 8, sizeof(struct hawser_trace_histogram)},
    {"destinations", BPF_MAP_TYPE_HASH, sizeof(struct hawser_trace_destination_key),
	sizeof(struct hawser_trace_destination)},
    {"destinations", BPF_MAP_TYPE_PERCPU_HASH, 64, sizeof(struct hawser_trace_destination)},
    {"destinations_other", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct hawser_trace_destination)},
    {"records", BPF_MAP_TYPE_ARRAY, 4, 64},
    {"hawser_t_data", BPF_MAP_TYPE_PERCPU_ARRAY, 4, 512},
    {"hawser_t_bss", BPF_MAP_TYPE_HASH, 8, 512},
};

static void replace(const char *path, int map)
{
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(bpf_obj_pin(map, path), 0, "%s: %s", path, strerror(errno));
}

static void expect_refused(const struct other *other)
{
	struct hawser_trace_sentence why = {""};
	hawser_trace *untouched = (hawser_trace *)&why, *trace = untouched;
	int own, map = bpf_map_create(other->type, "other", other->key_size, other->value_size, 64, NULL);
	char path[128];

	cr_assert_geq(map, 0, "%s of type %d: %s", other->name, other->type, strerror(errno));
	snprintf(path, sizeof(path), PINS "_maps/%s", other->name);
	own = bpf_obj_get(path);
	cr_assert_geq(own, 0);
	replace(path, map);
	cr_expect_eq(hawser_trace_open_pinned(PINS, &why, &trace), -EPROTO, "%s of type %d, %u, %u: %s",
	    other->name, other->type, other->key_size, other->value_size, why.text);
	cr_expect_eq(trace, untouched);
	cr_expect_not_null(strstr(why.text, "another version of hawser, or something else"));
	replace(path, own);
	close(own);
	close(map);
}

Test(trace_pinned, maps_of_another_kind_are_refused, .timeout = 60)
{
	hawser_trace *trace = begin(false);

	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		expect_refused(&others[i]);
	hawser_trace_close(open_pinned());
	hawser_trace_close(trace);
}

Test(trace_pinned, both_kinds_of_tables_are_accepted, .timeout = 60)
{
	hawser_trace *trace = begin(true);

	hawser_trace_close(open_pinned());
	hawser_trace_close(trace);
}

/* ---- events that no program saw ---- */

static atomic_bool stops;

static void run_on(unsigned processor)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	cr_assert_eq(sched_setaffinity(0, sizeof(set), &set), 0);
}

static void send_without_end(uint16_t port)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	while (!stops)
		sendto(fd, "", 1, MSG_DONTWAIT, (struct sockaddr *)&address, sizeof(address));
	close(fd);
}

/* Dropped by the firewall as it is sent: in the thread itself. */
static void *send_unsent(void *unused)
{
	run_on(0);
	send_without_end(UNSENT_PORT);
	return unused;
}

/* Dropped as it is received: on the other thread's processor, which is interrupted for it. */
static void *send_dropped(void *unused)
{
	run_on(1);
	send_without_end(DROPPED_PORT);
	return unused;
}

static void receive_on_first_processor(void)
{
	int fd = open("/sys/class/net/lo/queues/rx-0/rps_cpus", O_WRONLY | O_CLOEXEC);

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		cr_skip_test("one processor alone does not interrupt itself");
	if (fd < 0 || write(fd, "1", 1) != 1)
		cr_skip_test("packets cannot be given to another processor here: %s", strerror(errno));
	close(fd);
}

static unsigned place_of(const char *name)
{
	unsigned place = 0;

	while (place < trace_programs_count && strcmp(trace_programs[place].name, name) != 0)
		place++;
	return place;
}

/* Of the program that looks at every packet that is dropped. */
static uint64_t drops_missed(const hawser_trace *trace)
{
	int program = trace->programs[place_of("tcp_drop")];
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);

	if (program < 0)
		cr_skip_test("this kernel does not say why it drops a packet");
	cr_assert_eq(bpf_obj_get_info_by_fd(program, &info, &size), 0);
	return info.recursion_misses;
}

/* The states of TCP have two programs, where there are two, of which one sees what the other misses. */
static void expect_twins_left_out(const hawser_trace *trace)
{
	struct hawser_trace twins = {.object = NULL};
	unsigned again = place_of("tcp_state_again");
	int misses = trace->programs[place_of("tcp_drop")];

	memset(twins.programs, 0xff, sizeof(twins.programs));
	twins.programs[place_of("tcp_state")] = misses;
	cr_expect_gt(trace_events_missed(&twins), 0);
	if (again == trace_programs_count)
		return;
	twins.programs[again] = misses;
	cr_expect_eq(trace_events_missed(&twins), 0);
}

static uint64_t events_missed(hawser_trace *trace)
{
	struct hawser_trace_counters counters;

	cr_assert_eq(hawser_trace_counters_read(trace, &counters), 0);
	return counters.events_missed;
}

Test(trace_pinned, events_that_no_program_saw_are_counted, .timeout = 60)
{
	hawser_trace *trace = begin(false), *pinned = open_pinned();
	pthread_t unsent, dropped;
	uint64_t missed;

	network_rule("out", "udp dport 7000 drop");
	network_rule("in", "udp dport 7001 drop");
	receive_on_first_processor();
	drops_missed(trace);
	cr_assert_eq(pthread_create(&unsent, NULL, send_unsent, NULL), 0);
	cr_assert_eq(pthread_create(&dropped, NULL, send_dropped, NULL), 0);
	for (unsigned i = 0; i < MISSED_WITHIN_S * 100 && drops_missed(trace) == 0; i++)
		usleep(10000);
	stops = true;
	pthread_join(unsent, NULL);
	pthread_join(dropped, NULL);
	missed = drops_missed(trace);
	if (!missed)
		cr_skip_test("no program was interrupted by itself (kernels before 6.1 allow it)");
	cr_expect_geq(events_missed(trace), missed);
	expect_twins_left_out(trace);
	hawser_trace_close(trace);
	cr_expect_geq(events_missed(pinned), missed);
	hawser_trace_close(pinned);
}
