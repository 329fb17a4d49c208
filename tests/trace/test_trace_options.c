/* SPDX-License-Identifier: MIT
 *
 * The options of hawser-trace that choose what is traced, each by its command line and connects that the test
 * makes, and what it needs to be allowed: two capabilities, and none once it traces.
 */
#include "watched.h"

#include <liburing.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

TestSuite(trace_options, .init = watched_enter, .fini = shell_leave, .timeout = 60);

static struct shell live(const char *options)
{
	char command[512];

	snprintf(command, sizeof(command), "exec $TOOL live --json %s" WATCHED_HERE, options);
	return watched_start("live", command);
}

static void expect_live(const struct shell *tool, const char *summary)
{
	cr_expect_eq(shell_end(tool, SIGINT), 0);
	shell_expect("live.err", summary);
}

/* ---- filters ---- */

/* Another process, and another user. */
static void connect_as_nobody(void)
{
	cr_assert_eq(shell_run("nobody", "setpriv --reuid 65534 --regid 65534 --clear-groups "
					 "bash -c ': </dev/tcp/127.0.0.1/7003'"),
	    1);
}

Test(trace_options, uid)
{
	struct shell tool = live("--uid 65534");

	watched_connect(CLOSED_PORT);
	connect_as_nobody();
	expect_live(&tool, "1 connect, 1 refused\n");
	watched_expect_jq("live.out", "", "[.uid,.destination]", "[65534,\"127.0.0.1:7003\"]\n");
}

Test(trace_options, pid)
{
	char options[64];
	struct shell tool;

	snprintf(options, sizeof(options), "--pid %d", getpid());
	tool = live(options);
	watched_connect(CLOSED_PORT);
	connect_as_nobody();
	expect_live(&tool, "1 connect, 1 refused\n");
	snprintf(options, sizeof(options), "%d\n", getpid());
	watched_expect_jq("live.out", "", ".pid", options);
}

/* By its path, then by its number; the process is in it, then in one below it. */
Test(trace_options, cgroup)
{
	char path[64], below[80], command[256];
	struct stat status;
	struct shell tool;

	/* Wherever the machine has them: seen from here, they are in the folder of the test. */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mkdir("cgroups", 0755) < 0 || mount("none", "cgroups", "cgroup2", 0, NULL) < 0)
		cr_skip_test("no cgroups (version 2) here: %s", strerror(errno));
	snprintf(path, sizeof(path), "cgroups/hawser-test-%d", getpid());
	if (mkdir(path, 0755) < 0)
		cr_skip_test("no cgroup can be made here: %s", strerror(errno));
	snprintf(below, sizeof(below), "%s/below", path);
	cr_expect_eq(mkdir(below, 0755), 0);
	cr_expect_eq(stat(path, &status), 0);
	for (unsigned turn = 0; turn < 2; turn++) {
		char options[128];

		snprintf(command, sizeof(command),
		    "bash -c 'echo $$ >%s/cgroup.procs && : </dev/tcp/127.0.0.1/7003'", turn ? below : path);
		if (turn)
			snprintf(options, sizeof(options), "--cgroup %lu", (unsigned long)status.st_ino);
		else
			snprintf(options, sizeof(options), "--cgroup %s", path);
		tool = live(options);
		watched_connect(CLOSED_PORT);
		cr_expect_eq(shell_run("member", command), 1);
		expect_live(&tool, "1 connect, 1 refused\n");
		watched_expect_jq("live.out", "", ".destination", "\"127.0.0.1:7003\"\n");
	}
	for (unsigned tries = 0; (rmdir(below), rmdir(path)) < 0 && tries < 100; tries++)
		usleep(10000);
	cr_expect_eq(access(path, F_OK), -1);
	umount("cgroups");
}

/* Which ones is chance: that it is none or all of them has one in 2^127. */
Test(trace_options, sample)
{
	enum { CONNECTS = 128 };
	struct shell tool = live("--sample 2");

	for (unsigned i = 0; i < CONNECTS; i++)
		watched_connect(CLOSED_PORT);
	cr_expect_eq(shell_end(&tool, SIGINT), 0);
	cr_expect_eq(shell_run("some", "n=$(wc -l <live.out); [ $n -gt 0 ] && [ $n -lt 128 ]"), 0);
}

/* ---- layers ---- */

static void connect_by_ring(void)
{
	struct sockaddr_in address = watched_address(CLOSED_PORT);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	int result = io_uring_queue_init(4, &ring, 0);

	if (result < 0)
		cr_skip_test("no io_uring here: %s", strerror(-result));
	io_uring_prep_connect(io_uring_get_sqe(&ring), fd, (struct sockaddr *)&address, sizeof(address));
	cr_assert_eq(io_uring_submit_and_wait(&ring, 1), 1);
	cr_assert_eq(io_uring_wait_cqe(&ring, &cqe), 0);
	cr_assert_eq(cqe->res, -ECONNREFUSED);
	io_uring_queue_exit(&ring);
	close(fd);
}

Test(trace_options, no_ring)
{
	struct shell tool = live("");

	connect_by_ring();
	expect_live(&tool, "1 connect, 1 refused\n");
	watched_expect_jq("live.out", "", ".layer", "\"ring\"\n");
	tool = live("--no-ring");
	connect_by_ring();
	expect_live(&tool, "1 connect, 1 refused\n");
	watched_expect_jq("live.out", "", ".layer", "\"tcp\"\n");
}

static void connect_to_no_path(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "nowhere.sock"};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), -1);
	cr_assert_eq(errno, ENOENT);
	close(fd);
}

Test(trace_options, calls)
{
	struct shell tool = live("");
	char options[64];

	connect_to_no_path();
	expect_live(&tool, "0 connects\n");
	snprintf(options, sizeof(options), "--calls --pid %d", getpid());
	tool = live(options);
	connect_to_no_path();
	watched_connect(CLOSED_PORT);
	expect_live(&tool, "2 connects, 1 refused, 1 local_error\n");
	watched_expect_jq("live.out", "", "[.layer,.errno,.destination]",
	    "[\"syscall\",2,\"nowhere.sock\"]\n[\"tcp\",111,\"127.0.0.1:7002\"]\n");
}

Test(trace_options, histograms)
{
	watched_run("exec $TOOL hist --histograms --json" WATCHED_HERE);
	watched_expect_jq(
	    "watch.out", "", "[.layer,.cause,.count]", "[\"tcp\",\"ok\",3]\n[\"tcp\",\"refused\",8]\n");
}

/* ---- what it may ---- */

static void expect_no_capabilities(const struct shell *tool)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", tool->pid);
	shell_expect(path, "\nCapInh:\t0000000000000000\n");
	shell_expect(path, "\nCapPrm:\t0000000000000000\n");
	shell_expect(path, "\nCapEff:\t0000000000000000\n");
	shell_expect(path, "\nCapAmb:\t0000000000000000\n");
	shell_expect(path, "\nNoNewPrivs:\t1\n");
}

Test(trace_options, capabilities_are_given_up)
{
	struct shell tool = live("");

	expect_no_capabilities(&tool);
	watched_connect_all();
	expect_live(&tool, WATCHED_SUMMARY);
}

#define TWO " -all,+bpf,+perfmon "

/* A copy, for nobody may not read where the build lies. */
Test(trace_options, two_capabilities_are_enough)
{
	struct shell tool;
	char path[64];

	cr_assert_eq(shell_run("copy", "chmod 755 . && cp \"$TOOL\" tool && chmod 755 tool"), 0);
	tool = watched_start("live",
	    "exec setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps" TWO "--ambient-caps" TWO
	    "--bounding-set" TWO "./tool live --json" WATCHED_HERE);
	snprintf(path, sizeof(path), "/proc/%d/status", tool.pid);
	shell_expect(path, "\nUid:\t65534\t65534\t65534\t65534\n");
	expect_no_capabilities(&tool);
	watched_connect_all();
	expect_live(&tool, WATCHED_SUMMARY);
	cr_expect_eq(shell_run("one", "exec setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps "
				      "-all,+bpf --ambient-caps -all,+bpf ./tool live --duration 0.1"),
	    1);
	shell_expect("one.err", "cap_bpf,cap_perfmon");
}
