/* SPDX-License-Identifier: MIT
 *
 * Sockets as they are made: every option read back from the kernel, those that nobody asked for too.
 */
#include "net/socket.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

TestSuite(socket_options, .timeout = 20);

static const struct socket_options unset = {
    .tcp_user_timeout_ms = HAWSER_AUTO,
    .keepalive_idle_s = HAWSER_AUTO,
    .keepalive_interval_s = HAWSER_AUTO,
    .keepalive_probes = HAWSER_AUTO,
    .send_buffer_size = HAWSER_AUTO,
    .receive_buffer_size = HAWSER_AUTO,
    .mark = HAWSER_AUTO,
    .local_port = HAWSER_AUTO,
};

struct option_name {
	const char *text;
	int level;
	int name;
};

/* What a connect could be influenced by. */
static const struct option_name names[] = {
    {"SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR},
    {"SO_REUSEPORT", SOL_SOCKET, SO_REUSEPORT},
    {"SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE},
    {"SO_SNDBUF", SOL_SOCKET, SO_SNDBUF},
    {"SO_RCVBUF", SOL_SOCKET, SO_RCVBUF},
    {"SO_MARK", SOL_SOCKET, SO_MARK},
    {"SO_BINDTOIFINDEX", SOL_SOCKET, SO_BINDTOIFINDEX},
    {"SO_PRIORITY", SOL_SOCKET, SO_PRIORITY},
    {"SO_OOBINLINE", SOL_SOCKET, SO_OOBINLINE},
    {"SO_PASSCRED", SOL_SOCKET, SO_PASSCRED},
    {"IP_BIND_ADDRESS_NO_PORT", IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT},
    {"IP_TOS", IPPROTO_IP, IP_TOS},
    {"IP_TRANSPARENT", IPPROTO_IP, IP_TRANSPARENT},
    {"TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY},
    {"TCP_CORK", IPPROTO_TCP, TCP_CORK},
    {"TCP_QUICKACK", IPPROTO_TCP, TCP_QUICKACK},
    {"TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT},
    {"TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE},
    {"TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL},
    {"TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT},
    {"TCP_SYNCNT", IPPROTO_TCP, TCP_SYNCNT},
    {"TCP_LINGER2", IPPROTO_TCP, TCP_LINGER2},
    {"TCP_DEFER_ACCEPT", IPPROTO_TCP, TCP_DEFER_ACCEPT},
    {"TCP_FASTOPEN_CONNECT", IPPROTO_TCP, TCP_FASTOPEN_CONNECT},
};

enum { NAMES = sizeof names / sizeof *names, REFUSED = -12345 };

static int option_read(int fd, int level, int name)
{
	int value = 0;
	socklen_t size = sizeof value;

	return getsockopt(fd, level, name, &value, &size) < 0 ? REFUSED : value;
}

static struct address loopback(int family)
{
	struct address address;

	cr_assert_eq(address_parse_numeric(family == AF_INET ? "127.0.0.1" : "::1", 9, &address), 0);
	return address;
}

static struct address unix_address(void)
{
	struct address address = {.size = sizeof address.un, .un = {.sun_family = AF_UNIX}};

	memcpy(address.un.sun_path, "/nowhere", sizeof "/nowhere");
	return address;
}

static int opened(const struct address *address, const struct socket_options *options)
{
	int fd = socket_open(address, options);

	cr_assert_geq(fd, 0, "%s", strerror(-fd));
	return fd;
}

static struct address bound_to(int fd)
{
	struct address address = {.size = sizeof address.un};

	cr_assert_eq(getsockname(fd, &address.any, &address.size), 0);
	return address;
}

/* All options of a socket with these options are those of a bare socket, except for the ones in `changed`. */
static void expect_changed(
    const struct address *address, const struct socket_options *options, const char *const *changed)
{
	int fd = opened(address, options);
	int bare = socket(address->any.sa_family, SOCK_STREAM, 0);
	struct linger linger;
	socklen_t size = sizeof linger;
	unsigned differ = 0;
	unsigned wanted = 0;

	for (unsigned i = 0; i < NAMES; i++) {
		bool expected = false;

		for (unsigned k = 0; changed[k]; k++)
			expected |= strcmp(changed[k], names[i].text) == 0;
		wanted += expected;
		cr_assert_eq(option_read(fd, names[i].level, names[i].name) !=
				 option_read(bare, names[i].level, names[i].name),
		    expected, "%s: %d", names[i].text, option_read(fd, names[i].level, names[i].name));
		differ += expected;
	}
	cr_assert_eq(differ, wanted);
	cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size), 0);
	cr_assert_eq(linger.l_onoff, 0);
	close(bare);
	close(fd);
}

Test(socket_options, is_nonblocking_and_close_on_exec)
{
	struct address addresses[] = {loopback(AF_INET), loopback(AF_INET6), unix_address()};

	for (unsigned i = 0; i < 3; i++) {
		int fd = opened(&addresses[i], &unset);

		cr_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
		cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		cr_assert_eq(option_read(fd, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
		cr_assert_eq(option_read(fd, SOL_SOCKET, SO_DOMAIN), addresses[i].any.sa_family);
		close(fd);
	}
}

Test(socket_options, d20_options_only_when_asked)
{
	const char *const nodelay[] = {"TCP_NODELAY", NULL};
	const char *const nothing[] = {NULL};
	struct address addresses[] = {loopback(AF_INET), loopback(AF_INET6)};
	struct address local = unix_address();
	struct socket_options delay = unset;

	delay.tcp_delay = true;
	for (unsigned i = 0; i < 2; i++) {
		int fd = opened(&addresses[i], &unset);

		cr_assert_eq(option_read(fd, IPPROTO_TCP, TCP_NODELAY), 1);
		cr_assert_eq(bound_to(fd).in.sin_port, 0); /* and it is not bound */
		close(fd);
		expect_changed(&addresses[i], &unset, nodelay);
		expect_changed(&addresses[i], &delay, nothing);
	}
	expect_changed(&local, &unset, nothing);
}

Test(socket_options, d20_what_is_asked_for_is_set)
{
	struct socket_options options = unset;
	const char *const changed[] = {"SO_KEEPALIVE", "SO_SNDBUF", "SO_RCVBUF", "TCP_NODELAY",
	    "TCP_USER_TIMEOUT", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", NULL};
	struct address addresses[] = {loopback(AF_INET), loopback(AF_INET6)};

	options.tcp_user_timeout_ms = 12345;
	options.keepalive_idle_s = 31;
	options.keepalive_interval_s = 17;
	options.keepalive_probes = 5;
	options.send_buffer_size = 40000;
	options.receive_buffer_size = 50000;
	for (unsigned i = 0; i < 2; i++) {
		int fd = opened(&addresses[i], &options);

		cr_assert_eq(option_read(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 12345);
		cr_assert_eq(option_read(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
		cr_assert_eq(option_read(fd, IPPROTO_TCP, TCP_KEEPIDLE), 31);
		cr_assert_eq(option_read(fd, IPPROTO_TCP, TCP_KEEPINTVL), 17);
		cr_assert_eq(option_read(fd, IPPROTO_TCP, TCP_KEEPCNT), 5);
		/* The kernel doubles what it is told, for its own bookkeeping. */
		cr_assert_eq(option_read(fd, SOL_SOCKET, SO_SNDBUF), 80000);
		cr_assert_eq(option_read(fd, SOL_SOCKET, SO_RCVBUF), 100000);
		close(fd);
		expect_changed(&addresses[i], &options, changed);
	}
}

Test(socket_options, keepalive_details_alone_do_not_switch_it_on)
{
	struct socket_options options = unset;
	const char *const changed[] = {"TCP_NODELAY", "TCP_KEEPINTVL", "TCP_KEEPCNT", NULL};
	struct address address = loopback(AF_INET);

	options.keepalive_interval_s = 17;
	options.keepalive_probes = 5;
	expect_changed(&address, &options, changed);
}

Test(socket_options, of_unix_takes_buffers_and_nothing_of_the_internet)
{
	struct socket_options options = unset;
	const char *const changed[] = {"SO_SNDBUF", "SO_RCVBUF", NULL};
	struct address address = unix_address();

	options.tcp_user_timeout_ms = 1;
	options.keepalive_idle_s = 1;
	options.mark = 1;
	options.local_port = 1;
	options.local_address = loopback(AF_INET);
	memcpy(options.device, "nowhere0", sizeof "nowhere0");
	options.send_buffer_size = 40000;
	options.receive_buffer_size = 50000;
	expect_changed(&address, &options, changed);
}

Test(socket_options, an_enormous_buffer_is_the_largest_there_is)
{
	struct socket_options options = unset;
	struct address address = loopback(AF_INET);
	int fd;

	options.send_buffer_size = 3000000000u;
	fd = opened(&address, &options);
	cr_assert_gt(option_read(fd, SOL_SOCKET, SO_SNDBUF), 100000);
	close(fd);
}

Test(socket_options, d20_a_local_address_leaves_the_port_to_the_connect)
{
	const char *const changed[] = {"TCP_NODELAY", "IP_BIND_ADDRESS_NO_PORT", NULL};
	struct address address = loopback(AF_INET);
	struct socket_options options = unset;
	struct address local;
	int fd;

	cr_assert_eq(address_parse_numeric("127.0.0.2", 0, &options.local_address), 0);
	expect_changed(&address, &options, changed);
	options.local_port = 0; /* the same: the kernel chooses */
	fd = opened(&address, &options);
	local = bound_to(fd);
	cr_assert_eq(local.in.sin_addr.s_addr, htonl(0x7f000002));
	cr_assert_eq(local.in.sin_port, 0);
	close(fd);
}

static uint16_t free_port(void)
{
	struct address any = loopback(AF_INET);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	uint16_t port;

	any.in.sin_port = 0;
	cr_assert_eq(bind(fd, &any.any, any.size), 0);
	port = ntohs(bound_to(fd).in.sin_port);
	close(fd);
	return port;
}

Test(socket_options, a_local_port_is_bound_at_once)
{
	const char *const changed[] = {"TCP_NODELAY", "SO_REUSEADDR", NULL};
	struct address addresses[] = {loopback(AF_INET), loopback(AF_INET6)};
	struct socket_options options = unset;

	options.local_port = free_port();
	for (unsigned i = 0; i < 2; i++) {
		int fd = opened(&addresses[i], &options);

		cr_assert_eq(
		    ntohs(bound_to(fd).in.sin_port), options.local_port); /* sin6_port has its place */
		close(fd);
		expect_changed(&addresses[i], &options, changed);
	}
	options.local_address = loopback(AF_INET);
	close(opened(&addresses[0], &options));
}

static int descriptors_next(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

/* The error, and no descriptor is left. */
static void expect_refused(const struct address *address, const struct socket_options *options, int error)
{
	int before = descriptors_next();
	int result = socket_open(address, options);

	cr_assert_eq(result, error, "%s", strerror(-result));
	cr_assert_eq(descriptors_next(), before);
}

Test(socket_options, d11_what_cannot_be_bound_says_why)
{
	struct address address = loopback(AF_INET);
	struct socket_options options = unset;
	struct address listening = loopback(AF_INET);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(address_parse_numeric("192.0.2.1", 0, &options.local_address), 0);
	expect_refused(&address, &options, -EADDRNOTAVAIL);
	options.local_address = loopback(AF_INET6);
	expect_refused(&address, &options, -EAFNOSUPPORT);
	options = unset;
	options.local_port = 65536;
	expect_refused(&address, &options, -EINVAL);
	listening.in.sin_port = 0;
	cr_assert_eq(bind(listener, &listening.any, listening.size), 0);
	cr_assert_eq(listen(listener, 1), 0);
	options.local_port = ntohs(bound_to(listener).in.sin_port);
	expect_refused(&address, &options, -EADDRINUSE);
	close(listener);
}

Test(socket_options, d11_what_the_kernel_refuses_says_why)
{
	struct address address = loopback(AF_INET);
	struct address unknown = {.size = sizeof unknown.any, .any.sa_family = AF_MAX};
	struct socket_options options = unset;

	expect_refused(&unknown, &unset, -EAFNOSUPPORT);
	options.keepalive_probes = 1000;
	expect_refused(&address, &options, -EINVAL);
}

Test(socket_options, a_device_is_bound_to)
{
	struct address address = loopback(AF_INET);
	struct socket_options options = unset;
	char device[16] = "";
	socklen_t size = sizeof device;
	int fd;

	memcpy(options.device, "lo", sizeof "lo");
	fd = socket_open(&address, &options);
	if (fd == -EPERM)
		cr_skip_test("binding to a device needs CAP_NET_RAW here");
	cr_assert_geq(fd, 0);
	cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, &size), 0);
	cr_assert_str_eq(device, "lo");
	close(fd);
	memcpy(options.device, "nowhere0", sizeof "nowhere0");
	expect_refused(&address, &options, -ENODEV);
}

Test(socket_options, a_mark_is_set)
{
	struct address address = loopback(AF_INET);
	struct socket_options options = unset;
	int fd;

	options.mark = 0xfffffff0u;
	fd = socket_open(&address, &options);
	if (fd == -EPERM)
		cr_skip_test("a mark needs CAP_NET_ADMIN");
	cr_assert_geq(fd, 0);
	cr_assert_eq((uint32_t)option_read(fd, SOL_SOCKET, SO_MARK), 0xfffffff0u);
	close(fd);
}

Test(socket_options, a_mark_without_the_right_to_it_is_refused)
{
	struct address address = loopback(AF_INET);
	struct socket_options options = unset;
	uid_t before = geteuid();

	options.mark = 1;
	if (before == 0)
		cr_assert_eq(seteuid(65534), 0); /* takes the effective capabilities along */
	expect_refused(&address, &options, -EPERM);
	cr_assert_eq(seteuid(before), 0);
	prctl(PR_SET_DUMPABLE, 1); /* LeakSanitizer looks into the process */
}

Test(socket_options, a11_without_descriptors_says_so)
{
	struct rlimit limit;
	struct rlimit few;
	struct address address = loopback(AF_INET);

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = (struct rlimit){(rlim_t)descriptors_next(), limit.rlim_max};
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	cr_assert_eq(socket_open(&address, &unset), -EMFILE);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}
