/* SPDX-License-Identifier: MIT
 *
 * Making sockets, and asking what became of them. It neither connects nor waits nor transfers: the engines
 * do.
 *
 * Happy path: socket_open answers a nonblocking, close-on-exec socket with TCP_NODELAY and what was asked
 * for; after the connect, socket_verify answers 0. Failures: an option that the kernel refuses (no
 * permission, no such device, an address that is not local) is the errno of socket_open, and the socket is
 * closed again; a socket that is not connected is told by its own error, or -ENOTCONN.
 */
#include "net/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

static bool is_set(uint32_t value)
{
	return value != HAWSER_AUTO;
}

/* The kernel's options are ints; what is larger than the largest is as good as the largest. */
static int option_set(int fd, int level, int name, uint32_t value)
{
	int number = value > INT_MAX ? INT_MAX : (int)value;

	return setsockopt(fd, level, name, &number, sizeof number) < 0 ? -errno : 0;
}

struct option {
	bool wanted;
	int level;
	int name;
	uint32_t value;
};

static int options_set(int fd, const struct option *options, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int result = options[i].wanted
				 ? option_set(fd, options[i].level, options[i].name, options[i].value)
				 : 0;

		if (result < 0)
			return result;
	}
	return 0;
}

static int buffers_set(int fd, const struct socket_options *options)
{
	const struct option wanted[] = {
	    {is_set(options->send_buffer_size), SOL_SOCKET, SO_SNDBUF, options->send_buffer_size},
	    {is_set(options->receive_buffer_size), SOL_SOCKET, SO_RCVBUF, options->receive_buffer_size},
	};

	return options_set(fd, wanted, sizeof wanted / sizeof *wanted);
}

static int tcp_set(int fd, const struct socket_options *options)
{
	const struct option wanted[] = {
	    {!options->tcp_delay, IPPROTO_TCP, TCP_NODELAY, 1},
	    {is_set(options->tcp_user_timeout_ms), IPPROTO_TCP, TCP_USER_TIMEOUT,
		options->tcp_user_timeout_ms},
	    {is_set(options->keepalive_idle_s), SOL_SOCKET, SO_KEEPALIVE, 1},
	    {is_set(options->keepalive_idle_s), IPPROTO_TCP, TCP_KEEPIDLE, options->keepalive_idle_s},
	    {is_set(options->keepalive_interval_s), IPPROTO_TCP, TCP_KEEPINTVL,
		options->keepalive_interval_s},
	    {is_set(options->keepalive_probes), IPPROTO_TCP, TCP_KEEPCNT, options->keepalive_probes},
	};

	return options_set(fd, wanted, sizeof wanted / sizeof *wanted);
}

/* Where the packets leave. The mark is 32 bits of the user's, not a size. */
static int route_set(int fd, const struct socket_options *options)
{
	if (is_set(options->mark) &&
	    setsockopt(fd, SOL_SOCKET, SO_MARK, &options->mark, sizeof options->mark) < 0)
		return -errno;
	if (options->device[0] && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, options->device,
				      (socklen_t)strnlen(options->device, sizeof options->device)) < 0)
		return -errno;
	return 0;
}

/* With an address alone the kernel chooses the port at the connect, when it knows the peer, so that all ports
 * can be used towards each peer. A port of one's own needs SO_REUSEADDR: without it the socket of the
 * connection before, in TIME_WAIT, keeps a reconnect from it for a minute. */
static int local_bind(int fd, const struct address *address, const struct socket_options *options)
{
	bool port = is_set(options->local_port) && options->local_port;
	const struct option wanted[] = {
	    {!port, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1},
	    {port, SOL_SOCKET, SO_REUSEADDR, 1},
	};
	struct address local = options->local_address;
	int result;

	if (!local.size && !port)
		return 0;
	if (local.size && local.any.sa_family != address->any.sa_family)
		return -EAFNOSUPPORT;
	if (port && options->local_port > UINT16_MAX)
		return -EINVAL;
	if (!local.size) {
		local.size = address->size;
		local.any.sa_family = address->any.sa_family;
	}
	if (port && local.any.sa_family == AF_INET)
		local.in.sin_port = htons((uint16_t)options->local_port);
	else if (port)
		local.in6.sin6_port = htons((uint16_t)options->local_port);
	result = options_set(fd, wanted, sizeof wanted / sizeof *wanted);
	if (result == 0 && bind(fd, &local.any, local.size) < 0)
		result = -errno;
	return result;
}

static int options_apply(int fd, const struct address *address, const struct socket_options *options)
{
	int result = buffers_set(fd, options);

	if (result < 0 || address->any.sa_family == AF_UNIX)
		return result;
	result = tcp_set(fd, options);
	if (result == 0)
		result = route_set(fd, options);
	if (result == 0)
		result = local_bind(fd, address, options);
	return result;
}

int socket_open(const struct address *address, const struct socket_options *options)
{
	int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int result;

	if (fd < 0)
		return -errno;
	result = options_apply(fd, address, options);
	if (result < 0) {
		close(fd);
		return result;
	}
	return fd;
}

int socket_verify(int fd)
{
	struct address peer;
	socklen_t size = sizeof peer.un;
	int error = 0;
	socklen_t error_size = sizeof error;
	int reason;

	if (getpeername(fd, &peer.any, &size) == 0)
		return 0;
	reason = errno;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size) == 0 && error)
		return -error;
	return -reason;
}

static int flag_add(int fd, int get, int set, int flag)
{
	int flags = fcntl(fd, get);

	return flags < 0 || (!(flags & flag) && fcntl(fd, set, flags | flag) < 0) ? -errno : 0;
}

int socket_adopt(int fd)
{
	int type;
	socklen_t size = sizeof type;
	int result;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
		return -errno;
	if (type != SOCK_STREAM)
		return -EPROTOTYPE;
	result = socket_verify(fd);
	if (result == 0)
		result = flag_add(fd, F_GETFL, F_SETFL, O_NONBLOCK);
	if (result == 0)
		result = flag_add(fd, F_GETFD, F_SETFD, FD_CLOEXEC);
	return result;
}

bool socket_is_unix(int fd)
{
	int domain;
	socklen_t size = sizeof domain;

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

int socket_check_fd(int fd)
{
	return fcntl(fd, F_GETFD) < 0 ? -errno : 0;
}

int socket_peer_read(int fd, struct socket_peer *ret_peer)
{
	struct ucred peer;
	socklen_t size = sizeof peer;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -errno;
	if (peer.uid == (uid_t)-1)
		return -EOPNOTSUPP;
	*ret_peer = (struct socket_peer){.pid = peer.pid, .uid = peer.uid, .gid = peer.gid};
	return 0;
}
