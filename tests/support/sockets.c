/* SPDX-License-Identifier: MIT
 *
 * See sockets.h.
 */
#include "sockets.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un path_address(const char *target)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", target + strlen("unix:"));
	return address;
}

int sockets_listen_path(const char *target, int backlog)
{
	struct sockaddr_un address = path_address(target);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	if (backlog >= 0)
		cr_assert_eq(listen(fd, backlog), 0);
	return fd;
}

int sockets_connect_path(const char *target)
{
	struct sockaddr_un address = path_address(target);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

int sockets_listen_tcp(int backlog, char *ret_target, size_t size)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&address, length), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	if (backlog >= 0)
		cr_assert_eq(listen(fd, backlog), 0);
	snprintf(ret_target, size, "tcp:127.0.0.1:%u", ntohs(address.sin_port));
	return fd;
}

void black_hole_open(struct black_hole *hole, char *ret_target, size_t size)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);

	hole->listener = sockets_listen_tcp(0, ret_target, size);
	cr_assert_eq(getsockname(hole->listener, (struct sockaddr *)&address, &length), 0);
	for (int i = 0; i < 2; i++) {
		hole->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)!connect(hole->fillers[i], (struct sockaddr *)&address, sizeof(address));
	}
}

void black_hole_close(struct black_hole *hole)
{
	close(hole->listener);
	close(hole->fillers[0]);
	close(hole->fillers[1]);
}

int sockets_accept(int listener)
{
	struct pollfd readable = {.fd = listener, .events = POLLIN};

	cr_assert_eq(poll(&readable, 1, 10000), 1);
	return accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}
