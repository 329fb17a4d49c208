/* SPDX-License-Identifier: MIT
 *
 * Sockets as they turn out: verified, adopted, and whose.
 */
#include "net/socket.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

TestSuite(socket, .timeout = 20);

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

static int opened(const struct address *address, const struct socket_options *options)
{
	int fd = socket_open(address, options);

	cr_assert_geq(fd, 0, "%s", strerror(-fd));
	return fd;
}

static int socket_error(int fd)
{
	int error = -1;
	socklen_t size = sizeof error;

	cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
	return error;
}

static int listening(struct address *ret_address)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct address address;

	cr_assert_eq(address_parse_numeric("127.0.0.1", 0, &address), 0);
	cr_assert_eq(bind(listener, &address.any, address.size), 0);
	cr_assert_eq(listen(listener, 8), 0);
	cr_assert_eq(getsockname(listener, &address.any, &address.size), 0);
	*ret_address = address;
	return listener;
}

static int connected(const struct address *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(connect(fd, &address->any, address->size), 0);
	return fd;
}

Test(socket, a8_only_a_peer_proves_a_connection)
{
	struct address address;
	int listener = listening(&address);
	int fd = connected(&address);
	int fresh = socket(AF_INET, SOCK_STREAM, 0);
	int ends[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	cr_assert_eq(socket_verify(fd), 0);
	cr_assert_eq(socket_verify(ends[0]), 0);
	cr_assert_eq(socket_verify(fresh), -ENOTCONN);
	cr_assert_eq(socket_verify(listener), -ENOTCONN);
	cr_assert_eq(socket_verify(4000), -EBADF);
	close(fd);
	close(fresh);
	close(listener);
	close(ends[0]);
	close(ends[1]);
}

/* A nonblocking connect whose SYN nobody answers: SO_ERROR is 0, and it is not connected. */
Test(socket, a8_a_connect_in_progress_is_no_connection)
{
	struct address address;
	int listener = listening(&address);
	int fds[8];
	int last = 0;

	cr_assert_eq(listen(listener, 0), 0);
	for (int i = 0; i < 8; i++) {
		fds[i] = opened(&address, &unset);
		last = connect(fds[i], &address.any, address.size);
	}
	cr_assert(last < 0 && errno == EINPROGRESS);
	cr_assert_eq(socket_error(fds[7]), 0);
	cr_assert_eq(socket_verify(fds[7]), -ENOTCONN);
	for (int i = 0; i < 8; i++)
		close(fds[i]);
	close(listener);
}

Test(socket, d11_a_failed_connect_is_told_by_its_own_error)
{
	struct address address;
	int fd;

	close(listening(&address));
	fd = opened(&address, &unset);
	cr_assert_eq(connect(fd, &address.any, address.size), -1);
	cr_assert_eq(errno, EINPROGRESS);
	cr_assert_eq(socket_verify(fd), -ECONNREFUSED);
	cr_assert_eq(socket_verify(fd), -ENOTCONN); /* an error is told once */
	close(fd);
}

Test(socket, a10_a_connected_stream_is_adopted)
{
	struct address address;
	int listener = listening(&address);
	int ends[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	for (int i = 0; i < 2; i++) {
		int fd = i ? ends[0] : connected(&address);

		fcntl(fd, F_SETFD, 0);
		cr_assert_eq(socket_adopt(fd), 0);
		cr_assert_eq(socket_adopt(fd), 0);
		cr_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
		cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		close(fd);
	}
	close(ends[1]);
	close(listener);
}

Test(socket, nothing_else_is_adopted_or_changed)
{
	struct address address;
	int listener = listening(&address);
	int fresh = socket(AF_INET, SOCK_STREAM, 0);
	int pipe_ends[2];
	int ends[2];

	cr_assert_eq(pipe(pipe_ends), 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	cr_assert_eq(socket_adopt(4000), -EBADF);
	cr_assert_eq(socket_adopt(-1), -EBADF);
	cr_assert_eq(socket_adopt(pipe_ends[0]), -ENOTSOCK);
	cr_assert_eq(socket_adopt(listener), -ENOTCONN);
	cr_assert_eq(socket_adopt(fresh), -ENOTCONN);
	cr_assert_eq(socket_adopt(ends[0]), -EPROTOTYPE);
	cr_assert_eq(fcntl(fresh, F_GETFL) & O_NONBLOCK, 0);
	cr_assert_eq(fcntl(fresh, F_GETFD) & FD_CLOEXEC, 0);
	for (int i = 0; i < 2; i++) {
		close(pipe_ends[i]);
		close(ends[i]);
	}
	close(listener);
	close(fresh);
}

Test(socket, a_unix_peer_is_known)
{
	struct socket_peer peer = {.pid = -1};
	int ends[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	cr_assert_eq(socket_peer_read(ends[0], &peer), 0);
	cr_assert_eq(peer.pid, getpid());
	cr_assert_eq(peer.uid, geteuid());
	cr_assert_eq(peer.gid, getegid());
	close(ends[0]);
	close(ends[1]);
}

Test(socket, nobody_else_passes_for_a_known_peer)
{
	struct socket_peer peer = {.pid = -5, .uid = 77};
	struct address address;
	int listener = listening(&address);
	int fd = connected(&address);

	cr_assert_eq(socket_peer_read(fd, &peer), -EOPNOTSUPP);
	cr_assert_eq(socket_peer_read(4000, &peer), -EBADF);
	cr_assert_eq(peer.pid, -5);
	cr_assert_eq(peer.uid, 77);
	close(fd);
	close(listener);
}
