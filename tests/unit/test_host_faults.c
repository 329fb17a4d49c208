/* SPDX-License-Identifier: MIT
 *
 * The options that make hawser-host misbehave, one test each, seen from a bare client.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../support/host.h"
#include "../support/peer.h"

enum { ECHO = 1, COUNTER = 2, SLOW = 4, FLOOD_BYTES = 4 << 20, MUCH_BYTES = 64 << 20 };

#define ECHO_BOUND_AFTER_ID                            \
	"2225080110011a080801120445"                   \
	"63686f1a0b080212074563686f4664731a0808031204" \
	"53696e6b"
#define ECHO_BOUND(id) "2900000010" id ECHO_BOUND_AFTER_ID
#define UNKNOWN_REQUEST(id) "1500000010" id "3a110a0f756e6b6e6f776e2072657175657374"

static struct host host;
static char directory[HOST_PATH_BYTES];
static char target[HOST_TARGET_BYTES];
static int fd; /* a client of the host */

static void set_up(void)
{
	cr_assert_eq(host_directory_make(directory), 0);
	snprintf(target, sizeof(target), "unix:%s/x.sock", directory);
}

static void tear_down(void)
{
	host_kill(&host);
	host_directory_remove(directory);
}

TestSuite(host_faults, .init = set_up, .fini = tear_down);

static int connected(const char *where)
{
	int connected_fd = peer_connect(where);
	cr_assert_geq(connected_fd, 0, "%s: %s", where, strerror(-connected_fd));
	return connected_fd;
}

#define START(...)                                                                                        \
	do {                                                                                              \
		cr_assert_eq(                                                                             \
		    host_start(&host, HOST_ARGUMENTS(__VA_ARGS__, target)), 0, "%s", host_errors(&host)); \
		fd = connected(target);                                                                   \
	} while (0)

static void receives(const char *hex)
{
	cr_assert_str_eq(peer_receive(fd), hex);
}

static void receives_reply(uint64_t request_id, bool more, const char *text)
{
	cr_assert_str_eq(peer_receive(fd), peer_reply_hex(request_id, more, text));
}

/* The payload of a frame begins like this; false for the words that stand for no frame. */
static bool payload_begins(const char *hex, const char *wanted)
{
	return strlen(hex) >= 8 && strncmp(hex + 8, wanted, strlen(wanted)) == 0;
}

static void silence(void)
{
	cr_assert_str_eq(peer_receive_within(fd, PEER_SILENCE_MS), "SILENCE");
}

static void ends_well(const char *summary)
{
	close(fd);
	cr_assert_eq(host_stop(&host), 0);
	cr_assert_not_null(strstr(host_errors(&host), summary), "%s", host_errors(&host));
}

/* Several invokes of Echo in one write, so that the host finds them in one receive: args are "1" to "9". */
static void echoes_send(unsigned first, unsigned last)
{
	char hex[16 * 32] = "";
	for (unsigned id = first; id <= last; id++)
		snprintf(hex + strlen(hex), 32, "0b00000010%02x2a07080110011a0131", id);
	peer_send_hex(fd, hex);
}

Test(host_faults, b1_refuse_until_it_is_offered)
{
	START("--refuse", "Counter", "--refuse", "Slow");
	peer_bind(fd, 1, "Counter");
	receives("0400000010012200");
	peer_bind(fd, 2, "Slow");
	receives("0400000010022200");
	peer_invoke(fd, 3, COUNTER, 1, "1");
	receives("06000000100332020800");
	peer_bind(fd, 4, "Echo");
	receives(ECHO_BOUND("04"));
	ends_well("3 binds, 1 calls");
	START("--quiet", "--print-ready");
	peer_bind(fd, 5, "Counter");
	receives("1300000010"
		 "05220f080110021a0908011205436f756e74");
	close(fd);
}

Test(host_faults, never_answer)
{
	START("--never-answer");
	peer_bind(fd, 1, "Echo");
	peer_invoke(fd, 2, ECHO, 1, "x");
	peer_send_hex(fd, "020000001012");
	silence();
	ends_well("1 binds, 1 calls, 35 bytes received, 0 bytes sent");
}

Test(host_faults, never_answer_bind)
{
	START("--never-answer-bind");
	peer_bind(fd, 1, "Echo");
	peer_invoke(fd, 2, ECHO, 1, "x");
	receives_reply(2, false, "x");
	ends_well("1 binds, 1 calls");
}

Test(host_faults, request_error)
{
	START("--request-error");
	peer_bind(fd, 1, "Echo");
	receives(UNKNOWN_REQUEST("01"));
	peer_invoke(fd, 2, ECHO, 1, "x");
	receives(UNKNOWN_REQUEST("02"));
	peer_send_hex(fd, "02000000104202000000100a"); /* two frames that ask nothing */
	receives(UNKNOWN_REQUEST("42"));
	receives(UNKNOWN_REQUEST("0a"));
	ends_well("1 binds, 1 calls");
}

Test(host_faults, wrong_reply)
{
	START("--wrong-reply");
	peer_bind(fd, 1, "Echo");
	receives_reply(1, false, "");
	peer_invoke(fd, 2, ECHO, 1, "x");
	receives_reply(2, false, "x");
	ends_well("1 binds");
}

Test(host_faults, stop_reading_after)
{
	static char much[65536];
	START("--stop-reading-after", "20");
	peer_bind(fd, 1, "Echo"); /* 14 bytes */
	peer_bind(fd, 2, "Echo");
	receives(ECHO_BOUND("01"));
	silence();
	ssize_t sent = 0;
	size_t total = 0;
	while (sent >= 0 && total < MUCH_BYTES) {
		sent = send(fd, much, sizeof(much), MSG_DONTWAIT | MSG_NOSIGNAL);
		total += sent > 0 ? (size_t)sent : 0;
	}
	cr_assert_eq(errno, EAGAIN);
	silence();
	ends_well("1 binds, 0 calls, 20 bytes received");
	START("--stop-reading-after", "0");
	peer_bind(fd, 1, "Echo");
	silence();
	ends_well("1 connections (0 more refused), 0 binds, 0 calls, 0 bytes received");
}

Test(host_faults, reorder)
{
	START("--reorder");
	echoes_send(1, 6);
	for (unsigned id = 4; id >= 1; id--)
		receives_reply(id, false, "1");
	receives_reply(6, false, "1");
	receives_reply(5, false, "1");
	peer_bind(fd, 7, "Echo");
	receives(ECHO_BOUND("07"));
	peer_invoke(fd, 8, COUNTER, 1, "3");
	receives_reply(8, true, "1");
	receives_reply(8, true, "2");
	receives_reply(8, false, "3");
	echoes_send(9, 10);
	close(fd); /* with answers held */
	fd = connected(target);
	echoes_send(1, 2);
	receives_reply(2, false, "1");
	receives_reply(1, false, "1");
	ends_well("1 binds, 11 calls");
}

Test(host_faults, reorder_keeps_descriptors_with_their_answers)
{
	START("--reorder");
	struct peer_call call = {1, ECHO, 2, "passed", 6, false, STDERR_FILENO};
	cr_assert_eq(peer_call(fd, &call), 0);
	peer_invoke(fd, 2, ECHO, 2, "none");
	for (int i = 0; i < 2; i++) {
		bool passed = strcmp(peer_receive(fd), peer_reply_hex(1, false, "passed")) == 0;
		cr_assert_eq(passed, peer_passed_fd() >= 0);
	}
	ends_well("2 calls");
}

Test(host_faults, duplicate_replies)
{
	START("--duplicate-replies");
	peer_bind(fd, 1, "Echo");
	receives(ECHO_BOUND("01"));
	receives(ECHO_BOUND("01"));
	peer_invoke(fd, 2, COUNTER, 1, "2");
	receives_reply(2, true, "1");
	receives_reply(2, false, "2");
	receives_reply(2, false, "2");
	ends_well("1 binds, 1 calls");
}

static void garbage_read(const char *seed, uint8_t garbage[4096])
{
	START("--garbage", "--seed", seed);
	silence();
	peer_bind(fd, 1, "Echo");
	for (size_t done = 0; done < 4096;) {
		ssize_t got = recv(fd, garbage + done, 4096 - done, 0);
		cr_assert_gt(got, 0);
		done += (size_t)got;
	}
	peer_bind(fd, 2, "Echo");
	receives(ECHO_BOUND("02"));
	ends_well("2 binds");
}

Test(host_faults, garbage)
{
	static uint8_t first[4096], again[4096], other[4096];
	garbage_read("7", first);
	garbage_read("7", again);
	garbage_read("8", other);
	cr_assert(memcmp(first, again, sizeof(first)) == 0);
	cr_assert(memcmp(first, other, sizeof(first)) != 0);
}

Test(host_faults, garbage_length)
{
	uint8_t header[4];
	START("--garbage-length");
	peer_invoke(fd, 1, ECHO, 1, "x");
	cr_assert_eq(recv(fd, header, sizeof(header), MSG_WAITALL), 4);
	cr_assert(memcmp(header, "\xfd\xff\x01\x00", 4) == 0); /* 131069 */
	silence();
	ends_well("1 calls");
}

Test(host_faults, flood)
{
	size_t received = 0;
	START("--flood", "4");
	peer_invoke(fd, 1, ECHO, 1, "before");
	receives_reply(1, false, "before");
	peer_bind(fd, 2, "Echo");
	receives(ECHO_BOUND("02"));
	for (unsigned frames = 0; received < FLOOD_BYTES; frames++) {
		char wanted[64];
		const char *hex = peer_receive(fd);
		snprintf(wanted, sizeof(wanted), "10%02x%02x8080808080808001", 0x80 | (frames & 0x7f),
		    0x80 | frames >> 7); /* ids count from 2^63 */
		cr_assert(payload_begins(hex, wanted), "%.40s, not %s", hex, wanted);
		received += strlen(hex) / 2;
	}
	peer_bind(fd, 3, "Echo");
	receives(ECHO_BOUND("03")); /* and no second flood */
	peer_invoke(fd, 4, ECHO, 1, "after");
	receives_reply(4, false, "after");
	ends_well("2 binds, 2 calls");
}

Test(host_faults, close_after_calls)
{
	START("--close-after-calls", "2");
	echoes_send(1, 3);
	receives_reply(1, false, "1");
	receives_reply(2, false, "1");
	receives("EOF");
	close(fd);
	fd = connected(target);
	peer_invoke(fd, 1, SLOW, 1, "60000");
	peer_invoke(fd, 2, COUNTER, 1, "1000000000"); /* begins, and is cut */
	receives_reply(2, true, "1");
	receives_reply(2, true, "2");
	const char *received = peer_receive(fd);
	for (int i = 0; i < 1000000 && payload_begins(received, "1002"); i++)
		received = peer_receive(fd);
	cr_assert_str_eq(received, "EOF");
	ends_well("0 binds, 4 calls");
}

Test(host_faults, die_after_calls)
{
	struct stat status;
	char count_path[HOST_TARGET_BYTES], text[256] = "";
	snprintf(count_path, sizeof(count_path), "%s/count.json", directory);
	START("--die-after-calls", "3", "--count-file", count_path);
	echoes_send(1, 2);
	receives_reply(1, false, "1");
	receives_reply(2, false, "1");
	int first = fd;
	fd = connected(target);
	echoes_send(1, 2);
	receives_reply(1, false, "1");
	receives("EOF");
	close(fd);
	fd = first;
	receives("EOF");
	cr_assert_eq(host_wait(&host, HOST_EXIT_TIMEOUT_MS), 0);
	cr_assert_str_eq(host_errors(&host), "");
	cr_assert_eq(stat(target + strlen("unix:"), &status), 0); /* the socket file stays */
	FILE *file = fopen(count_path, "re");
	cr_assert_not_null(file);
	cr_assert_not_null(fgets(text, sizeof(text), file));
	fclose(file);
	cr_assert_not_null(strstr(text, "\"calls\": 3"), "%s", text);
	cr_assert_eq(host_restart(&host), 0);
	close(fd);
}

Test(host_faults, close_on_accept)
{
	START("--close-on-accept");
	receives("EOF");
	ends_well("1 connections");
}

Test(host_faults, reset_on_accept)
{
	START("--reset-on-accept", "tcp:127.0.0.1:0");
	receives("EOF"); /* a unix socket knows no reset */
	close(fd);
	fd = peer_connect(host_target(&host, 0));
	if (fd >= 0)
		receives("RESET");
	else
		cr_assert_eq(fd, -ECONNRESET);
	ends_well("2 connections");
}

Test(host_faults, close_after_bind)
{
	START("--close-after-bind");
	peer_invoke(fd, 1, ECHO, 1, "x");
	receives_reply(1, false, "x");
	peer_bind(fd, 2, "Echo");
	receives(ECHO_BOUND("02"));
	receives("EOF");
	ends_well("1 binds");
}

Test(host_faults, fragment)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control;
	char bytes[256];
	struct iovec room = {.iov_base = bytes, .iov_len = sizeof(bytes)};
	struct msghdr message = {.msg_iov = &room, .msg_iovlen = 1};
	message.msg_control = &control;
	message.msg_controllen = sizeof(control);
	char args[1001];
	memset(args, 'a', 1000);
	args[1000] = '\0';
	START("--fragment", "3");
	peer_bind(fd, 1, "Echo");
	receives(ECHO_BOUND("01"));
	peer_invoke(fd, 1, ECHO, 1, args);
	receives_reply(1, false, args);
	/* The kernel ends a receive behind the write that passed a descriptor: this shows the size of one
	 * write. */
	struct peer_call call = {2, ECHO, 2, "passed", 6, false, STDERR_FILENO};
	cr_assert_eq(peer_call(fd, &call), 0);
	cr_assert_eq(recvmsg(fd, &message, MSG_CMSG_CLOEXEC), 3);
	cr_assert_geq(message.msg_controllen, CMSG_LEN(sizeof(int)));
	ends_well("1 binds, 2 calls");
}
