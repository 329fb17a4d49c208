/* SPDX-License-Identifier: MIT
 *
 * See network.h.
 */
#include "network.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return done;
}

void network_run(const char *format, ...)
{
	char command[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	cr_assert_eq(system(command), 0, "%s", command);
}

/* What network_prepare found; a program that Criterion starts for a test inherits it. */
#define PREPARED "HAWSER_TEST_NETWORK"

static const char *become_root(void)
{
	char uid_map[64];
	char gid_map[64];

	snprintf(uid_map, sizeof(uid_map), "0 %u 1", getuid());
	snprintf(gid_map, sizeof(gid_map), "0 %u 1", getgid());
	if (unshare(CLONE_NEWUSER) < 0)
		return "this kernel does not give an ordinary user a user namespace";
	if (!write_file("/proc/self/setgroups", "deny") || !write_file("/proc/self/uid_map", uid_map) ||
	    !write_file("/proc/self/gid_map", gid_map))
		return "the user namespace cannot be mapped here";
	return "";
}

static const char *stay_root(void)
{
	return geteuid() == 0 ? "" : "needs root: it traces a network of its own";
}

static void prepare(const char *(*become)(void))
{
	if (getenv(PREPARED))
		return;
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	if (system("command -v ip >/dev/null && command -v nft >/dev/null") != 0)
		setenv(PREPARED, "ip or nft is not installed", 1);
	else
		setenv(PREPARED, become(), 1);
}

void network_prepare(void)
{
	prepare(become_root);
}

void network_prepare_as_root(void)
{
	prepare(stay_root);
}

void network_enter(void)
{
	const char *refused = getenv(PREPARED);

	cr_assert_not_null(refused, "network_prepare was not called");
	if (refused[0])
		cr_skip_test("%s", refused);
	if (unshare(CLONE_NEWNET) < 0)
		cr_skip_test("no network namespace of one's own here: %s", strerror(errno));
	network_run("ip link set lo up");
	network_run("nft add table inet test && nft add chain inet test in '{ type filter hook input "
		    "priority 0; }' && "
		    "nft add chain inet test out '{ type filter hook output priority 0; }'");
}

void network_rule(const char *chain, const char *rule)
{
	network_run("nft add rule inet test %s %s", chain, rule);
}

void network_rules_clear(void)
{
	network_run("nft flush table inet test");
}
