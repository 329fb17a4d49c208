/* SPDX-License-Identifier: MIT
 *
 * Kernels that refuse or lack something, played to this process alone: locked down, without the tracepoints
 * that cannot be spared, without some that can. And memory that runs out.
 */
#include "../support/network.h"
#include "trace/trace.h"
#include "tracing.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CLOSED_PORT = 7001 };

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

static void enter_mounts(void)
{
	if (geteuid() != 0)
		cr_skip_test("needs root: it hides files of the kernel from itself");
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		cr_skip_test("no mounts of its own: %s", strerror(errno));
}

static void write_file(const char *path, const void *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	cr_assert_geq(fd, 0, "%s: %s", path, strerror(errno));
	cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
	close(fd);
}

/* ---- locked down ---- */

static void lock_down(const char *modes)
{
	const char *folder = "/sys/kernel/security";

	enter_mounts();
	if (mount("none", folder, "tmpfs", 0, NULL) < 0)
		cr_skip_test("cannot replace %s: %s", folder, strerror(errno));
	write_file("/sys/kernel/security/lockdown", modes, strlen(modes));
}

Test(trace_refusal, locked_down)
{
	struct hawser_trace_sentence why = {""};

	lock_down("none integrity [confidentiality]\n");
	cr_expect_eq(trace_refused(&why, -EPERM), -EPERM);
	cr_expect_not_null(strstr(why.text, "lockdown=integrity"), "%s", why.text);
}

/* Then it is not the lockdown, and must not be blamed on it. */
Test(trace_refusal, locked_down_for_integrity_alone)
{
	struct hawser_trace_sentence why = {""};

	lock_down("none [integrity] confidentiality\n");
	cr_expect_eq(trace_refused(&why, -EPERM), -EPERM);
	cr_expect_null(strstr(why.text, "locked"), "%s", why.text);
}

Test(trace_refusal, of_another_kind_is_quoted)
{
	struct hawser_trace_sentence why = {""};

	trace_listen();
	cr_expect_eq(trace_refused(&why, -EINVAL), -EINVAL);
	trace_unlisten();
	cr_expect_not_null(strstr(why.text, "Invalid argument"), "%s", why.text);
	cr_expect_not_null(strstr(why.text, "libbpf said nothing"), "%s", why.text);
}

/* ---- a tracepoint that is missing ---- */

/* This kernel's types, but for these tracepoints and functions: their names are other ones of the same
 * length. */
static void without(const char *const *names)
{
	char own[] = "/tmp/hawser-trace-XXXXXX", name[64];
	struct btf *btf = btf__load_vmlinux_btf();
	const void *bytes;
	uint32_t size;
	char *copy;
	int fd;

	if (!btf)
		cr_skip_test("this kernel does not describe its types");
	bytes = btf__raw_data(btf, &size);
	copy = malloc(size);
	cr_assert_not_null(copy);
	memcpy(copy, bytes, size);
	for (; *names; names++) {
		int length = snprintf(name, sizeof(name), "%c%s", '\0', *names);
		char *found = memmem(copy, size, name, (size_t)length + 1);

		if (!found)
			cr_skip_test("this kernel lacks %s anyway", *names);
		found[length - 1] = '_';
	}
	enter_mounts();
	fd = mkstemp(own);
	cr_assert_geq(fd, 0);
	close(fd);
	write_file(own, copy, size);
	cr_assert_eq(mount(own, "/sys/kernel/btf/vmlinux", NULL, MS_BIND, NULL), 0);
	unlink(own);
	free(copy);
	btf__free(btf);
}

static void expect_lacking(const struct hawser_trace_options *options, const char *word)
{
	struct hawser_trace_sentence why = {""};
	hawser_trace *trace;

	cr_expect_eq(hawser_trace_open(options, &why, &trace), -ENOENT);
	cr_expect_not_null(strstr(why.text, word), "'%s' does not say '%s'", why.text, word);
}

Test(trace_refusal, without_states_of_tcp)
{
	without((const char *const[]){"btf_trace_inet_sock_set_state", NULL});
	expect_lacking(NULL, "lacks the tracepoint inet_sock_set_state");
}

Test(trace_refusal, without_system_calls)
{
	HAWSER_OPTIONS(hawser_trace_options, options, .calls = true);

	without((const char *const[]){"btf_trace_sys_enter", "inet_stream_connect", NULL});
	expect_lacking(&options, "lacks the tracepoints sys_enter and sys_exit");
}

static void expect_lost(const char *role, const char *word)
{
	struct hawser_trace_ability abilities[HAWSER_TRACE_ABILITIES_MAX];
	int count = hawser_trace_probe(abilities);

	for (int i = 0; i < count; i++) {
		if (strcmp(abilities[i].name, role) != 0)
			continue;
		cr_expect_not(abilities[i].available);
		cr_expect_not_null(strstr(abilities[i].sentence, word), "%s", abilities[i].sentence);
		return;
	}
	cr_expect(false, "nothing is said of %s", role);
}

static void refuse_once(const struct hawser_trace_options *options)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(CLOSED_PORT)};
	struct hawser_trace_histogram histogram;
	struct hawser_trace_sentence why = {""};
	hawser_trace *trace;
	int fd, result = hawser_trace_open(options, &why, &trace);

	if (result == -EPERM)
		cr_skip_test("%s", why.text);
	cr_assert_eq(result, 0, "%s", why.text);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_expect_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), -1);
	close(fd);
	cr_assert_eq(
	    hawser_trace_histogram_read(trace, HAWSER_TRACE_TCP, HAWSER_TRACE_REFUSED, &histogram), 0);
	cr_expect_eq(histogram.count, 1);
	hawser_trace_close(trace);
}

/* As on 5.10: the rest works, histogram mode by the programs for records. */
Test(trace_refusal, without_what_can_be_spared)
{
	HAWSER_OPTIONS(hawser_trace_options, options, .histograms = true);
	struct hawser_trace_options records;

	network_enter();
	without((const char *const[]){
	    "btf_trace_inet_sk_error_report", "btf_trace_kfree_skb", "btf_trace_io_uring_submit_req", NULL});
	expect_lost("ICMP", "needs Linux 5.15");
	expect_lost("local firewall", "5.17");
	expect_lost("io_uring submissions", "network alone");
	options.config.filters = HAWSER_TRACE_FILTER_TGID;
	options.config.tgid = (uint32_t)getpid();
	refuse_once(&options);
	records = options;
	records.histograms = false;
	refuse_once(&records);
}

/* ---- memory ---- */

#if defined(__SANITIZE_ADDRESS__)
#define OWN_ALLOCATOR 0 /* the sanitizer has one itself */
#else
#define OWN_ALLOCATOR 1
#endif

static unsigned fail_at; /* which allocation from now on fails; 0: none */

#if OWN_ALLOCATOR
extern const char __executable_start, etext;
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);

/* Of this program (the library is linked into it), not of libbpf. */
static bool refuses(const void *caller)
{
	return fail_at && (const char *)caller >= &__executable_start && (const char *)caller < &etext &&
	       --fail_at == 0;
}

__attribute__((visibility("default"))) void *malloc(size_t size)
{
	return refuses(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

__attribute__((visibility("default"))) void *calloc(size_t count, size_t size)
{
	return refuses(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}
#endif

static int ignore(const struct hawser_trace_record *record, void *user)
{
	(void)record;
	(void)user;
	return 0;
}

static void expect_no_memory(hawser_trace *trace)
{
	struct hawser_trace_counters counters;
	struct hawser_trace_config config;

	fail_at = 1;
	cr_expect_eq(hawser_trace_counters_read(trace, &counters), -ENOMEM);
	fail_at = 1;
	cr_expect_eq(hawser_trace_config_read(trace, &config), -ENOMEM);
	cr_assert_eq(hawser_trace_config_read(trace, &config), 0);
	fail_at = 1;
	cr_expect_eq(hawser_trace_configure(trace, &config), -ENOMEM);
	fail_at = 1;
	cr_expect_eq(hawser_trace_inflight_read(trace, ignore, NULL), -ENOMEM);
	cr_expect_eq(fail_at, 0);
	cr_expect_eq(hawser_trace_inflight_read(trace, ignore, NULL), 0);
}

static void open_without_memory(bool histograms)
{
	HAWSER_OPTIONS(hawser_trace_options, options, .histograms = histograms);
	hawser_trace *untouched = (hawser_trace *)&options, *trace = untouched;
	unsigned allocations = 0;
	int result;

	if (!OWN_ALLOCATOR)
		cr_skip_test("the sanitizer's allocator cannot be told to fail");
	do {
		struct hawser_trace_sentence why = {""};

		fail_at = ++allocations;
		result = hawser_trace_open(&options, &why, &trace);
		if (result == -EPERM || result == -ENOENT)
			cr_skip_test("%s", why.text);
		if (result < 0) {
			cr_assert_eq(result, -ENOMEM, "allocation %u: %d", allocations, result);
			cr_expect_neq(why.text[0], '\0', "allocation %u: no sentence", allocations);
			cr_expect_eq(trace, untouched);
		}
	} while (result < 0 && allocations < 100);
	cr_assert_eq(result, 0);
	cr_expect_gt(allocations, 4);
	fail_at = 0;
	expect_no_memory(trace);
	hawser_trace_close(trace);
}

Test(trace_refusal, memory_runs_out, .timeout = 60)
{
	open_without_memory(false);
}

Test(trace_refusal, memory_runs_out_in_histogram_mode, .timeout = 60)
{
	open_without_memory(true);
}
