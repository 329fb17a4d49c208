/* SPDX-License-Identifier: MIT
 *
 * What another host does to connects: a reset, ICMP for a SYN sent again, when no call is in the socket any
 * more, and from whom; and IPv6.
 */
#include "../support/network.h"
#include "tracing.h"
#include "ways.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
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
	struct timespec rest = {.tv_nsec = 300000000};
	pid_t child = fork();

	cr_assert_geq(child, 0);
	if (child > 0)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	nanosleep(&rest, NULL);
	network_peer_rules_clear();
	network_peer_rule(rule);
	_exit(0);
}

/* The first SYN is lost; the rule is another when the second comes. */
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

	cr_assert_eq(
	    try_with_later_rule(way, "192.0.2.2", "tcp dport 7000 reject with icmp type host-unreachable"),
	    EHOSTUNREACH);
	record = expect_detail(way, HAWSER_TRACE_ICMP, EHOSTUNREACH, "icmp 3/1 from 192.0.2.2");
	cr_expect_eq(record.syn_retransmits, 1);
}

WAY_TEST(trace_remote, icmp_port_unreachable, EVERY_WAY)
{
	cr_assert_eq(
	    try_with_later_rule(way, "192.0.2.2", "tcp dport 7000 reject with icmp type port-unreachable"),
	    ECONNREFUSED);
	expect_detail(way, HAWSER_TRACE_ICMP, ECONNREFUSED, "icmp 3/3 from 192.0.2.2");
}

WAY_TEST(trace_remote, icmp_admin_prohibited, EVERY_WAY)
{
	cr_assert_eq(
	    try_with_later_rule(way, "192.0.2.2", "tcp dport 7000 reject with icmp type admin-prohibited"),
	    EHOSTUNREACH);
	expect_detail(way, HAWSER_TRACE_ICMP, EHOSTUNREACH, "icmp 3/13 from 192.0.2.2");
}

/* The kernel keeps no copy of ICMPv6 for a socket that did not ask for it. */
WAY_TEST(trace_remote, icmp_of_ipv6, EVERY_WAY)
{
	cr_assert_eq(try_with_later_rule(
			 way, "2001:db8::2", "tcp dport 7000 reject with icmpv6 type addr-unreachable"),
	    EHOSTUNREACH);
	expect_detail(way, HAWSER_TRACE_ICMP, EHOSTUNREACH, "icmp6");
}
