/* SPDX-License-Identifier: MIT
 *
 * A neighbour in a network of its own: a process that does nothing but hold it. See network.h.
 */
#include "network.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static pid_t holder;

static void hold(int ready)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWNET) < 0 || write(ready, "x", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

void network_peer_run(const char *format, ...)
{
	char command[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	network_run("nsenter -t %d -n sh -c '%s'", holder, command);
}

void network_peer_begin(void)
{
	int ready[2];
	char byte;

	cr_assert_eq(pipe(ready), 0);
	holder = fork();
	cr_assert_geq(holder, 0);
	if (holder == 0)
		hold(ready[1]);
	close(ready[1]);
	cr_assert_eq(read(ready[0], &byte, 1), 1, "the neighbour has no network");
	close(ready[0]);
	network_run("ip link add c0 type veth peer name s0 netns %d", holder);
	network_run("ip addr add 192.0.2.1/24 dev c0 && ip addr add 2001:db8::1/64 dev c0 nodad && "
		    "ip link set c0 up");
	network_peer_run("ip addr add 192.0.2.2/24 dev s0 && ip addr add 2001:db8::2/64 dev s0 nodad && "
			 "ip link set s0 up && ip link set lo up && "
			 "echo 0 > /proc/sys/net/ipv4/icmp_ratelimit");
	network_peer_run("nft add table inet test");
	network_peer_run("nft add chain inet test in { type filter hook input priority 0 \\; }");
}

void network_peer_rule(const char *rule)
{
	network_peer_run("nft add rule inet test in %s", rule);
}

void network_peer_rule_instead(const char *rule)
{
	network_peer_run("nft flush chain inet test in \\; add rule inet test in %s", rule);
}
