/* SPDX-License-Identifier: MIT
 *
 * Unix sockets, which no tracepoint of the network knows: connected, no such path, nobody listens, a backlog
 * that is full. By connect(2) and by rings.
 */
#include "../support/network.h"
#include "tracing.h"
#include "ways.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

enum { FILLERS = 2 };

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

static struct sockaddr_un path_of(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/hawser-%d-%s.sock", getpid(), name);
	unlink(address.sun_path);
	return address;
}

static int bind_at(const struct sockaddr_un *address, socklen_t size)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(bind(fd, (const struct sockaddr *)address, size), 0);
	return fd;
}

static int try_size(enum way way, const struct sockaddr_un *address, socklen_t size)
{
	struct attempt attempt = {
	    .way = way, .address = (const struct sockaddr *)address, .address_size = size};

	return tracing_connect(&attempt);
}

static int try_path(enum way way, const struct sockaddr_un *address)
{
	return try_size(way, address, sizeof(*address));
}

static void expect_path(enum way way, enum hawser_trace_cause cause, int error, const char *path)
{
	struct hawser_trace_record record = tracing_record();
	char text[HAWSER_TRACE_PATH_BYTES + 1];

	cr_expect_str_eq(
	    hawser_trace_cause_name(record.cause), hawser_trace_cause_name(cause), "%s", way_names[way]);
	cr_expect_eq(record.error, error, "%s: errno %d", way_names[way], record.error);
	cr_expect_str_eq(hawser_trace_destination_text(&record, text, sizeof(text)), path);
	cr_expect_eq(record.layer, way_is_ring(way) ? HAWSER_TRACE_RING : HAWSER_TRACE_SYSCALL);
	cr_expect_eq(record.family, AF_UNIX);
	cr_expect_eq(record.tgid, (uint32_t)getpid());
	cr_expect_gt(record.total_ns, 0);
}

WAY_TEST(trace_unix, connected, EVERY_WAY)
{
	struct sockaddr_un address = path_of("ok");
	int listener = bind_at(&address, sizeof(address));

	cr_assert_eq(listen(listener, 4), 0);
	cr_assert_eq(try_path(way, &address), 0);
	expect_path(way, HAWSER_TRACE_OK, 0, address.sun_path);
	close(listener);
	unlink(address.sun_path);
}

WAY_TEST(trace_unix, abstract_name, EVERY_WAY)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0hawser"};
	socklen_t size = offsetof(struct sockaddr_un, sun_path) + sizeof("hawser");
	int listener = bind_at(&address, size);

	cr_assert_eq(listen(listener, 4), 0);
	cr_assert_eq(try_size(way, &address, size), 0);
	expect_path(way, HAWSER_TRACE_OK, 0, "@hawser");
	close(listener);
}

WAY_TEST(trace_unix, path_of_full_length, EVERY_WAY)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memset(address.sun_path, 'x', sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, "/nonexistent/", 13);
	cr_assert_eq(try_path(way, &address), ENOENT);
	expect_path(way, HAWSER_TRACE_LOCAL_ERROR, ENOENT, address.sun_path);
}

WAY_TEST(trace_unix, no_such_path, EVERY_WAY)
{
	struct sockaddr_un address = path_of("absent");

	cr_assert_eq(try_path(way, &address), ENOENT);
	expect_path(way, HAWSER_TRACE_LOCAL_ERROR, ENOENT, address.sun_path);
}

WAY_TEST(trace_unix, nobody_listens, EVERY_WAY)
{
	struct sockaddr_un address = path_of("stale");

	close(bind_at(&address, sizeof(address)));
	cr_assert_eq(try_path(way, &address), ECONNREFUSED);
	expect_path(way, HAWSER_TRACE_REFUSED, ECONNREFUSED, address.sun_path);
	unlink(address.sun_path);
}

/* A blocking socket would wait. */
WAY_TEST(trace_unix, backlog_full, WAY_NONBLOCKING, RINGS)
{
	struct sockaddr_un address = path_of("full");
	struct attempt attempt = {.way = way,
	    .address = (struct sockaddr *)&address,
	    .address_size = sizeof(address),
	    .nonblocking = true};
	int listener = bind_at(&address, sizeof(address));
	int fillers[FILLERS];

	cr_assert_eq(listen(listener, 0), 0);
	for (unsigned i = 0; i < FILLERS; i++) {
		int result;

		fillers[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		result = connect(fillers[i], (struct sockaddr *)&address, sizeof(address));
		expect_path(WAY_NONBLOCKING, result ? HAWSER_TRACE_BACKLOG_FULL : HAWSER_TRACE_OK,
		    result ? EAGAIN : 0, address.sun_path);
	}
	cr_assert_eq(tracing_connect(&attempt), EAGAIN);
	expect_path(way, HAWSER_TRACE_BACKLOG_FULL, EAGAIN, address.sun_path);
	for (unsigned i = 0; i < FILLERS; i++)
		close(fillers[i]);
	close(listener);
	unlink(address.sun_path);
}
