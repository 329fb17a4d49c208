/* SPDX-License-Identifier: MIT
 *
 * hawser-host as a well-behaved host: what traced was recorded to answer, asked of the running program byte
 * for byte (with Echo in the place of ConsumerPort), its services, its listeners, and what hostile clients
 * cannot do to it.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../support/host.h"
#include "../support/peer.h"

enum { ECHO = 1, COUNTER = 2, FILES = 3, SLOW = 4 };

static struct host host;
static char directory[HOST_PATH_BYTES];
static char target[HOST_TARGET_BYTES];

static void set_up(void)
{
	cr_assert_eq(host_directory_make(directory), 0);
	snprintf(target, sizeof(target), "unix:%s/x.sock", directory);
	int error = host_start(&host, HOST_ARGUMENTS(target, "tcp:127.0.0.1:0"));
	cr_assert_eq(error, 0, "%s: %s", strerror(-error), host_errors(&host));
}

static void tear_down(void)
{
	cr_assert_eq(host_stop(&host), 0, "%s", host_errors(&host));
	host_directory_remove(directory);
}

TestSuite(host, .init = set_up, .fini = tear_down);

static int connected(size_t index)
{
	int fd = peer_connect(host_target(&host, index));
	cr_assert_geq(fd, 0, "%s: %s", host_target(&host, index), strerror(-fd));
	return fd;
}

static void reply_is(int fd, uint64_t request_id, bool more, const char *text)
{
	cr_assert_str_eq(peer_receive(fd), peer_reply_hex(request_id, more, text));
}

static void rejected_is(int fd, uint8_t request_id)
{
	char wanted[64];
	snprintf(wanted, sizeof(wanted), "0600000010%02x32021000", request_id);
	cr_assert_str_eq(peer_receive(fd), wanted);
}

#define ECHO_BOUND_AFTER_ID                            \
	"2225080110011a080801120445"                   \
	"63686f1a0b080212074563686f4664731a0808031204" \
	"53696e6b"
#define ECHO_BOUND(id) "2900000010" id ECHO_BOUND_AFTER_ID

static const struct exchange {
	const char *name;
	const char *sent;
	const char *received; /* NULL: nothing; the next exchange proves it */
} exchanges[] = {
    {"bind Echo", "0a00000010011a060a044563686f", ECHO_BOUND("01")},
    {"bind unknown service", "1300000010021a0f0a0d4e6f5375636853657276696365", "0400000010022200"},
    {"bind Echo again", "0a00000010031a060a044563686f", ECHO_BOUND("03")},
    {"bind ProducerPort", "1200000010041a0e0a0c50726f6475636572506f7274", "0400000010042200"},
    {"bind empty name", "0600000010051a020a00", "0400000010052200"},
    {"bind no name field", "0400000010061a00", "0400000010062200"},
    {"invoke Echo", "0c00000010072a08080110011a002000", "0a00000010073206080110001a00"},
    {"invoke Slow.Drop", "0c00000010082a08080410031a002000", "06000000100832021000"},
    {"invoke unknown service 99", "0c000000100a2a08086310011a002000", "06000000100a32020800"},
    {"invoke method 0", "0c000000100b2a08080110001a002000", "06000000100b32020800"},
    {"invoke method 16 (past end)", "0c000000100c2a08080110101a002000", "06000000100c32020800"},
    {"invoke bad args", "0f000000100d2a0b080210011a03ffffff2000", "06000000100d32020800"},
    {"drop_reply valid method", "0c000000100e2a08080110011a002001", NULL},
    {"drop_reply rejected", "0c00000010082a08080410031a002001", NULL},
    {"drop_reply unknown service", "0c000000100f2a080863100d1a002001", "06000000100f32020800"},
    {"drop_reply unknown method", "0c00000010102a08080110631a002001", "06000000101032020800"},
    {"drop_reply bad args", "0f00000010112a0b080210011a03ffffff2001", "06000000101132020800"},
    {"request_id only", "020000001012", "1500000010123a110a0f756e6b6e6f776e2072657175657374"},
    {"host-type frame", "06000000101332020801", "1500000010133a110a0f756e6b6e6f776e2072657175657374"},
    {"unknown field 15", "0500000010147a0178", "1500000010143a110a0f756e6b6e6f776e2072657175657374"},
    {"empty frame (len 0)", "00000000", NULL},
    {"garbage payload ff*8", "08000000ffffffffffffffff", NULL},
    {"still alive after garbage", "0a00000010151a060a044563686f", ECHO_BOUND("15")},
    {"rid missing", "080000001a060a044563686f", ECHO_BOUND("00")},
    {"rid=0", "0a00000010001a060a044563686f", ECHO_BOUND("00")},
    {"rid=2^64-1", "1500000010ffffffffffffffffff012a08080110011a002000",
	"1300000010ffffffffffffffffff013206080110001a00"},
    {"rid reuse", "0c00000010072a08080110011a002000", "0a00000010073206080110001a00"},
    {"rid goes backwards", "0c00000010012a08080110011a002000", "0a00000010013206080110001a00"},
    {"both invoke and bind", "14000000101e2a08080110011a0020001a060a044563686f", ECHO_BOUND("1e")},
    {"both bind then invoke", "12000000101f1a060a044563686f2a06080110011a00", ECHO_BOUND("1f")},
    {"SetPeerIdentity", "160000001020421208d209102a1a0468696e7422056d6e616d65", NULL},
    {"request_id after message", "0a0000001a060a044563686f1021", ECHO_BOUND("21")},
    {"overlong varint", "0c00000010a280001a060a044563686f", ECHO_BOUND("22")},
    {"fence", "0c00000010242a08080110011a002000", "0a00000010243206080110001a00"},
};

enum { EXCHANGES_COUNT = sizeof(exchanges) / sizeof(exchanges[0]) };

Test(host, answers_as_traced_was_recorded)
{
	for (size_t listener = 0; listener < 2; listener++) {
		int fd = connected(listener);
		for (size_t i = 0; i < EXCHANGES_COUNT; i++) {
			cr_assert_eq(peer_send_hex(fd, exchanges[i].sent), 0, "%s", exchanges[i].name);
			if (exchanges[i].received != NULL)
				cr_assert_str_eq(
				    peer_receive(fd), exchanges[i].received, "%s", exchanges[i].name);
		}
		close(fd);
	}
}

Test(host, takes_requests_pipelined_and_in_single_bytes)
{
	char all[EXCHANGES_COUNT * 64];
	size_t length = 0;
	int fd = connected(0);
	for (size_t i = 0; i < EXCHANGES_COUNT; i++)
		length += (size_t)snprintf(all + length, sizeof(all) - length, "%s", exchanges[i].sent);
	cr_assert_lt(length, sizeof(all));
	for (int bytewise = 0; bytewise < 2; bytewise++) {
		for (size_t at = 0; bytewise && all[at] != '\0'; at += 2)
			cr_assert_eq(peer_send_hex(fd, (char[3]){all[at], all[at + 1], '\0'}), 0);
		if (!bytewise)
			cr_assert_eq(peer_send_hex(fd, all), 0);
		for (size_t i = 0; i < EXCHANGES_COUNT; i++)
			if (exchanges[i].received != NULL)
				cr_assert_str_eq(
				    peer_receive(fd), exchanges[i].received, "%s", exchanges[i].name);
	}
	close(fd);
}

Test(host, drops_a_connection_at_a_too_large_header)
{
	static const char *const headers[] = {"fdffffff", "fdff0100"};
	for (size_t i = 0; i < 2; i++) {
		int fd = connected(0);
		cr_assert_eq(peer_send_hex(fd, headers[i]), 0);
		cr_assert_str_eq(peer_receive(fd), "EOF", "%s", headers[i]);
		close(fd);
	}
	int fd = connected(0);
	cr_assert_eq(peer_send_hex(fd, "fcff0100"), 0); /* the largest legal one: the host waits */
	cr_assert_str_eq(peer_receive_within(fd, PEER_SILENCE_MS), "SILENCE");
	close(fd);
}

/* Method, ids and lengths around args of this size fill the frame up to the last byte. */
enum { LARGEST_ARGS = 131072 - 18 };

Test(host, echoes_the_largest_frame_and_no_larger_one)
{
	static char args[LARGEST_ARGS + 2];
	for (size_t i = 0; i <= LARGEST_ARGS; i++)
		args[i] = (char)('a' + i % 26);
	for (size_t listener = 0; listener < 2; listener++) {
		int fd = connected(listener);
		struct peer_call call = {1, ECHO, 1, args, LARGEST_ARGS, false, -1};
		cr_assert_eq(peer_call(fd, &call), 0);
		const char *reply = peer_receive(fd);
		cr_assert_eq(strlen(reply), 2 * (size_t)131072);
		char kept = args[LARGEST_ARGS];
		args[LARGEST_ARGS] = '\0';
		cr_assert(strcmp(reply, peer_reply_hex(1, false, args)) == 0);
		args[LARGEST_ARGS] = kept;
		call.args_length++;
		peer_call(fd, &call);
		reply = peer_receive(fd);
		cr_assert(strcmp(reply, "RESET") == 0 || strcmp(reply, "EOF") == 0, "%.60s", reply);
		close(fd);
	}
}

Test(host, b2_each_service_has_one_id_counted_from_1)
{
	static const char *const services[] = {"Echo", "Counter", "Files", "Slow"};
	int fd = connected(0);
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < 4; i++) {
			char wanted[32];
			snprintf(wanted, sizeof(wanted), "080110%02x1a", i + 1);
			peer_bind(fd, 1, services[i]);
			const char *reply = peer_receive(fd); /* header, id and nested length before it */
			cr_assert_eq(
			    strncmp(reply + 2 * (size_t)(4 + 2 + 2), wanted, strlen(wanted)), 0, "%s", reply);
		}
	close(fd);
}

Test(host, b3_a_method_out_of_range_fails)
{
	static const unsigned past_the_end[] = {4, 2, 3, 4};
	int fd = connected(0);
	for (unsigned service = 1; service <= 4; service++) {
		peer_invoke(fd, 1, service, 0, "");
		cr_assert_str_eq(peer_receive(fd), "06000000100132020800");
		peer_invoke(fd, 2, service, past_the_end[service - 1], "");
		cr_assert_str_eq(peer_receive(fd), "06000000100232020800");
		peer_invoke(fd, 3, service, UINT32_MAX, "");
		cr_assert_str_eq(peer_receive(fd), "06000000100332020800");
	}
	close(fd);
}

Test(host, b9_an_identity_is_taken_in_silence_as_often_as_it_comes)
{
	for (size_t listener = 0; listener < 2; listener++) {
		int fd = connected(listener);
		for (int i = 0; i < 3; i++)
			cr_assert_eq(
			    peer_send_hex(fd, "160000001020421208d209102a1a0468696e7422056d6e616d65"), 0);
		peer_invoke(fd, 9, ECHO, 1, "fence");
		reply_is(fd, 9, false, "fence");
		close(fd);
	}
}

Test(host, echo_and_sink)
{
	int fd = connected(1);
	peer_invoke(fd, 1, ECHO, 1, "hello");
	reply_is(fd, 1, false, "hello");
	peer_invoke(fd, 2, ECHO, 3, "hello");
	reply_is(fd, 2, false, "");
	peer_invoke(fd, 3, ECHO, 2, "no descriptor");
	reply_is(fd, 3, false, "no descriptor");
	close(fd);
}

static void count_check(int fd, uint64_t request_id, int last)
{
	for (int i = 1; i <= last; i++) {
		char text[16];
		snprintf(text, sizeof(text), "%d", i);
		cr_assert_str_eq(peer_receive(fd), peer_reply_hex(request_id, i < last, text));
	}
}

Test(host, counter_streams_with_has_more_on_all_but_the_last)
{
	int fd = connected(0);
	peer_invoke(fd, 1, COUNTER, 1, "3");
	count_check(fd, 1, 3);
	peer_invoke(fd, 2, COUNTER, 1, "1");
	count_check(fd, 2, 1);
	peer_invoke(fd, 3, COUNTER, 1, "0");
	reply_is(fd, 3, false, "");
	peer_invoke(fd, 4, COUNTER, 1, "100000");
	count_check(fd, 4, 100000);
	peer_invoke(fd, 5, COUNTER, 1, "18446744073709551616"); /* 2^64 */
	cr_assert_str_eq(peer_receive(fd), "06000000100532020800");
	peer_invoke(fd, 6, COUNTER, 1, "");
	cr_assert_str_eq(peer_receive(fd), "06000000100632020800");
	close(fd);
}

static int file_holding(const char *text, size_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	cr_assert_eq(ftruncate(fd, (off_t)size), 0);
	return fd;
}

Test(host, files_open_passes_a_descriptor_over_unix_only)
{
	char text[16] = "";
	int fd = connected(0);
	peer_invoke(fd, 1, FILES, 1, "inside");
	reply_is(fd, 1, false, "");
	int passed = peer_passed_fd();
	cr_assert_geq(passed, 0);
	cr_assert_eq(pread(passed, text, sizeof(text), 0), 6);
	cr_assert_str_eq(text, "inside");
	close(passed);
	for (uint64_t id = 2; id < 202; id++)
		peer_invoke(fd, id, FILES, 1, "many");
	for (uint64_t id = 2; id < 202; id++) {
		reply_is(fd, id, false, "");
		cr_assert_geq(peer_passed_fd(), 0);
		close(peer_passed_fd());
	}
	close(fd);
	fd = connected(1);
	peer_invoke(fd, 1, FILES, 1, "inside");
	rejected_is(fd, 1);
	close(fd);
}

Test(host, files_take_reads_what_it_is_passed)
{
	int pipe_fds[2];
	int fd = connected(0);
	struct peer_call call = {.service_id = FILES, .method_id = 2};
	call.request_id = 1;
	call.passed_fd = file_holding("content", 7);
	cr_assert_eq(peer_call(fd, &call), 0);
	reply_is(fd, 1, false, "content");
	close(call.passed_fd);
	call.request_id = 2;
	call.passed_fd = file_holding("", 100000);
	cr_assert_eq(peer_call(fd, &call), 0);
	cr_assert_eq(strlen(peer_receive(fd)), 2 * (size_t)(4 + 2 + 4 + 4 + 4 + 65536));
	close(call.passed_fd);
	call.request_id = 3;
	call.passed_fd = -1;
	cr_assert_eq(peer_call(fd, &call), 0);
	rejected_is(fd, 3);
	cr_assert_eq(pipe(pipe_fds), 0);
	call.request_id = 4;
	call.passed_fd = pipe_fds[0]; /* would block */
	cr_assert_eq(peer_call(fd, &call), 0);
	rejected_is(fd, 4);
	call.request_id = 5;
	call.passed_fd = open("/dev/zero", O_RDONLY | O_CLOEXEC); /* no file, though it can be read */
	cr_assert_eq(peer_call(fd, &call), 0);
	rejected_is(fd, 5);
	close(fd);
}

Test(host, echo_fds_returns_the_descriptor_with_its_frame)
{
	struct stat sent, received;
	int fd = connected(0);
	struct peer_call call = {2, ECHO, 2, "args", 4, false, file_holding("mine", 4)};
	peer_invoke(fd, 1, ECHO, 2, "before");
	cr_assert_eq(peer_call(fd, &call), 0);
	peer_invoke(fd, 3, ECHO, 2, "after");
	reply_is(fd, 1, false, "before");
	cr_assert_eq(peer_passed_fd(), -1);
	reply_is(fd, 2, false, "args");
	cr_assert_eq(fstat(call.passed_fd, &sent), 0);
	cr_assert_eq(fstat(peer_passed_fd(), &received), 0);
	cr_assert_eq(sent.st_ino, received.st_ino);
	close(peer_passed_fd());
	reply_is(fd, 3, false, "after");
	cr_assert_eq(peer_passed_fd(), -1);
	call.method_id = 1; /* Echo proper keeps descriptors to itself, and so does Sink */
	cr_assert_eq(peer_call(fd, &call), 0);
	reply_is(fd, 2, false, "args");
	cr_assert_eq(peer_passed_fd(), -1);
	call.method_id = 3;
	cr_assert_eq(peer_call(fd, &call), 0);
	reply_is(fd, 2, false, "");
	cr_assert_eq(peer_passed_fd(), -1);
	close(fd);
}

Test(host, b5_b6_slow_answers_later_never_or_with_a_failure)
{
	int fd = connected(0);
	peer_invoke(fd, 1, SLOW, 1, "60");
	peer_invoke(fd, 2, SLOW, 2, "");
	peer_invoke(fd, 3, SLOW, 3, "");
	peer_invoke(fd, 4, SLOW, 1, "20");
	peer_invoke(fd, 5, SLOW, 1, "60001");
	peer_invoke(fd, 9, SLOW, 1, "soon");
	rejected_is(fd, 3);
	rejected_is(fd, 5);
	cr_assert_str_eq(peer_receive(fd), "06000000100932020800");
	reply_is(fd, 4, false, "");
	reply_is(fd, 1, false, "");
	struct peer_call silent = {6, SLOW, 1, "1", 1, true, -1};
	cr_assert_eq(peer_call(fd, &silent), 0);
	peer_invoke(fd, 7, SLOW, 1, "20");
	reply_is(fd, 7, false, "");
	for (unsigned id = 8; id < 8 + 1024; id++)
		peer_invoke(fd, id, SLOW, 1, "60000");
	peer_invoke(fd, 127, SLOW, 1, "60000"); /* one more than may wait */
	rejected_is(fd, 127);
	close(fd);
	fd = connected(0);
	peer_invoke(fd, 1, SLOW, 1, "0");
	reply_is(fd, 1, false, "");
	close(fd);
}
