/* SPDX-License-Identifier: MIT
 *
 * Sockets that are no plain TCP streams, by connect(2) and by rings: those that are not recorded, for nothing
 * is connected; IPv4 by sockets of IPv6; MPTCP; a stream whose first bytes connect it. And samples.
 */
#include "../support/network.h"
#include "rings.h"
#include "tracing.h"
#include "ways.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

enum { PORT = 7000, CLOSED_PORT = 7001, SAMPLED = 1000 };

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

/* Both ways to connect, by turns. */
static void begin(void)
{
	rings_needed();
	tracing_begin();
}

static struct sockaddr_in ipv4(const char *host, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

	cr_assert_eq(inet_pton(AF_INET, host, &address.sin_addr), 1);
	return address;
}

static struct sockaddr_in6 mapped(uint16_t port)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	cr_assert_eq(inet_pton(AF_INET6, "::ffff:127.0.0.1", &address.sin6_addr), 1);
	return address;
}

static int new_socket(int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_CLOEXEC, protocol);

	cr_assert_geq(fd, 0);
	return fd;
}

static int listen_at(uint16_t port, int protocol)
{
	struct sockaddr_in address = ipv4("127.0.0.1", port);
	int fd = new_socket(AF_INET, SOCK_STREAM, protocol);

	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(fd, 16), 0);
	return fd;
}

/* What the program is told: 0 or a positive errno. */
static int connect_to(bool by_ring, int fd, const void *address, socklen_t size)
{
	struct io_uring ring;
	int error;

	if (!by_ring)
		return connect(fd, address, size) < 0 ? errno : 0;
	cr_assert_eq(io_uring_queue_init(4, &ring, 0), 0);
	rings_connect(&ring, fd, address, size, 0);
	cr_assert_eq(io_uring_submit(&ring), 1);
	error = -rings_reap(&ring, NULL);
	io_uring_queue_exit(&ring);
	return error;
}

static struct hawser_trace_record expect(
    enum hawser_trace_layer layer, enum hawser_trace_cause cause, int error, const char *destination)
{
	struct hawser_trace_record record = tracing_record();
	char text[128];

	cr_expect_str_eq(hawser_trace_layer_name(record.layer), hawser_trace_layer_name(layer));
	cr_expect_str_eq(hawser_trace_cause_name(record.cause), hawser_trace_cause_name(cause));
	cr_expect_eq(record.error, error, "errno %d, not %d", record.error, error);
	cr_expect_str_eq(hawser_trace_destination_text(&record, text, sizeof(text)), destination);
	return record;
}

/* ---- nothing is connected ---- */

/* What came before it has no record, if this has the first. */
static void expect_to_be_next(bool by_ring)
{
	struct sockaddr_in address = ipv4("127.0.0.1", CLOSED_PORT);
	int fd = new_socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(connect_to(by_ring, fd, &address, sizeof(address)), ECONNREFUSED);
	expect(by_ring ? HAWSER_TRACE_RING : HAWSER_TRACE_TCP, HAWSER_TRACE_REFUSED, ECONNREFUSED,
	    "127.0.0.1:7001");
	close(fd);
}

static void connect_udp(bool by_ring)
{
	struct sockaddr_in address = ipv4("127.0.0.1", PORT);
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	int fd = new_socket(AF_INET, SOCK_DGRAM, 0);

	cr_assert_eq(connect_to(by_ring, fd, &address, sizeof(address)), 0);
	cr_assert_eq(connect_to(by_ring, fd, &none, sizeof(none)), 0);
	close(fd);
}

static void connect_unix_datagrams(bool by_ring)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX}; /* the kernel names it */
	socklen_t size = sizeof(sa_family_t);
	int receiver = new_socket(AF_UNIX, SOCK_DGRAM, 0), fd = new_socket(AF_UNIX, SOCK_DGRAM, 0);

	cr_assert_eq(bind(receiver, (struct sockaddr *)&address, size), 0);
	size = sizeof(address);
	cr_assert_eq(getsockname(receiver, (struct sockaddr *)&address, &size), 0);
	cr_assert_eq(connect_to(by_ring, fd, &address, size), 0);
	close(fd);
	fd = new_socket(AF_UNIX, SOCK_DGRAM, 0);
	address.sun_path[1] = '?';
	cr_assert_eq(connect_to(by_ring, fd, &address, size), ECONNREFUSED);
	close(fd);
	close(receiver);
}

Test(trace_corners, datagrams_are_not_recorded, .timeout = 30)
{
	begin();
	for (int by_ring = 0; by_ring < 2; by_ring++) {
		connect_udp(by_ring);
		connect_unix_datagrams(by_ring);
		expect_to_be_next(by_ring);
	}
	tracing_end();
}

Test(trace_corners, what_is_no_socket_is_not_recorded, .timeout = 30)
{
	struct sockaddr_in address = ipv4("127.0.0.1", CLOSED_PORT);
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	begin();
	for (int by_ring = 0; by_ring < 2; by_ring++) {
		cr_assert_eq(connect_to(by_ring, fd, &address, sizeof(address)), ENOTSOCK);
		cr_assert_eq(connect_to(by_ring, -1, &address, sizeof(address)), EBADF);
		expect_to_be_next(by_ring);
	}
	close(fd);
	tracing_end();
}

Test(trace_corners, disconnecting_is_not_recorded, .timeout = 30)
{
	struct sockaddr_in address = ipv4("127.0.0.1", PORT);
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	int listener;

	begin();
	listener = listen_at(PORT, 0);
	for (int by_ring = 0; by_ring < 2; by_ring++) {
		int fd = new_socket(AF_INET, SOCK_STREAM, 0);

		cr_assert_eq(connect_to(by_ring, fd, &none, sizeof(none)), 0);
		expect_to_be_next(by_ring);
		cr_assert_eq(connect_to(by_ring, fd, &address, sizeof(address)), 0);
		expect(by_ring ? HAWSER_TRACE_RING : HAWSER_TRACE_TCP, HAWSER_TRACE_OK, 0, "127.0.0.1:7000");
		cr_assert_eq(connect_to(by_ring, fd, &none, sizeof(none)), 0);
		expect_to_be_next(by_ring);
		close(fd);
	}
	close(listener);
	tracing_end();
}

/* ---- IPv4 by sockets of IPv6 ---- */

static int try_mapped(enum way way, uint16_t port)
{
	struct sockaddr_in6 address = mapped(port);
	struct attempt attempt = {.way = way,
	    .address = (struct sockaddr *)&address,
	    .address_size = sizeof(address),
	    .syn_retries = 1};

	return tracing_connect(&attempt);
}

WAY_TEST(trace_corners, mapped_address, EVERY_WAY)
{
	enum hawser_trace_layer layer = way_is_ring(way) ? HAWSER_TRACE_RING : HAWSER_TRACE_TCP;
	struct hawser_trace_record record;

	cr_assert_eq(try_mapped(way, CLOSED_PORT), ECONNREFUSED);
	record = expect(layer, HAWSER_TRACE_REFUSED, ECONNREFUSED, "127.0.0.1:7001");
	cr_expect_eq(record.family, AF_INET);
}

WAY_TEST(trace_corners, icmp_of_a_mapped_address, EVERY_WAY)
{
	enum hawser_trace_layer layer = way_is_ring(way) ? HAWSER_TRACE_RING : HAWSER_TRACE_TCP;
	struct hawser_trace_record record;
	char text[128];
	int told;

	tracing_needs("ICMP");
	network_rule("in", "tcp dport 7000 reject with icmp type host-unreachable");
	told = try_mapped(way, PORT); /* of rings 0 or the error: see test_trace_network.c */
	record = expect(
	    layer, told ? HAWSER_TRACE_ICMP : HAWSER_TRACE_FALSE_SUCCESS, EHOSTUNREACH, "127.0.0.1:7000");
	cr_expect_eq(record.family, AF_INET);
	cr_expect_str_eq(hawser_trace_detail_text(&record, text, sizeof(text)),
	    "icmp 3/1 from 127.0.0.1 (this host)", "%s: detail '%s'", way_names[way], text);
}

static uint64_t count_mapped(bool by_ring, bool histograms, uint8_t network)
{
	HAWSER_OPTIONS(hawser_trace_options, options, .calls = true, .histograms = histograms);
	struct sockaddr_in6 address = mapped(CLOSED_PORT);
	int fd = new_socket(AF_INET6, SOCK_STREAM, 0);
	hawser_trace *trace;
	uint64_t count;

	options.config.filters = HAWSER_TRACE_FILTER_PREFIX;
	options.config.prefix_family = AF_INET;
	options.config.prefix_bits = 8;
	options.config.prefix[0] = network;
	trace = tracing_open(&options);
	cr_assert_eq(connect_to(by_ring, fd, &address, sizeof(address)), ECONNREFUSED);
	close(fd);
	count = tracing_counted(trace, HAWSER_TRACE_EVERY, HAWSER_TRACE_REFUSED);
	cr_expect_eq(tracing_counted_all(trace, HAWSER_TRACE_EVERY), count);
	hawser_trace_close(trace);
	return count;
}

Test(trace_corners, mapped_addresses_match_prefixes_of_ipv4, .timeout = 60)
{
	rings_needed();
	network_enter();
	for (int by_ring = 0; by_ring < 2; by_ring++)
		for (int histograms = 0; histograms < 2; histograms++) {
			cr_expect_eq(count_mapped(by_ring, histograms, 127), 1, "ring %d, histograms %d",
			    by_ring, histograms);
			cr_expect_eq(count_mapped(by_ring, histograms, 126), 0, "ring %d, histograms %d",
			    by_ring, histograms);
		}
}

/* ---- MPTCP ---- */

static int connect_mptcp(bool by_ring, const char *host, uint16_t port)
{
	struct sockaddr_in address = ipv4(host, port);
	int fd = new_socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
	int error = connect_to(by_ring, fd, &address, sizeof(address));

	close(fd);
	return error;
}

Test(trace_corners, mptcp_has_one_record_a_connect, .timeout = 30)
{
	int listener;

	begin();
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);
	if (listener < 0)
		cr_skip_test("this kernel has no MPTCP: %s", strerror(errno));
	close(listener);
	listener = listen_at(PORT, IPPROTO_MPTCP);
	for (int by_ring = 0; by_ring < 2; by_ring++) {
		enum hawser_trace_layer layer = by_ring ? HAWSER_TRACE_RING : HAWSER_TRACE_TCP;

		cr_assert_eq(connect_mptcp(by_ring, "127.0.0.1", PORT), 0);
		expect(layer, HAWSER_TRACE_OK, 0, "127.0.0.1:7000");
		cr_assert_eq(connect_mptcp(by_ring, "127.0.0.1", CLOSED_PORT), ECONNREFUSED);
		expect(layer, HAWSER_TRACE_REFUSED, ECONNREFUSED, "127.0.0.1:7001");
		cr_assert_eq(connect_mptcp(by_ring, "192.0.2.1", PORT), ENETUNREACH);
		expect(by_ring ? HAWSER_TRACE_RING : HAWSER_TRACE_SYSCALL, HAWSER_TRACE_LOCAL_ERROR,
		    ENETUNREACH, "192.0.2.1:7000");
	}
	close(listener);
	tracing_end();
}

/* ---- a connect that its first bytes carry ---- */

static int fast_open_socket(bool by_ring)
{
	struct sockaddr_in address = ipv4("127.0.0.1", PORT);
	int fd = new_socket(AF_INET, SOCK_STREAM, 0), yes = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &yes, sizeof(yes)) < 0)
		cr_skip_test("no TCP_FASTOPEN_CONNECT here: %s", strerror(errno));
	cr_assert_eq(connect_to(by_ring, fd, &address, sizeof(address)), 0);
	return fd;
}

/* connect(2) has ended, but not the connect; a ring's completion is its end. */
Test(trace_corners, fast_open_is_no_false_success, .timeout = 30)
{
	int listener, fd;

	begin();
	network_run("echo 1029 > /proc/sys/net/ipv4/tcp_fastopen"); /* without cookies */
	listener = listen_at(PORT, 0);
	fd = fast_open_socket(false);
	cr_assert_eq(write(fd, "x", 1), 1);
	expect(HAWSER_TRACE_TCP, HAWSER_TRACE_OK, 0, "127.0.0.1:7000");
	close(fd);
	fd = fast_open_socket(true);
	expect(HAWSER_TRACE_RING, HAWSER_TRACE_OK, 0, "127.0.0.1:7000");
	cr_assert_eq(write(fd, "x", 1), 1);
	close(fd);
	close(listener);
	tracing_end();
}

/* ---- samples ---- */

/* Each opens two sockets: the other is what it accepts. */
static void connect_and_accept(int listener)
{
	struct sockaddr_in address = ipv4("127.0.0.1", PORT);
	int fd = new_socket(AF_INET, SOCK_STREAM, 0), accepted;
	struct linger at_once = {.l_onoff = 1}; /* no port waits */

	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	cr_assert_geq(accepted, 0);
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
	close(fd);
	close(accepted);
}

static uint64_t count_sample(int listener, uint32_t sample, bool histograms)
{
	HAWSER_OPTIONS(hawser_trace_options, options, .histograms = histograms);
	hawser_trace *trace;
	uint64_t count;

	options.config.filters = HAWSER_TRACE_FILTER_SAMPLE;
	options.config.sample = sample;
	trace = tracing_open(&options);
	for (unsigned i = 0; i < SAMPLED; i++)
		connect_and_accept(listener);
	count = tracing_counted(trace, HAWSER_TRACE_EVERY, HAWSER_TRACE_OK);
	hawser_trace_close(trace);
	return count;
}

Test(trace_corners, who_opens_sockets_by_turns_is_sampled_like_others, .timeout = 60)
{
	int listener;

	network_enter();
	listener = listen_at(PORT, 0);
	for (int histograms = 0; histograms < 2; histograms++) {
		uint64_t half = count_sample(listener, 2, histograms);
		uint64_t tenth = count_sample(listener, 10, histograms);

		cr_expect(half > 400 && half < 600, "%lu of %d", half, SAMPLED);
		cr_expect(tenth > 60 && tenth < 150, "%lu of %d", tenth, SAMPLED);
	}
	close(listener);
}
