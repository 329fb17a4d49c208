/* SPDX-License-Identifier: MIT
 *
 * What networks do to connects, each in a network of the test's own: the exact errno and stage, and never a
 * false "connected". Both engines.
 */
#include "../support/bed.h"
#include "../support/network.h"
#include "../support/sockets.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

__attribute__((constructor)) static void prepare(void)
{
	network_prepare();
}

/* One round to this target with this deadline must end like this, without having been called connected. */
static void expect_failure(struct bed *bed, const char *target, unsigned deadline_ms, const char *words)
{
	HAWSER_OPTIONS(hawser_client_options, options, .target = target, .rounds_max = 1,
	    .attempt_deadline_ms = deadline_ms);
	char line[128];

	snprintf(line, sizeof(line), "client closed %s", words);
	bed_bind(bed, bed_client(bed, &options), "Echo");
	bed_wait(bed, line);
	cr_assert_eq(bed_count(bed, "client preparing"), 0, "it was called connected:\n%s", bed->log);
}

/* The same against a listener on loopback behind a rule of the packet filter. */
static void expect_behind_rule(struct bed *bed, const char *chain, const char *rule, const char *words)
{
	char target[HOST_TARGET_BYTES];
	char whole[256];
	int fd;

	network_enter();
	fd = sockets_listen_tcp(16, target, sizeof(target));
	snprintf(whole, sizeof(whole), rule, strrchr(target, ':') + 1);
	network_rule(chain, whole);
	expect_failure(bed, target, 300, words);
	close(fd);
}

CLIENT_TEST(faults, a8_syn_dropped)
{
	expect_behind_rule(bed, "in", "tcp dport %s drop", "connect ETIMEDOUT deadline");
}

CLIENT_TEST(faults, syn_ack_dropped)
{
	expect_behind_rule(bed, "in", "tcp sport %s drop", "connect ETIMEDOUT deadline");
}

CLIENT_TEST(faults, dropped_by_the_own_firewall)
{
	expect_behind_rule(bed, "out", "tcp dport %s drop", "connect ETIMEDOUT deadline");
}

CLIENT_TEST(faults, tcp_reset)
{
	expect_behind_rule(bed, "in", "tcp dport %s reject with tcp reset", "connect ECONNREFUSED refused");
}

CLIENT_TEST(faults, closed_port)
{
	network_enter();
	expect_failure(bed, "tcp:127.0.0.1:7001", 300, "connect ECONNREFUSED refused");
}

CLIENT_TEST(faults, closed_port_of_ipv6)
{
	network_enter();
	expect_failure(bed, "tcp:[::1]:7001", 300, "connect ECONNREFUSED refused");
}

/* io_uring completes these with 0; the socket knows better (stage verify). epoll asks the socket at once. */
static const char *by_engine(const struct bed *bed, const char *words)
{
	static char line[96];

	snprintf(line, sizeof(line), "%s %s", bed->kind->epoll ? "connect" : "verify", words);
	return line;
}

CLIENT_TEST(faults, icmp_host_unreachable_from_this_host)
{
	expect_behind_rule(bed, "in", "tcp dport %s reject with icmp type host-unreachable",
	    by_engine(bed, "EHOSTUNREACH unreachable"));
}

CLIENT_TEST(faults, icmp_net_unreachable_from_this_host)
{
	expect_behind_rule(bed, "in", "tcp dport %s reject with icmp type net-unreachable",
	    by_engine(bed, "ENETUNREACH unreachable"));
}

CLIENT_TEST(faults, icmp_port_unreachable_from_this_host)
{
	expect_behind_rule(bed, "in", "tcp dport %s reject with icmp type port-unreachable",
	    by_engine(bed, "ECONNREFUSED refused"));
}

CLIENT_TEST(faults, icmp_admin_prohibited_from_this_host)
{
	expect_behind_rule(bed, "in", "tcp dport %s reject with icmp type admin-prohibited",
	    by_engine(bed, "EHOSTUNREACH unreachable"));
}

CLIENT_TEST(faults, icmp_of_the_own_firewall)
{
	expect_behind_rule(bed, "out", "tcp dport %s reject", by_engine(bed, "ECONNREFUSED refused"));
}

CLIENT_TEST(faults, no_route)
{
	network_enter();
	expect_failure(bed, "tcp:192.0.2.1:7000", 300, "connect ENETUNREACH unreachable");
}

CLIENT_TEST(faults, prohibit_route)
{
	network_enter();
	network_run("ip route add prohibit 192.0.2.0/24");
	expect_failure(bed, "tcp:192.0.2.1:7000", 300, "connect EACCES unreachable");
}

CLIENT_TEST(faults, unreachable_route)
{
	network_enter();
	network_run("ip route add unreachable 192.0.2.0/24");
	expect_failure(bed, "tcp:192.0.2.1:7000", 300, "connect EHOSTUNREACH unreachable");
}

CLIENT_TEST(faults, blackhole_route)
{
	network_enter();
	network_run("ip route add blackhole 192.0.2.0/24");
	expect_failure(bed, "tcp:192.0.2.1:7000", 300, "connect EINVAL unreachable");
}

CLIENT_TEST(faults, nobody_answers_arp)
{
	network_enter();
	network_run("ip link add c0 type veth peer name s0 && ip addr add 192.0.2.1/24 dev c0 && "
		    "ip link set c0 up && ip link set s0 up && echo 300 > "
		    "/proc/sys/net/ipv4/neigh/c0/retrans_time_ms");
	expect_failure(bed, "tcp:192.0.2.77:7000", 8000, "connect EHOSTUNREACH unreachable");
}

CLIENT_TEST(faults, local_ports_used_up)
{
	char target[HOST_TARGET_BYTES];
	HAWSER_OPTIONS(hawser_client_options, options, .target = target, .protocol = "raw");
	int fd;

	network_enter();
	fd = sockets_listen_tcp(16, target, sizeof(target));
	network_run("echo 40000 40001 > /proc/sys/net/ipv4/ip_local_port_range");
	bed_client(bed, &options);
	bed_client(bed, &options);
	bed_wait(bed, "client ready");
	bed_wait(bed, "client ready");
	options.rounds_max = 1;
	bed_client(bed, &options);
	bed_wait(bed, "client closed connect EADDRNOTAVAIL local");
	close(fd);
}

CLIENT_TEST(faults, a_stopped_host_is_noticed_by_the_bind_deadline)
{
	HAWSER_OPTIONS(hawser_client_options, options, .bind_deadline_ms = 100, .rounds_max = 1);

	network_enter();
	bed_host_on(bed, "tcp:127.0.0.1:0", NULL);
	cr_assert_eq(kill(bed->host.pid, SIGSTOP), 0);
	options.target = host_target(&bed->host, 0);
	bed_bind(bed, bed_client(bed, &options), "Echo");
	bed_wait(bed, "client ready");
	bed_wait(bed, "client closed bind ETIMEDOUT deadline");
	cr_assert_eq(bed_count(bed, "Echo failed bind ETIMEDOUT deadline"), 1);
	cr_assert_eq(kill(bed->host.pid, SIGCONT), 0);
}

CLIENT_TEST(faults, a_host_killed_before_it_accepts_is_a_loss)
{
	HAWSER_OPTIONS(hawser_client_options, options, .rounds_max = 1);

	network_enter();
	bed_host_on(bed, "tcp:127.0.0.1:0", HOST_ARGUMENTS("--no-accept"));
	options.target = host_target(&bed->host, 0);
	bed_bind(bed, bed_client(bed, &options), "Echo");
	bed_wait(bed, "client ready");
	bed_settle(bed);
	host_kill(&bed->host);
	bed_wait(bed, "client closed receive ECONNRESET lost");
	cr_assert_eq(bed_count(bed, "Echo bound"), 0);
}

CLIENT_TEST(faults, a_healthy_network_connects)
{
	HAWSER_OPTIONS(hawser_client_options, options, .rounds_max = 1);

	network_enter();
	bed_host_on(bed, "tcp:[::1]:0", NULL);
	options.target = host_target(&bed->host, 0);
	bed_bind(bed, bed_client(bed, &options), "Echo");
	bed_wait(bed, "Echo bound");
}

CLIENT_TEST(faults, a_rule_that_goes_lets_the_next_round_through)
{
	char target[HOST_TARGET_BYTES];
	char rule[64];
	HAWSER_OPTIONS(hawser_client_options, options, .target = target, .backoff_base_ms = 1,
	    .backoff_cap_ms = 1, .attempt_deadline_ms = 50);
	int fd;

	network_enter();
	fd = sockets_listen_tcp(16, target, sizeof(target));
	snprintf(rule, sizeof(rule), "tcp dport %s drop", strrchr(target, ':') + 1);
	network_rule("in", rule);
	bed_client(bed, &options);
	bed_wait(bed, "client waiting connect ETIMEDOUT deadline");
	bed_wait(bed, "client waiting connect ETIMEDOUT deadline");
	network_rules_clear();
	bed_wait(bed, "client ready");
	close(fd);
}
