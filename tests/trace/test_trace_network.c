/* SPDX-License-Identifier: MIT
 *
 * What networks do to connects, and the one record that says so: cause, errno, owner, detail. Every way to
 * connect.
 */
#include "../support/network.h"
#include "tracing.h"
#include "ways.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PORT = 7000, CLOSED_PORT = 7001, SYN_RETRIES = 1 };

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

static struct sockaddr_in ipv4(const char *host, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

	cr_assert_eq(inet_pton(AF_INET, host, &address.sin_addr), 1);
	return address;
}

static int listen_at(uint16_t port)
{
	struct sockaddr_in address = ipv4("127.0.0.1", port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(fd, 16), 0);
	return fd;
}

static int try_address(enum way way, const struct sockaddr_in *address, int syn_retries)
{
	struct attempt attempt = {.way = way,
	    .address = (const struct sockaddr *)address,
	    .address_size = sizeof(*address),
	    .syn_retries = syn_retries};

	return tracing_connect(&attempt);
}

static int try_port(enum way way, uint16_t port, int syn_retries)
{
	struct sockaddr_in address = ipv4("127.0.0.1", port);

	return try_address(way, &address, syn_retries);
}

/* The record's owner is this process, whoever worked for it. */
static void expect_owner(enum way way, const struct hawser_trace_record *record)
{
	char comm[HAWSER_TRACE_COMM_BYTES] = "";
	FILE *file = fopen("/proc/self/comm", "re");

	cr_assert_not_null(file);
	cr_assert_not_null(fgets(comm, sizeof(comm), file));
	fclose(file);
	comm[strcspn(comm, "\n")] = '\0';
	cr_expect_eq(record->tgid, (uint32_t)getpid());
	cr_expect_eq(record->uid, getuid());
	cr_expect_str_eq(record->comm, comm);
	if (way_is_ring(way))
		cr_expect_eq(record->user_data, 0xc0);
	cr_expect_eq(!!(record->flags & HAWSER_TRACE_SQPOLL), way == WAY_RING_SQPOLL);
}

static struct hawser_trace_record expect(
    enum way way, enum hawser_trace_cause cause, int error, const char *detail)
{
	struct hawser_trace_record record = tracing_record();
	char text[128];

	cr_expect_str_eq(hawser_trace_cause_name(record.cause), hawser_trace_cause_name(cause), "%s: is %s",
	    way_names[way], hawser_trace_cause_name(record.cause));
	cr_expect_eq(record.error, error, "%s: errno %d, not %d", way_names[way], record.error, error);
	cr_expect_str_eq(hawser_trace_detail_text(&record, text, sizeof(text)), detail, "%s: detail '%s'",
	    way_names[way], text);
	if (way_is_ring(way))
		cr_expect_eq(record.layer, HAWSER_TRACE_RING);
	expect_owner(way, &record);
	return record;
}

static uint64_t cookie(void)
{
	uint64_t number = 0;
	socklen_t size = sizeof(number);

	cr_assert_eq(getsockopt(tracing_socket(), SOL_SOCKET, SO_COOKIE, &number, &size), 0);
	return number;
}

/* As the socket itself has counted them. */
static unsigned retransmits(void)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);

	cr_assert_eq(getsockopt(tracing_socket(), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
	return info.tcpi_total_retrans;
}

WAY_TEST(trace, connected, EVERY_WAY)
{
	int listener = listen_at(PORT);
	struct hawser_trace_record record;
	char text[64];

	cr_assert_eq(try_port(way, PORT, 0), 0);
	record = expect(way, HAWSER_TRACE_OK, 0, "");
	cr_expect_str_eq(hawser_trace_destination_text(&record, text, sizeof(text)), "127.0.0.1:7000");
	cr_expect_gt(record.source_port, 0);
	cr_expect(record.cookie == cookie() || !tracing_has("socket cookies"));
	cr_expect_gt(record.syn_to_answer_ns, 0);
	cr_expect_eq(record.syn_retransmits, 0);
	cr_expect_eq(record.total_ns,
	    record.submit_to_syn_ns + record.syn_to_answer_ns + record.answer_to_completion_ns);
	close(listener);
}

WAY_TEST(trace, closed_port, EVERY_WAY)
{
	struct hawser_trace_record record;

	cr_assert_eq(try_port(way, CLOSED_PORT, 0), ECONNREFUSED);
	record = expect(way, HAWSER_TRACE_REFUSED, ECONNREFUSED, "");
	cr_expect(record.flags & HAWSER_TRACE_RESET);
}

WAY_TEST(trace, closed_port_of_ipv6, EVERY_WAY)
{
	struct sockaddr_in6 address = {
	    .sin6_family = AF_INET6, .sin6_port = htons(CLOSED_PORT), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct attempt attempt = {
	    .way = way, .address = (struct sockaddr *)&address, .address_size = sizeof(address)};
	struct hawser_trace_record record;
	char text[64];

	cr_assert_eq(tracing_connect(&attempt), ECONNREFUSED);
	record = expect(way, HAWSER_TRACE_REFUSED, ECONNREFUSED, "");
	cr_expect_str_eq(hawser_trace_destination_text(&record, text, sizeof(text)), "[::1]:7001");
}

WAY_TEST(trace, reset_by_a_rule, EVERY_WAY)
{
	network_rule("in", "tcp dport 7000 reject with tcp reset");
	cr_assert_eq(try_port(way, PORT, 0), ECONNREFUSED);
	expect(way, HAWSER_TRACE_REFUSED, ECONNREFUSED, "");
}

/* ICMP that comes while the socket is connecting: a worker that waits in connect is told, a ring is not. */
WAY_TEST(trace, icmp_at_once, EVERY_WAY)
{
	static const char detail[] = "icmp 3/1 from 127.0.0.1 (this host)";
	int told;

	tracing_needs("ICMP");
	network_rule("in", "tcp dport 7000 reject with icmp type host-unreachable");
	told = try_port(way, PORT, SYN_RETRIES);
	if (told == 0)
		expect(way, HAWSER_TRACE_FALSE_SUCCESS, EHOSTUNREACH, detail);
	else
		expect(way, HAWSER_TRACE_ICMP, EHOSTUNREACH, detail);
	if (way == WAY_RING)
		cr_expect_eq(told, 0);
	else if (!way_is_ring(way))
		cr_expect_eq(told, EHOSTUNREACH);
}

WAY_TEST(trace, dropped_on_the_way, EVERY_WAY)
{
	struct hawser_trace_record record;

	network_rule("in", "tcp dport 7000 drop");
	cr_assert_eq(try_port(way, PORT, SYN_RETRIES), ETIMEDOUT);
	record = expect(way, HAWSER_TRACE_TIMEOUT, ETIMEDOUT, "");
	cr_expect_geq(record.syn_retransmits, SYN_RETRIES);
	if (way == WAY_BLOCKING) /* it makes the socket forget when it fails */
		return;
	cr_expect_eq(record.syn_retransmits, retransmits(), "%s: %u SYNs repeated, the socket says %u",
	    way_names[way], record.syn_retransmits, retransmits());
}

WAY_TEST(trace, dropped_by_the_own_firewall, EVERY_WAY)
{
	tracing_needs("local firewall");
	network_rule("out", "tcp dport 7000 drop");
	cr_assert_eq(try_port(way, PORT, SYN_RETRIES), ETIMEDOUT);
	expect(way, HAWSER_TRACE_LOCAL_DROP, ETIMEDOUT, "local firewall");
}

WAY_TEST(trace, no_route, EVERY_WAY)
{
	struct sockaddr_in address = ipv4("192.0.2.1", PORT);
	struct hawser_trace_record record;
	char text[64];

	cr_assert_eq(try_address(way, &address, 0), ENETUNREACH);
	record = expect(way, HAWSER_TRACE_LOCAL_ERROR, ENETUNREACH, "");
	cr_expect_str_eq(hawser_trace_destination_text(&record, text, sizeof(text)), "192.0.2.1:7000");
}

static void expect_route(enum way way, const char *kind, int error)
{
	struct sockaddr_in address = ipv4("192.0.2.1", PORT);

	network_run("ip route add %s 192.0.2.0/24", kind);
	cr_assert_eq(try_address(way, &address, 0), error);
	expect(way, HAWSER_TRACE_LOCAL_ERROR, error, "");
}

WAY_TEST(trace, prohibit_route, EVERY_WAY)
{
	expect_route(way, "prohibit", EACCES);
}

WAY_TEST(trace, unreachable_route, EVERY_WAY)
{
	expect_route(way, "unreachable", EHOSTUNREACH);
}

WAY_TEST(trace, blackhole_route, EVERY_WAY)
{
	expect_route(way, "blackhole", EINVAL);
}

WAY_TEST(trace, nobody_answers_arp, EVERY_WAY)
{
	struct sockaddr_in address = ipv4("192.0.2.77", PORT);

	tracing_needs("ICMP");
	network_run("ip link add c0 type veth peer name s0 && ip addr add 192.0.2.1/24 dev c0 && "
		    "ip link set c0 up && ip link set s0 up && echo 100 > "
		    "/proc/sys/net/ipv4/neigh/c0/retrans_time_ms");
	cr_assert_eq(try_address(way, &address, 0), EHOSTUNREACH);
	expect(way, HAWSER_TRACE_ICMP, EHOSTUNREACH, "icmp 3/1 from 192.0.2.1 (this host)");
}

WAY_TEST(trace, local_ports_used_up, EVERY_WAY)
{
	struct sockaddr_in address = ipv4("127.0.0.1", PORT);
	int listener = listen_at(PORT);
	int first = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	network_run("echo 40000 40000 > /proc/sys/net/ipv4/ip_local_port_range");
	cr_assert_eq(connect(first, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_expect_eq(tracing_record().cause, HAWSER_TRACE_OK);
	cr_assert_eq(try_port(way, PORT, 0), EADDRNOTAVAIL);
	expect(way, HAWSER_TRACE_LOCAL_ERROR, EADDRNOTAVAIL, "");
	close(first);
	close(listener);
}

WAY_TEST(trace, closed_while_connecting, WAY_NONBLOCKING)
{
	struct sockaddr_in address = ipv4("127.0.0.1", PORT);
	struct attempt attempt = {.way = way,
	    .address = (struct sockaddr *)&address,
	    .address_size = sizeof(address),
	    .cancel_ms = 20};

	network_rule("in", "tcp dport 7000 drop");
	cr_assert_eq(tracing_connect(&attempt), 0);
	expect(way, HAWSER_TRACE_ABORTED, 0, "");
}

/* A connection that its owner closes has been recorded before: there is nothing to add. */
WAY_TEST(trace, closing_an_idle_connection_is_no_failure, EVERY_WAY)
{
	int listener = listen_at(PORT);

	cr_assert_eq(try_port(way, PORT, 0), 0);
	expect(way, HAWSER_TRACE_OK, 0, "");
	close(listener);
}

static struct hawser_trace_record expect_unanswered(
    enum way way, struct attempt attempt, enum hawser_trace_cause cause, const char *detail)
{
	struct sockaddr_in address = ipv4("127.0.0.1", PORT);
	int told;

	attempt.way = way;
	attempt.address = (struct sockaddr *)&address;
	attempt.address_size = sizeof(address);
	network_rule("in", "tcp dport 7000 drop");
	told = tracing_connect(&attempt);
	cr_assert(told == ECANCELED || told == EINTR, "told %d", told);
	return expect(way, cause, told, detail);
}

WAY_TEST(trace, deadline, RINGS)
{
	struct hawser_trace_record record =
	    expect_unanswered(way, (struct attempt){.deadline_ms = 60}, HAWSER_TRACE_DEADLINE, "after 60 ms");

	cr_expect_eq(record.deadline_ns, 60000000);
	cr_expect_geq(record.total_ns, 60000000);
}

WAY_TEST(trace, deadline_without_a_completion_of_its_own, RINGS)
{
	expect_unanswered(way, (struct attempt){.deadline_ms = 60, .skip_timeout = true},
	    HAWSER_TRACE_DEADLINE, "after 60 ms");
}

WAY_TEST(trace, cancelled, RINGS)
{
	expect_unanswered(way, (struct attempt){.cancel_ms = 20}, HAWSER_TRACE_CANCELLED, "");
}

WAY_TEST(trace, cancelled_before_its_deadline, RINGS)
{
	expect_unanswered(way, (struct attempt){.cancel_ms = 20, .deadline_ms = 5000, .skip_timeout = true},
	    HAWSER_TRACE_CANCELLED, "");
}
