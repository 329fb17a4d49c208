/* SPDX-License-Identifier: MIT
 *
 * hawser-trace and bpftool as their users run them, in a network and with a bpf file system of the test's
 * own. HAWSER_BPFTOOL names another bpftool than the one in the path.
 */
#ifndef TESTS_TRACE_PINNED_H
#define TESTS_TRACE_PINNED_H

#include "../support/network.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PINS "/sys/fs/bpf/hawser"
enum { PINNED_OUTPUT_BYTES = 256 << 10, PINNED_PORT_CLOSED = 9 };

/* Runs a command of bash; its exit code. Standard error joins the output. */
static inline int pinned_run(const char *command, char *ret_output)
{
	static const char before[] =
	    "exec 2>&1; hawser-trace() { \"$HAWSER_BUILD_DIR/bin/hawser-trace\" \"$@\"; }; "
	    "bpftool() { \"${HAWSER_BPFTOOL:-/usr/sbin/bpftool}\" \"$@\"; }; ";
	char whole[2048];
	size_t length;
	FILE *pipe;

	cr_assert_not_null(getenv("HAWSER_BUILD_DIR"), "run it by tests/run");
	cr_assert_lt(snprintf(whole, sizeof(whole), "%s%s", before, command), (int)sizeof(whole));
	setenv("HAWSER_TEST_COMMAND", whole, 1);
	pipe = popen("exec bash -c \"$HAWSER_TEST_COMMAND\"", "re");
	cr_assert_not_null(pipe);
	length = fread(ret_output, 1, PINNED_OUTPUT_BYTES - 1, pipe);
	ret_output[length] = '\0';
	return WEXITSTATUS(pclose(pipe));
}

static inline void pinned_expect(const char *command, int code, const char *words)
{
	static char output[PINNED_OUTPUT_BYTES];
	int result = pinned_run(command, output);

	cr_expect_eq(result, code, "%s ended with %d: %s", command, result, output);
	cr_expect_not_null(strstr(output, words), "%s does not say '%s': %s", command, words, output);
}

/* A mount namespace of the test's own, without a bpf file system, and a network. */
static inline void pinned_begin(void)
{
	static char output[PINNED_OUTPUT_BYTES];

	network_enter();
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		cr_skip_test("no mount namespace of one's own here: %s", strerror(errno));
	while (umount2("/sys/fs/bpf", MNT_DETACH) == 0)
		;
	if (access("/sys/fs/bpf", F_OK) < 0)
		cr_skip_test("this kernel has no bpf file system");
	if (pinned_run("hawser-trace live --duration 0.01", output) != 0)
		cr_skip_test("%s", output);
}

static inline void pinned_begin_mounted(void)
{
	pinned_begin();
	network_run("mount -t bpf bpf /sys/fs/bpf");
}

/* Answers the socket, whatever became of it. */
static inline int pinned_connect(uint16_t port, int flags)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), -1);
	return fd;
}

static inline void pinned_connect_refused(void)
{
	close(pinned_connect(PINNED_PORT_CLOSED, 0));
}

#endif
