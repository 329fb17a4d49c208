/* SPDX-License-Identifier: MIT
 *
 * What another host does to connects: a reset, ICMP for a SYN sent again, when no call is in the socket any
 * more, and from whom; IPv6; and a program of the
 * process's cgroup that permits nothing.
 */
#include "../support/network.h"
#include "tracing.h"
#include "ways.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PORT = 7000 };

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

static int try_host(enum way way, const char *host)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	struct sockaddr_in6 address6 = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	bool six = inet_pton(AF_INET, host, &address.sin_addr) != 1;
	struct attempt attempt = {
	    .way = way, .address = (struct sockaddr *)&address, .address_size = sizeof(address)};

	if (six) {
		cr_assert_eq(inet_pton(AF_INET6, host, &address6.sin6_addr), 1);
		attempt.address = (struct sockaddr *)&address6;
		attempt.address_size = sizeof(address6);
	}
	return tracing_connect(&attempt);
}

static struct hawser_trace_record expect_detail(
    enum way way, enum hawser_trace_cause cause, int error, const char *detail)
{
	struct hawser_trace_record record = tracing_record();
	char text[128];

	cr_expect_str_eq(hawser_trace_cause_name(record.cause), hawser_trace_cause_name(cause), "%s: %s",
	    way_names[way], hawser_trace_cause_name(record.cause));
	cr_expect_eq(record.error, error, "%s: errno %d", way_names[way], record.error);
	cr_expect_str_eq(
	    hawser_trace_detail_text(&record, text, sizeof(text)), detail, "%s: %s", way_names[way], text);
	cr_expect_eq(record.tgid, (uint32_t)getpid());
	return record;
}

WAY_TEST(trace_remote, reset, EVERY_WAY)
{
	network_peer_begin();
	cr_assert_eq(try_host(way, "192.0.2.2"), ECONNREFUSED);
	expect_detail(way, HAWSER_TRACE_REFUSED, ECONNREFUSED, "");
}

WAY_TEST(trace_remote, reset_of_ipv6, EVERY_WAY)
{
	network_peer_begin();
	cr_assert_eq(try_host(way, "2001:db8::2"), ECONNREFUSED);
	expect_detail(way, HAWSER_TRACE_REFUSED, ECONNREFUSED, "");
}

/* A process, not a thread: what a tool does in this one would be traced. */
static pid_t change_rule_later(const char *rule)
{
	struct timespec rest = {.tv_nsec = 200000000};
	pid_t child = fork();

	cr_assert_geq(child, 0);
	if (child > 0)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	nanosleep(&rest, NULL);
	network_peer_rule_instead(rule);
	_exit(0);
}

/* The first SYN is lost; the rule is another when the second comes, or on a slow machine a later one. */
static int try_with_later_rule(enum way way, const char *host, const char *rule)
{
	int told, status;
	pid_t child;

	network_peer_begin();
	network_peer_rule("tcp dport 7000 drop");
	child = change_rule_later(rule);
	told = try_host(way, host);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0);
	return told;
}

WAY_TEST(trace_remote, icmp_host_unreachable, EVERY_WAY)
{
	struct hawser_trace_record record;

	tracing_needs("ICMP");
	cr_assert_eq(
	    try_with_later_rule(way, "192.0.2.2", "tcp dport 7000 reject with icmp type host-unreachable"),
	    EHOSTUNREACH);
	record = expect_detail(way, HAWSER_TRACE_ICMP, EHOSTUNREACH, "icmp 3/1 from 192.0.2.2");
	cr_expect_geq(record.syn_retransmits, 1);
}

WAY_TEST(trace_remote, icmp_port_unreachable, EVERY_WAY)
{
	tracing_needs("ICMP");
	cr_assert_eq(
	    try_with_later_rule(way, "192.0.2.2", "tcp dport 7000 reject with icmp type port-unreachable"),
	    ECONNREFUSED);
	expect_detail(way, HAWSER_TRACE_ICMP, ECONNREFUSED, "icmp 3/3 from 192.0.2.2");
}

WAY_TEST(trace_remote, icmp_admin_prohibited, EVERY_WAY)
{
	tracing_needs("ICMP");
	cr_assert_eq(
	    try_with_later_rule(way, "192.0.2.2", "tcp dport 7000 reject with icmp type admin-prohibited"),
	    EHOSTUNREACH);
	expect_detail(way, HAWSER_TRACE_ICMP, EHOSTUNREACH, "icmp 3/13 from 192.0.2.2");
}

/* The kernel keeps no copy of ICMPv6 for a socket that did not ask for it. */
WAY_TEST(trace_remote, icmp_of_ipv6, EVERY_WAY)
{
	tracing_needs("ICMP");
	cr_assert_eq(try_with_later_rule(
			 way, "2001:db8::2", "tcp dport 7000 reject with icmpv6 type addr-unreachable"),
	    EHOSTUNREACH);
	expect_detail(way, HAWSER_TRACE_ICMP, EHOSTUNREACH, "icmp6");
}

/* ---- a program of the cgroup that permits no connect ---- */

static long bpf(int command, union bpf_attr *attributes)
{
	return syscall(SYS_bpf, command, attributes, sizeof(*attributes));
}

/* Moves this process into a cgroup of its own; the descriptor of it. */
static int cgroup_enter(void)
{
	char own[] = "/tmp/hawser-cgroup-XXXXXX";
	char path[64];
	int directory, members;

	cr_assert_not_null(mkdtemp(own));
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("cgroup2", own, "cgroup2", 0, NULL) < 0) {
		rmdir(own);
		cr_skip_test("no cgroup2 can be mounted here: %s", strerror(errno));
	}
	snprintf(path, sizeof(path), "%s/hawser-%d", own, getpid());
	cr_assert_eq(mkdir(path, 0755), 0);
	directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	members = openat(directory, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	cr_assert_eq(write(members, "0", 1), 1);
	close(members);
	return directory;
}

static void forbid_connects(int cgroup)
{
	/* return 0 */
	const struct bpf_insn instructions[] = {
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0}, {.code = BPF_JMP | BPF_EXIT}};
	union bpf_attr load = {.prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
	    .insn_cnt = 2,
	    .insns = (uintptr_t)instructions,
	    .license = (uintptr_t) "Dual MIT/GPL",
	    .expected_attach_type = BPF_CGROUP_INET4_CONNECT};
	union bpf_attr attach = {.target_fd = (uint32_t)cgroup, .attach_type = BPF_CGROUP_INET4_CONNECT};
	long program = bpf(BPF_PROG_LOAD, &load);

	if (program < 0)
		cr_skip_test("the kernel has no programs for cgroups: %s", strerror(errno));
	attach.attach_bpf_fd = (uint32_t)program;
	cr_assert_eq(bpf(BPF_PROG_ATTACH, &attach), 0);
}

/* Leaves it, and removes it with its program. */
static void cgroup_leave(int cgroup)
{
	char path[64], link[64];
	ssize_t length;
	int members;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", cgroup);
	length = readlink(link, path, sizeof(path) - 1);
	cr_assert_gt(length, 0);
	path[length] = '\0';
	members = openat(cgroup, "../cgroup.procs", O_WRONLY | O_CLOEXEC);
	cr_assert_eq(write(members, "0", 1), 1);
	close(members);
	close(cgroup);
	cr_assert_eq(rmdir(path), 0);
	*strrchr(path, '/') = '\0';
	umount2(path, MNT_DETACH);
	rmdir(path);
}

WAY_TEST(trace_remote, forbidden_by_its_cgroup, EVERY_WAY)
{
	int cgroup = cgroup_enter();
	int told;

	forbid_connects(cgroup);
	told = try_host(way, "127.0.0.1");
	cgroup_leave(cgroup);
	cr_assert_eq(told, EPERM);
	expect_detail(way, HAWSER_TRACE_LOCAL_ERROR, EPERM, "");
}
