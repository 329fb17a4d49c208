/* SPDX-License-Identifier: MIT
 *
 * What clients of hawser-host cannot do: make it block, grow, leak descriptors, stop serving others, or die.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../support/host.h"
#include "../support/peer.h"

enum {
	ECHO = 1,
	COUNTER = 2,
	FILES = 3,
	SLOW = 4,
	/* Far below what unbounded growth would reach here, far above what sanitizers add. */
	MEMORY_KIB_MAX = 400 * 1024,
};

static struct host host;
static char directory[HOST_PATH_BYTES];
static char target[HOST_TARGET_BYTES];

#define START(...) cr_assert_eq(host_start(&host, HOST_ARGUMENTS(__VA_ARGS__)), 0, "%s", host_errors(&host))

static void set_up(void)
{
	cr_assert_eq(host_directory_make(directory), 0);
	snprintf(target, sizeof(target), "unix:%s/x.sock", directory);
}

static void tear_down(void)
{
	cr_assert_eq(host_stop(&host), 0, "%s", host_errors(&host));
	host_directory_remove(directory);
}

TestSuite(host_hostile, .init = set_up, .fini = tear_down);

static int connected(void)
{
	int fd = peer_connect(target);
	cr_assert_geq(fd, 0, "%s", strerror(-fd));
	return fd;
}

static void still_serves(void)
{
	int fd = connected();
	peer_invoke(fd, 1, ECHO, 1, "alive");
	cr_assert_str_eq(peer_receive(fd), peer_reply_hex(1, false, "alive"));
	close(fd);
}

static long memory_kib(void)
{
	char path[64], line[128];
	long kib = -1;
	snprintf(path, sizeof(path), "/proc/%d/status", host.pid);
	FILE *file = fopen(path, "re");
	cr_assert_not_null(file);
	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, "VmRSS:", 6) == 0)
			kib = strtol(line + 6, NULL, 10);
	fclose(file);
	return kib;
}

static long processor_ticks(void)
{
	char path[64];
	long user = -1, system = -1;
	snprintf(path, sizeof(path), "/proc/%d/stat", host.pid);
	FILE *file = fopen(path, "re");
	cr_assert_not_null(file);
	cr_assert_eq(
	    fscanf(file, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &system), 2);
	fclose(file);
	return user + system;
}

static int descriptors_open(void)
{
	char path[64];
	int count = 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", host.pid);
	DIR *entries = opendir(path);
	cr_assert_not_null(entries);
	while (readdir(entries) != NULL)
		count++;
	closedir(entries);
	return count;
}

/* The host notices closed connections in its own time; this is a bound on hangs. */
static void descriptors_return_to(int wanted)
{
	for (int i = 0; i < 1000 && descriptors_open() != wanted; i++)
		usleep(10000);
	cr_assert_eq(descriptors_open(), wanted);
}

/* The host's soft limit; the old one is returned, so that it can be given back before the host ends. */
static rlim_t limit_set(int resource, rlim_t value)
{
	struct rlimit limit;
	cr_assert_eq(prlimit(host.pid, (__rlimit_resource_t)resource, NULL, &limit), 0);
	rlim_t before = limit.rlim_cur;
	limit.rlim_cur = value;
	cr_assert_eq(prlimit(host.pid, (__rlimit_resource_t)resource, &limit, NULL), 0);
	return before;
}

/* Connections are accepted in order, so after one more all the others are counted. */
static void everything_is_released(int before)
{
	still_serves();
	descriptors_return_to(before);
}

Test(host_hostile, a_stream_nobody_reads_waits_and_goes_on)
{
	START(target);
	int fd = connected();
	peer_invoke(fd, 1, COUNTER, 1, "1000000000");
	for (int i = 0; i < 10; i++)
		still_serves();
	cr_assert_lt(memory_kib(), MEMORY_KIB_MAX);
	for (int i = 1; i <= 300000; i++) {
		char text[16];
		snprintf(text, sizeof(text), "%d", i);
		cr_assert_str_eq(peer_receive(fd), peer_reply_hex(1, true, text));
	}
	close(fd);
	still_serves();
}

Test(host_hostile, a_flood_nobody_reads_stops_nobody_else)
{
	START("--flood", "65536", target);
	int fd = connected();
	peer_bind(fd, 1, "Counter");
	cr_assert_str_eq(peer_receive(fd), "130000001001220f080110021a0908011205436f756e74");
	for (int i = 0; i < 10; i++)
		still_serves();
	cr_assert_lt(memory_kib(), MEMORY_KIB_MAX);
	for (int frames = 0; frames < 2000; frames++)
		cr_assert_gt(strlen(peer_receive(fd)), (size_t)2 * 8192);
	close(fd);
	still_serves();
}

Test(host_hostile, b4_b7_what_a_gone_client_asked_for_goes_with_it)
{
	START("--reorder", target);
	int before = descriptors_open();
	for (int round = 0; round < 200; round++) {
		int fd = connected();
		peer_invoke(fd, 1, SLOW, 1, "1");
		peer_invoke(fd, 2, SLOW, 1, "60000");
		peer_invoke(fd, 3, SLOW, 2, "");
		peer_invoke(fd, 4, COUNTER, 1, "1000000000");
		peer_invoke(fd, 5, FILES, 1, "held back");
		close(fd);
	}
	everything_is_released(before);
}

Test(host_hostile, too_many_streams_are_rejected)
{
	START(target);
	int fd = connected();
	for (unsigned id = 1; id <= 1024 + 40; id++)
		peer_invoke(fd, id, COUNTER, 1, "1000000000");
	/* Rejections come between the replies of the accepted streams. */
	bool rejected = false;
	for (int i = 0; i < 1000000 && !rejected; i++)
		rejected = strstr(peer_receive(fd), "32021000") != NULL;
	cr_assert(rejected);
	close(fd);
}

/* Often enough that what was left unsent would use up what all connections together may hold. */
Test(host_hostile, clients_that_never_read_are_closed)
{
	enum { CLIENTS = 70, CALLS_MAX = 4096 };
	static char args[65536];
	START(target);
	for (int i = 0; i < CLIENTS; i++) {
		int fd = connected();
		struct peer_call call = {1, ECHO, 1, args, sizeof(args), false, -1};
		int error = 0;
		for (int calls = 0; calls < CALLS_MAX && error == 0; calls++)
			error = peer_call(fd, &call);
		cr_assert(error == -EPIPE || error == -ECONNRESET, "%s", strerror(-error));
		close(fd);
	}
	cr_assert_lt(memory_kib(), MEMORY_KIB_MAX);
	int fd = connected();
	struct peer_call call = {1, ECHO, 1, args, sizeof(args), false, -1};
	cr_assert_eq(peer_call(fd, &call), 0);
	cr_assert_gt(strlen(peer_receive(fd)), 2 * sizeof(args));
	close(fd);
}

Test(host_hostile, descriptors_nobody_wants_are_closed)
{
	START(target);
	int before = descriptors_open();
	for (int round = 0; round < 50; round++) {
		int fd = connected();
		struct peer_call sink = {1, ECHO, 3, "", 0, true, STDERR_FILENO};
		struct peer_call unroutable = {2, 99, 1, "", 0, false, STDERR_FILENO};
		struct peer_call unparsable = {3, COUNTER, 1, "x", 1, false, STDERR_FILENO};
		struct peer_call echo = {4, ECHO, 2, "", 0, true, STDERR_FILENO};
		cr_assert_eq(peer_call(fd, &sink), 0);
		cr_assert_eq(peer_call(fd, &unroutable), 0);
		cr_assert_eq(peer_call(fd, &unparsable), 0);
		cr_assert_eq(peer_call(fd, &echo), 0);
		peer_invoke(fd, 5, FILES, 1, "never taken");
		close(fd);
	}
	everything_is_released(before);
}

Test(host_hostile, a_client_that_takes_no_descriptors_is_closed)
{
	START(target);
	int before = descriptors_open();
	int fd = connected();
	int error = 0;
	for (unsigned id = 1; id < 100000 && error == 0; id++)
		error = peer_invoke(fd, id, FILES, 1, "x");
	cr_assert(error == -EPIPE || error == -ECONNRESET, "%s", strerror(-error));
	close(fd);
	everything_is_released(before);
}

Test(host_hostile, random_bytes_and_broken_frames)
{
	static const uint8_t header[] = {0x40, 0, 0, 0};
	static const uint8_t invoke[] = {0x10, 1, 0x2a, 0x3c, 8, 2, 0x10, 1};
	unsigned seed = 1;
	START(target);
	int before = descriptors_open();
	for (int round = 0; round < 300; round++) {
		uint8_t bytes[512];
		int fd = connected();
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)(rand_r(&seed) >> 8);
		/* Two of three rounds have a legal header, so that the payload is looked at. */
		if (round % 3 != 0)
			memcpy(bytes, header, sizeof(header));
		if (round % 3 == 1)
			memcpy(bytes + sizeof(header), invoke, sizeof(invoke));
		peer_send(fd, bytes, sizeof(bytes) - (size_t)round);
		close(fd);
	}
	everything_is_released(before);
}

Test(host_hostile, half_frames_take_no_more_than_their_bytes)
{
	static uint8_t half[100000] = {0xfc, 0xff, 0x01, 0x00};
	int fds[200];
	START(target);
	int before = descriptors_open();
	for (int i = 0; i < 200; i++) {
		fds[i] = connected();
		cr_assert_eq(peer_send(fds[i], half, sizeof(half)), 0);
	}
	still_serves();
	cr_assert_lt(memory_kib(), MEMORY_KIB_MAX);
	for (int i = 0; i < 200; i++)
		close(fds[i]);
	everything_is_released(before);
}

Test(host_hostile, connections_beyond_the_limit_are_closed_at_once)
{
	START("--connections-max", "2", target);
	int first = connected();
	int second = connected();
	peer_invoke(first, 1, ECHO, 1, "1");
	peer_invoke(second, 1, ECHO, 1, "2");
	cr_assert_str_eq(peer_receive(first), peer_reply_hex(1, false, "1"));
	cr_assert_str_eq(peer_receive(second), peer_reply_hex(1, false, "2"));
	int third = connected();
	cr_assert_str_eq(peer_receive(third), "EOF");
	int before = descriptors_open();
	close(first);
	descriptors_return_to(before - 1);
	still_serves();
	close(second);
	close(third);
	host_stop(&host);
	cr_assert_str_eq(host_errors(&host), "hawser-host: 3 connections (1 more refused), 0 binds, 3 calls, "
					     "49 bytes received, 49 bytes sent\n");
	cr_assert_eq(host_start(&host, HOST_ARGUMENTS(target)), 0);
}

Test(host_hostile, running_out_of_descriptors_only_pauses)
{
	enum { DESCRIPTORS = 40, CLIENTS = 60 };
	int fds[CLIENTS];
	START(target);
	limit_set(RLIMIT_NOFILE, DESCRIPTORS);
	for (int i = 0; i < CLIENTS; i++)
		fds[i] = connected();
	peer_invoke(fds[0], 1, ECHO, 1, "first");
	cr_assert_str_eq(peer_receive(fds[0]), peer_reply_hex(1, false, "first"));
	peer_invoke(fds[CLIENTS - 1], 1, ECHO, 1, "last");
	long ticks = processor_ticks();
	cr_assert_str_eq(peer_receive_within(fds[CLIENTS - 1], PEER_SILENCE_MS), "SILENCE");
	/* A host that tried again and again would use all of that time, 15 ticks. */
	cr_assert_lt(processor_ticks() - ticks, 8);
	for (int i = 0; i < CLIENTS - 1; i++)
		close(fds[i]);
	cr_assert_str_eq(peer_receive(fds[CLIENTS - 1]), peer_reply_hex(1, false, "last"));
	close(fds[CLIENTS - 1]);
}

Test(host_hostile, a_call_that_needs_a_descriptor_too_many_is_rejected)
{
	START(target);
	int fd = connected();
	peer_invoke(fd, 1, ECHO, 1, "x");
	cr_assert_str_eq(peer_receive(fd), peer_reply_hex(1, false, "x"));
	rlim_t file_bytes = limit_set(RLIMIT_FSIZE, 0);
	peer_invoke(fd, 2, FILES, 1, "no room for this");
	cr_assert_str_eq(peer_receive(fd), "06000000100232021000");
	limit_set(RLIMIT_FSIZE, file_bytes);
	rlim_t descriptors = limit_set(RLIMIT_NOFILE, 3);
	peer_invoke(fd, 3, FILES, 1, "");
	cr_assert_str_eq(peer_receive(fd), "06000000100332021000");
	/* The kernel drops a descriptor that the host cannot hold, and says so: the connection ends. */
	struct peer_call call = {4, ECHO, 2, "", 0, false, STDERR_FILENO};
	cr_assert_eq(peer_call(fd, &call), 0);
	cr_assert_str_eq(peer_receive(fd), "EOF");
	limit_set(RLIMIT_NOFILE, descriptors);
	close(fd);
	still_serves();
}

Test(host_hostile, delays_of_all_clients_together_are_bounded)
{
	enum { CLIENTS = 64, DELAYS = 1024 }; /* 65536, of which the host needs one for itself */
	int fds[CLIENTS];
	START("--reorder", target);
	for (int i = 0; i < CLIENTS; i++) {
		fds[i] = connected();
		/* The last client comes when the others are known to have theirs. */
		for (int other = 0; i == CLIENTS - 1 && other < i; other++)
			cr_assert_str_eq(peer_receive(fds[other]), peer_reply_hex(0, false, "fence"));
		for (unsigned id = 1; id <= DELAYS; id++)
			cr_assert_eq(peer_invoke(fds[i], id, SLOW, 1, "60000"), 0);
		if (i < CLIENTS - 1)
			peer_invoke(fds[i], 0, ECHO, 1, "fence");
	}
	/* The answer cannot be held back either, and comes at once. */
	peer_invoke(fds[CLIENTS - 1], 0, SLOW, 3, "");
	cr_assert_str_eq(peer_receive(fds[CLIENTS - 1]), "0700000010800832021000");
	cr_assert_str_eq(peer_receive(fds[CLIENTS - 1]), "06000000100032021000");
	for (int i = 0; i < CLIENTS - 1; i++)
		close(fds[i]);
	/* There is room again, once the host has noticed. */
	bool accepted = false;
	for (int i = 0; i < 1000 && !accepted; i++) {
		peer_invoke(fds[CLIENTS - 1], 1, SLOW, 1, "1");
		accepted = strcmp(peer_receive(fds[CLIENTS - 1]), peer_reply_hex(1, false, "")) == 0;
	}
	cr_assert(accepted);
	close(fds[CLIENTS - 1]);
}
