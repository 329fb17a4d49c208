/* SPDX-License-Identifier: MIT
 *
 * Listening sockets: unix paths, abstract names and tcp literals. Host names are not resolved here: a test
 * host listens where the test says.
 *
 * Happy path: parse at start, so that a typing error shows at once; bind and listen, when the options want
 * them; print "ready" with the port the kernel chose; close and unlink.
 * Failures: each part of a target has its sentence; bind() on an existing path fails unless it is a socket
 * that may make way: one where nobody listens, or any if the options say so; a path that another host has
 * taken over meanwhile is not unlinked.
 */
#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int parse_fail(const char *target, const char *what)
{
	fprintf(stderr, "hawser-host: target %s: %s\n", target, what);
	return -EINVAL;
}

static int system_fail(const struct listener *listener, const char *call)
{
	int error = errno;
	fprintf(stderr, "hawser-host: target %s: %s: %s\n", listener->target, call, strerror(error));
	return -error;
}

static int unix_parse(const char *name, struct listener *listener)
{
	struct sockaddr_un *address = (struct sockaddr_un *)&listener->address;
	size_t length = strlen(name);
	bool abstract = name[0] == '@';
	if (length == 0 || (abstract && length == 1))
		return parse_fail(listener->target, "the path is empty");
	if (length >= sizeof(address->sun_path))
		return parse_fail(listener->target, "the path is longer than 107 bytes");
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, name, length);
	if (abstract)
		address->sun_path[0] = '\0';
	listener->address_length =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (abstract ? 0 : 1));
	return 0;
}

static int port_parse(const char *text, const char *target, in_port_t *ret_port)
{
	char *end = NULL;
	unsigned long port = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || port > UINT16_MAX)
		return parse_fail(target, "the port is not a number from 0 to 65535");
	*ret_port = htons((uint16_t)port);
	return 0;
}

static int tcp_parse(const char *rest, struct listener *listener)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&listener->address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&listener->address;
	char host[INET6_ADDRSTRLEN + 2];
	const char *colon = strrchr(rest, ':');
	if (colon == NULL)
		return parse_fail(listener->target, "there is no port");
	size_t length = (size_t)(colon - rest);
	if (length >= sizeof(host))
		return parse_fail(listener->target, "the address is too long");
	memcpy(host, rest, length);
	host[length] = '\0';
	if (length >= 2 && host[0] == '[' && host[length - 1] == ']') {
		host[length - 1] = '\0';
		v6->sin6_family = AF_INET6;
		listener->address_length = sizeof(*v6);
		if (inet_pton(AF_INET6, host + 1, &v6->sin6_addr) != 1)
			return parse_fail(listener->target, "the text in brackets is no IPv6 address");
		return port_parse(colon + 1, listener->target, &v6->sin6_port);
	}
	v4->sin_family = AF_INET;
	listener->address_length = sizeof(*v4);
	if (inet_pton(AF_INET, host, &v4->sin_addr) != 1)
		return parse_fail(
		    listener->target, "the address is neither IPv4 nor [IPv6]; names are not resolved");
	return port_parse(colon + 1, listener->target, &v4->sin_port);
}

int listener_parse(const char *target, struct listener *ret_listener)
{
	struct listener listener = {.source = SOURCE_LISTENER, .target = target, .fd = -1};
	int error;
	if (strncmp(target, "unix:", 5) == 0)
		error = unix_parse(target + 5, &listener);
	else if (strncmp(target, "tcp:", 4) == 0)
		error = tcp_parse(target + 4, &listener);
	else
		error = parse_fail(target, "the scheme is neither unix: nor tcp:");
	if (error < 0)
		return error;
	*ret_listener = listener;
	return 0;
}

/* The path of a unix listener in the file system, or NULL. */
static const char *listener_path(const struct listener *listener)
{
	const struct sockaddr_un *address = (const struct sockaddr_un *)&listener->address;
	return address->sun_family == AF_UNIX && address->sun_path[0] != '\0' ? address->sun_path : NULL;
}

/* Who listens there can be known by a connect only. A full backlog (EAGAIN) is somebody's, too. */
static int stale_check(const struct listener *listener)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return system_fail(listener, "socket");
	bool connected =
	    connect(fd, (const struct sockaddr *)&listener->address, listener->address_length) == 0;
	int error = connected ? EAGAIN : errno;
	close(fd);
	if (error == ECONNREFUSED || error == ENOENT)
		return 0;
	if (error == EAGAIN) {
		fprintf(stderr,
		    "hawser-host: target %s: another host listens there; --replace takes its place\n",
		    listener->target);
		return -EADDRINUSE;
	}
	errno = error;
	return system_fail(listener, "connect, to see whether somebody listens there");
}

static int existing_unlink(const struct listener *listener, bool if_stale)
{
	struct stat status;
	const char *path = listener_path(listener);
	if (path == NULL || lstat(path, &status) < 0)
		return 0;
	if (!S_ISSOCK(status.st_mode))
		return parse_fail(listener->target, "the path exists and is no socket");
	int error = if_stale ? stale_check(listener) : 0;
	if (error < 0)
		return error;
	if (unlink(path) < 0 && errno != ENOENT)
		return system_fail(listener, "unlink");
	return 0;
}

int listener_bind(struct listener *listener, enum listener_existing existing)
{
	int error =
	    existing == EXISTING_STAYS ? 0 : existing_unlink(listener, existing == EXISTING_GOES_IF_STALE);
	if (error < 0)
		return error;
	int family = listener->address.ss_family;
	listener->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd < 0)
		return system_fail(listener, "socket");
	if (family != AF_UNIX &&
	    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0)
		return system_fail(listener, "SO_REUSEADDR");
	if (bind(listener->fd, (struct sockaddr *)&listener->address, listener->address_length) < 0)
		return system_fail(listener, "bind");
	struct stat status;
	const char *path = listener_path(listener);
	if (path != NULL && lstat(path, &status) == 0) {
		listener->path_made = true;
		listener->path_device = status.st_dev;
		listener->path_inode = status.st_ino;
	}
	return 0;
}

int listener_listen(struct listener *listener, int backlog)
{
	if (listen(listener->fd, backlog) < 0)
		return system_fail(listener, "listen");
	return 0;
}

void listener_print_ready(const struct listener *listener)
{
	struct sockaddr_storage address = {0};
	socklen_t length = sizeof(address);
	char host[INET6_ADDRSTRLEN] = "";
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;
	getsockname(listener->fd, (struct sockaddr *)&address, &length);
	if (address.ss_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		printf("ready tcp:%s:%u\n", host, ntohs(v4->sin_port));
	} else if (address.ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
		printf("ready tcp:[%s]:%u\n", host, ntohs(v6->sin6_port));
	} else {
		printf("ready %s\n", listener->target);
	}
	fflush(stdout);
}

void listener_close(struct listener *listener)
{
	struct stat status;
	if (listener->fd >= 0)
		close(listener->fd);
	listener->fd = -1;
	const char *path = listener->path_made ? listener_path(listener) : NULL;
	if (path != NULL && lstat(path, &status) == 0 && status.st_dev == listener->path_device &&
	    status.st_ino == listener->path_inode)
		unlink(path);
	listener->path_made = false;
}
