/* SPDX-License-Identifier: MIT
 *
 * Opening a trace: what is refused and in which words, filters, tables and buffers that are full (counted,
 * never silent), two tracers at once, and the words for records.
 */
#include "../support/network.h"
#include "tracing.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CLOSED_PORT = 7001, PAGE = 4096 };

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

/* ---- what is refused ---- */

static void expect_refused(const struct hawser_trace_options *options, int error, const char *word)
{
	struct hawser_trace_sentence why = {""};
	hawser_trace *untouched = (hawser_trace *)&why, *trace = untouched;

	cr_expect_eq(hawser_trace_open(options, &why, &trace), error, "%s", why.text);
	cr_expect_eq(trace, untouched);
	cr_expect_not_null(strstr(why.text, word), "'%s' does not say '%s'", why.text, word);
	cr_expect_eq(hawser_trace_open(options, NULL, &trace), error);
}

Test(trace_open, options_that_make_no_sense)
{
	HAWSER_OPTIONS(hawser_trace_options, options, .inflight_max = 0);

	expect_refused(&options, -EINVAL, "0 connects in flight");
	hawser_trace_options_init(&options);
	options.records_bytes = 5000;
	expect_refused(&options, -EINVAL, "power of two");
	hawser_trace_options_init(&options);
	options.size--;
	expect_refused(&options, -EINVAL, "another version");
	options.size = SIZE_MAX;
	expect_refused(&options, -EINVAL, "another version");
	hawser_trace_options_init(&options);
	options.config.filters = HAWSER_TRACE_FILTER_PREFIX;
	expect_refused(&options, -EINVAL, "IPv4 or IPv6");
	options.config.prefix_family = AF_INET;
	options.config.prefix_bits = 33;
	expect_refused(&options, -EINVAL, "at most 32 bits");
	options.config.filters = HAWSER_TRACE_FILTER_SAMPLE;
	options.config.sample = 0;
	expect_refused(&options, -EINVAL, "sampled");
	options.config.filters = 1 << 20;
	expect_refused(&options, -EINVAL, "does not know");
}

/* Those of a newer header. */
Test(trace_open, options_that_are_larger)
{
	struct {
		struct hawser_trace_options known;
		uint64_t unknown[2];
	} options = {.known = {HAWSER_DEFAULTS_hawser_trace_options}, .unknown = {0, 1}};
	struct hawser_trace_sentence why = {""};
	hawser_trace *trace;
	int result;

	options.known.size = sizeof(options);
	expect_refused(&options.known, -E2BIG, "another version");
	options.unknown[1] = 0;
	options.known.inflight_max = 0;
	expect_refused(&options.known, -EINVAL, "0 connects in flight");
	options.known.inflight_max = 1;
	result = hawser_trace_open(&options.known, &why, &trace);
	if (result == -EPERM || result == -ENOENT)
		cr_skip_test("%s", why.text);
	cr_assert_eq(result, 0, "%s", why.text);
	hawser_trace_close(trace);
}

Test(trace_open, unprivileged)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

	cr_assert_eq(syscall(SYS_capset, &header, none), 0);
	expect_refused(NULL, -EPERM, "setcap cap_bpf,cap_perfmon=ep");
}

/* Puts a file of the test's own where the kernel shows one, for this process alone. */
static void replace(const char *path, const char *text)
{
	char own[] = "/tmp/hawser-trace-XXXXXX";
	int fd = mkstemp(own);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(own, path, NULL, MS_BIND, NULL) < 0) {
		unlink(own);
		cr_skip_test("cannot replace %s: %s", path, strerror(errno));
	}
	unlink(own);
}

Test(trace_open, no_btf)
{
	if (geteuid() != 0)
		cr_skip_test("needs root: it hides the kernel's BTF from itself");
	replace("/sys/kernel/btf/vmlinux", "");
	expect_refused(NULL, -ENOENT, "CONFIG_DEBUG_INFO_BTF");
}

/* ---- filters ---- */

static hawser_trace *open_trace(struct hawser_trace_options *options)
{
	struct hawser_trace_sentence why = {""};
	hawser_trace *trace;
	struct stat status;
	int result;

	cr_assert_eq(stat("/proc/self/ns/net", &status), 0);
	options->config.filters |= HAWSER_TRACE_FILTER_NETNS;
	options->config.netns = (uint32_t)status.st_ino;
	result = hawser_trace_open(options, &why, &trace);
	if (result == -EPERM || result == -ENOENT)
		cr_skip_test("%s", why.text);
	cr_assert_eq(result, 0, "%s", why.text);
	return trace;
}

static void be_refused(const char *host, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(inet_pton(AF_INET, host, &address.sin_addr), 1);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), -1);
	cr_assert_eq(errno, ECONNREFUSED);
	close(fd);
}

static int count_record(const struct hawser_trace_record *record, void *user)
{
	unsigned *count = user;

	(void)record;
	(*count)++;
	return 0;
}

static unsigned records_of(hawser_trace *trace)
{
	unsigned count = 0;

	cr_assert_geq(hawser_trace_read(trace, 0, count_record, &count), 0);
	return count;
}

Test(trace_open, filters_change_while_it_runs)
{
	HAWSER_OPTIONS(hawser_trace_options, options, .no_ring = true);
	struct hawser_trace_config *config = &options.config;
	hawser_trace *trace;

	network_enter();
	trace = open_trace(&options);
	be_refused("127.0.0.1", CLOSED_PORT);
	cr_expect_eq(records_of(trace), 1);

	config->filters |= HAWSER_TRACE_FILTER_PORT;
	config->port = CLOSED_PORT;
	cr_assert_eq(hawser_trace_configure(trace, config), 0);
	be_refused("127.0.0.1", CLOSED_PORT + 1);
	be_refused("127.0.0.1", CLOSED_PORT);
	cr_expect_eq(records_of(trace), 1);

	config->filters ^= HAWSER_TRACE_FILTER_PORT | HAWSER_TRACE_FILTER_PREFIX;
	config->prefix_family = AF_INET;
	config->prefix_bits = 25;
	memcpy(config->prefix, (uint8_t[]){127, 0, 0, 128}, 4);
	cr_assert_eq(hawser_trace_configure(trace, config), 0);
	be_refused("127.0.0.127", CLOSED_PORT);
	be_refused("127.0.0.200", CLOSED_PORT);
	cr_expect_eq(records_of(trace), 1);

	config->filters ^= HAWSER_TRACE_FILTER_PREFIX | HAWSER_TRACE_FILTER_TGID;
	config->tgid = 1;
	cr_assert_eq(hawser_trace_configure(trace, config), 0);
	be_refused("127.0.0.1", CLOSED_PORT);
	cr_expect_eq(records_of(trace), 0);

	config->filters ^= HAWSER_TRACE_FILTER_TGID;
	config->minimum_ns = UINT64_MAX;
	cr_assert_eq(hawser_trace_configure(trace, config), 0);
	be_refused("127.0.0.1", CLOSED_PORT);
	cr_expect_eq(records_of(trace), 0);
	config->prefix_bits = 129;
	config->filters |= HAWSER_TRACE_FILTER_PREFIX;
	cr_expect_eq(hawser_trace_configure(trace, config), -EINVAL);
	hawser_trace_close(trace);
}

Test(trace_open, a_sample_is_about_its_share)
{
	HAWSER_OPTIONS(hawser_trace_options, options, .no_ring = true);
	hawser_trace *trace;
	unsigned count;

	network_enter();
	options.config.filters = HAWSER_TRACE_FILTER_SAMPLE;
	options.config.sample = 4;
	trace = open_trace(&options);
	for (unsigned i = 0; i < 400; i++)
		be_refused("127.0.0.1", CLOSED_PORT);
	count = records_of(trace);
	cr_expect(count > 40 && count < 200, "%u of 400", count);
	hawser_trace_close(trace);
}

/* ---- what is full ---- */

Test(trace_open, records_that_do_not_fit_are_counted)
{
	HAWSER_OPTIONS(hawser_trace_options, options, .no_ring = true, .records_bytes = PAGE);
	struct hawser_trace_histogram histogram;
	struct hawser_trace_counters counters;
	hawser_trace *trace;
	unsigned count;

	network_enter();
	trace = open_trace(&options);
	for (unsigned i = 0; i < 100; i++)
		be_refused("127.0.0.1", CLOSED_PORT);
	count = records_of(trace);
	cr_assert_eq(hawser_trace_counters_read(trace, &counters), 0);
	cr_expect_gt(counters.records_lost, 0);
	cr_expect_eq(count + counters.records_lost, 100);
	cr_assert_eq(
	    hawser_trace_histogram_read(trace, HAWSER_TRACE_TCP, HAWSER_TRACE_REFUSED, &histogram), 0);
	cr_expect_eq(histogram.count, 100);
	cr_expect_gt(hawser_trace_quantile_ns(&histogram, 500), 0);
	hawser_trace_close(trace);
}

Test(trace_open, connects_that_do_not_fit_are_counted)
{
	HAWSER_OPTIONS(hawser_trace_options, options, .no_ring = true, .inflight_max = 1);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(CLOSED_PORT)};
	struct hawser_trace_counters counters;
	hawser_trace *trace;
	unsigned inflight = 0;
	int fds[4];

	network_enter();
	network_rule("in", "tcp dport 7001 drop");
	trace = open_trace(&options);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (unsigned i = 0; i < 4; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		cr_assert_eq(connect(fds[i], (struct sockaddr *)&address, sizeof(address)), -1);
	}
	cr_assert_eq(hawser_trace_inflight_read(trace, count_record, &inflight), 0);
	cr_assert_eq(hawser_trace_counters_read(trace, &counters), 0);
	cr_expect_eq(inflight + counters.inflight_full, 4);
	for (unsigned i = 0; i < 4; i++)
		close(fds[i]);
	cr_expect_eq(records_of(trace), inflight);
	hawser_trace_close(trace);
}

Test(trace_open, two_tracers_see_the_same)
{
	HAWSER_OPTIONS(hawser_trace_options, options, .calls = true);
	hawser_trace *one, *other;

	network_enter();
	one = open_trace(&options);
	other = open_trace(&options);
	be_refused("127.0.0.1", CLOSED_PORT);
	cr_expect_eq(records_of(one), 1);
	hawser_trace_close(one);
	be_refused("127.0.0.1", CLOSED_PORT);
	cr_expect_eq(records_of(other), 2);
	hawser_trace_close(other);
	hawser_trace_close(NULL);
}

/* ---- words ---- */

Test(trace_open, names)
{
	cr_expect_str_eq(hawser_trace_cause_name(HAWSER_TRACE_FALSE_SUCCESS), "false_success");
	cr_expect_str_eq(hawser_trace_cause_name(HAWSER_TRACE_CAUSES), "unknown");
	cr_expect_str_eq(hawser_trace_layer_name(HAWSER_TRACE_SYSCALL), "syscall");
	cr_expect_str_eq(hawser_trace_layer_name(HAWSER_TRACE_LAYERS), "unknown");
}

Test(trace_open, details)
{
	struct hawser_trace_record record = {.family = AF_INET,
	    .source = {10, 0, 0, 1},
	    .icmp_from = {10, 0, 0, 3},
	    .icmp_type = 3,
	    .icmp_code = 1,
	    .flags = HAWSER_TRACE_HAS_ICMP | HAWSER_TRACE_FIREWALL};
	char text[128];

	cr_expect_str_eq(
	    hawser_trace_detail_text(&record, text, sizeof(text)), "icmp 3/1 from 10.0.0.3, local firewall");
	cr_expect_str_eq(hawser_trace_detail_text(&record, text, 10), "icmp 3/1 ");
	cr_expect_str_eq(hawser_trace_source_text(&record, text, sizeof(text)), "10.0.0.1:0");
	record.family = AF_INET6;
	cr_expect_str_eq(hawser_trace_detail_text(&record, text, sizeof(text)), "icmp6 3/1, local firewall");
	record.family = 0;
	cr_expect_str_eq(hawser_trace_destination_text(&record, text, sizeof(text)), "?");
}

Test(trace_open, slots_join_without_a_gap)
{
	struct hawser_trace_histogram histogram = {.count = 0};

	cr_expect_eq(hawser_trace_slot_floor_ns(0), 0);
	cr_expect_eq(hawser_trace_slot_floor_ns(4), 1024);
	for (unsigned slot = 1; slot < HAWSER_TRACE_SLOTS; slot++)
		cr_expect_gt(hawser_trace_slot_floor_ns(slot), hawser_trace_slot_floor_ns(slot - 1));
	cr_expect_eq(hawser_trace_quantile_ns(&histogram, 500), 0);
	histogram.count = histogram.slots[7] = 10;
	cr_expect_eq(hawser_trace_quantile_ns(&histogram, 990), hawser_trace_slot_floor_ns(8));
}
