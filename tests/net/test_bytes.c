/* SPDX-License-Identifier: MIT
 *
 * Bytes: descriptors, back-pressure, limits, floods, fragments. Behaviours A43 to A47, and the raw protocol.
 */
#include "../support/bed.h"
#include "../support/script.h"
#include "../support/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define AT_ONCE .backoff_base_ms = 1, .backoff_cap_ms = 2

static hawser_binding *bound(struct bed *bed, const char *service, const char *const *arguments)
{
	HAWSER_OPTIONS(hawser_client_options, options, AT_ONCE);
	char line[64];
	hawser_binding *binding;

	bed_host(bed, arguments);
	binding = bed_bind(bed, bed_client(bed, &options), service);
	snprintf(line, sizeof(line), "%s bound", service);
	bed_wait(bed, line);
	return binding;
}

static int file_with(const char *text)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	return fd;
}

static void take_descriptor(struct bed *bed, const char *line, void *handle)
{
	char text[64] = "";
	int fd;

	if (strncmp(line, "reply", 5) != 0)
		return;
	while ((fd = hawser_call_take_fd(handle)) >= 0) {
		ssize_t size = pread(fd, text, sizeof(text) - 1, 0);

		text[size > 0 ? size : 0] = '\0';
		cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		bed_note(bed, "descriptor %s", text);
		close(fd);
	}
}

CLIENT_TEST(bytes, a43_descriptors_travel_both_ways_with_their_frame)
{
	hawser_binding *echo = bound(bed, "Echo", NULL);
	int fds[3] = {file_with("one"), file_with("two"), file_with("three")};
	HAWSER_OPTIONS(hawser_invoke_options, first, .method = "EchoFds", .arguments = {"a", 1}, .fds = fds,
	    .fds_count = 2);
	HAWSER_OPTIONS(hawser_invoke_options, plain, .method = "EchoFds", .arguments = {"b", 1});
	HAWSER_OPTIONS(hawser_invoke_options, second, .method = "EchoFds", .arguments = {"c", 1},
	    .fds = fds + 2, .fds_count = 1);

	bed->told = take_descriptor;
	cr_assert_eq(bed_call(bed, hawser_invoke_with(echo, &first, bed_on_reply, bed, NULL)), 0);
	cr_assert_eq(bed_call(bed, hawser_invoke_with(echo, &plain, bed_on_reply, bed, NULL)), 0);
	cr_assert_eq(bed_call(bed, hawser_invoke_with(echo, &second, bed_on_reply, bed, NULL)), 0);
	bed_wait(bed, "reply a\ndescriptor one\ndescriptor two\nreply b\nreply c\ndescriptor three\n");
}

CLIENT_TEST(bytes, a43_descriptors_that_nobody_takes_are_closed)
{
	hawser_binding *files = bound(bed, "Files", NULL);

	for (int i = 0; i < 20; i++)
		cr_assert_eq(bed_invoke(bed, files, "Open", "left behind"), 0);
	for (int i = 0; i < 20; i++)
		bed_wait(bed, "reply");
}

CLIENT_TEST(bytes, a43_descriptors_of_a_waiting_call_are_kept_or_closed)
{
	int fds[2] = {file_with("kept"), file_with("dropped")};
	HAWSER_OPTIONS(hawser_client_options, options, AT_ONCE);
	HAWSER_OPTIONS(hawser_invoke_options, kept, .method = "EchoFds", .fds = fds, .fds_count = 1);
	HAWSER_OPTIONS(hawser_invoke_options, dropped, .method = "EchoFds", .fds = fds + 1, .fds_count = 1);
	hawser_binding *echo = bed_bind(bed, bed_client(bed, &options), "Echo");
	hawser_call *call;

	bed->told = take_descriptor;
	cr_assert_eq(bed_call(bed, hawser_invoke_with(echo, &kept, bed_on_reply, bed, NULL)), 0);
	cr_assert_eq(bed_call(bed, hawser_invoke_with(echo, &dropped, bed_on_reply, bed, &call)), 0);
	hawser_call_free(call);
	cr_assert_eq(fcntl(fds[1], F_GETFD), -1, "closed with the call that had it");
	bed_host(bed, NULL);
	bed_wait(bed, "descriptor kept");
}

/* A descriptor that cannot be received is one that the program would wait for in vain. */
CLIENT_TEST(bytes, no_descriptor_left_for_those_that_the_host_sends_is_a_loss)
{
	hawser_binding *files = bound(bed, "Files", NULL);
	struct rlimit before;
	struct rlimit none;
	int lowest = dup(0);

	cr_assert_geq(lowest, 0);
	close(lowest);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)lowest;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	cr_assert_eq(bed_invoke(bed, files, "Open", "no room for it"), 0);
	bed_wait(bed, "call receive EMFILE local, maybe executed");
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	bed_wait(bed, "Files bound");
	cr_expect_eq(bed_count(bed, "reply"), 0);
}

CLIENT_TEST(bytes, descriptors_over_tcp_are_refused_and_stay_the_callers)
{
	hawser_binding *echo;
	hawser_client *client;
	int fd = file_with("mine");
	HAWSER_OPTIONS(hawser_invoke_options, with_fd, .method = "EchoFds", .fds = &fd, .fds_count = 1);
	HAWSER_OPTIONS(hawser_client_options, options, .protocol = "perfetto");

	bed_host_on(bed, "tcp:127.0.0.1:0", NULL);
	options.target = host_target(&bed->host, 0);
	client = bed_client(bed, &options);
	echo = bed_bind(bed, client, "Echo");
	bed_wait(bed, "Echo bound");
	cr_assert_eq(bed_call(bed, hawser_invoke_with(echo, &with_fd, bed_on_reply, bed, NULL)), -EOPNOTSUPP);
	cr_assert_geq(fcntl(fd, F_GETFD), 0);
	close(fd);
}

CLIENT_TEST_NEVER_BLOCKS(bytes, a44_a_host_that_does_not_read_blocks_nobody)
{
	HAWSER_OPTIONS(hawser_client_options, options, .unsent_bytes_max = 1 << 20);
	char *large = calloc(1, 100000);
	hawser_binding *echo;
	int accepted = 0;
	int result;

	bed_host(bed, HOST_ARGUMENTS("--stop-reading-after", "100"));
	echo = bed_bind(bed, bed_client(bed, &options), "Echo");
	bed_wait(bed, "Echo bound");
	memset(large, 'x', 99999);
	while ((result = bed_invoke(bed, echo, "Sink", large)) == 0 && accepted < 1000) {
		accepted++;
		bed_settle(bed);
	}
	cr_assert_eq(result, -ENOBUFS, "bounded, and at once");
	cr_assert_geq(accepted, 10);
	cr_assert_lt(bed->memory, (size_t)4 << 20);
	bed_settle(bed);
	cr_assert_eq(bed_count(bed, "call"), 0, "what was accepted is kept");
	free(large);
}

CLIENT_TEST_NEVER_BLOCKS(bytes, a44_on_writable_is_told_when_the_queue_has_drained)
{
	HAWSER_OPTIONS(hawser_client_options, options, .protocol = "raw", .unsent_bytes_max = 65536);
	char block[4096];
	struct script script;
	hawser_client *client;
	size_t queued = 0;

	memset(block, 'x', sizeof(block));
	script_open(&script, bed);
	client = bed_client(bed, &options);
	script_accept(&script, bed);
	bed_wait(bed, "client ready");
	for (;;) {
		int result = bed_call(bed, hawser_send(client, block, sizeof(block), NULL, 0, NULL));

		if (result == -ENOBUFS)
			break;
		cr_assert_eq(result, 0);
		queued += sizeof(block);
		bed_settle(bed);
	}
	cr_assert_eq(bed_call(bed, hawser_send(client, block, 65537, NULL, 0, NULL)), -EMSGSIZE);
	script_swallow(&script, bed, queued);
	bed_wait(bed, "writable");
	cr_assert_eq(bed_count(bed, "writable"), 1);
	script_close(&script);
}

CLIENT_TEST(bytes, a45_a_frame_of_131072_passes_and_a_larger_one_is_refused_before_sending)
{
	hawser_binding *echo = bound(bed, "Echo", NULL);
	char *large = calloc(1, 200000);
	size_t fits = 0;

	memset(large, 'x', 199999);
	for (size_t size = 131072; size > 131000 && !fits; size--) {
		HAWSER_OPTIONS(hawser_invoke_options, call, .method = "Sink", .arguments = {large, size});
		int result = bed_call(bed, hawser_invoke_with(echo, &call, bed_on_reply, bed, NULL));

		cr_assert(result == 0 || result == -EMSGSIZE);
		if (result == 0)
			fits = size;
	}
	cr_assert_gt(fits, 131000);
	bed_wait(bed, "reply");
	cr_assert_eq(
	    bed_call(bed, hawser_invoke(echo, "Sink", large, 199999, bed_on_reply, bed, NULL)), -EMSGSIZE);
	cr_assert_eq(bed_count(bed, "Echo lost"), 0);
	free(large);
}

CLIENT_TEST(bytes, a45_a_larger_frame_received_ends_the_connection_with_its_reason)
{
	struct script script;
	HAWSER_OPTIONS(hawser_client_options, options, .rounds_max = 1);

	script_bound(&script, bed, &options);
	script_send(&script, "fdff0100");
	bed_wait(bed, "client waiting receive EMSGSIZE protocol");
	script_close(&script);
}

static void expect_fragments(struct bed *bed, size_t step)
{
	/* The bind's answer, an empty frame, nonsense, and the call's answer, cut every `step` bytes. */
	static const char *const hex = SCRIPT_BIND_REPLY "0000000008000000ffffffffffffffff"
							 "0b00000010023207080110001a0161";
	struct script script;
	hawser_binding *greeter;

	script_open(&script, bed);
	greeter = bed_bind(bed, bed_client(bed, NULL), "Greeter");
	cr_assert_eq(bed_invoke(bed, greeter, "SayHello", ""), 0);
	script_accept(&script, bed);
	script_swallow(&script, bed, 17);
	for (size_t at = 0; at < strlen(hex); at += 2 * step) {
		char piece[4096];

		snprintf(piece, sizeof(piece), "%.*s", (int)(2 * step), hex + at);
		script_send(&script, piece);
		bed_settle(bed);
		if (at + 2 * step > strlen(SCRIPT_BIND_REPLY) && at < strlen(SCRIPT_BIND_REPLY))
			script_swallow(&script, bed, 12);
	}
	bed_wait(bed, "Greeter bound");
	bed_wait(bed, "reply a");
	cr_assert_eq(bed_count(bed, "reply"), 1);
	script_close(&script);
}

CLIENT_TEST(bytes, a46_one_byte_at_a_time)
{
	expect_fragments(bed, 1);
}

CLIENT_TEST(bytes, a46_in_threes_and_sevens)
{
	expect_fragments(bed, 3);
}

CLIENT_TEST(bytes, a46_inside_the_second_header)
{
	expect_fragments(bed, strlen(SCRIPT_BIND_REPLY) / 2 + 2);
}

CLIENT_TEST(bytes, a46_a_large_answer_in_small_pieces)
{
	hawser_binding *echo = bound(bed, "Echo", HOST_ARGUMENTS("--fragment", "1000"));
	char *large = calloc(1, 120001);

	memset(large, 'y', 120000);
	cr_assert_eq(bed_invoke(bed, echo, "Echo", large), 0);
	bed_wait(bed, "reply yyy");
	cr_assert_eq(bed_invoke(bed, echo, "Echo", "after"), 0);
	bed_wait(bed, "reply after");
	free(large);
}

CLIENT_TEST(bytes, a47_a_flooding_host_starves_nobody_and_memory_does_not_grow)
{
	HAWSER_OPTIONS(hawser_client_options, quiet, .target = "tcp:127.0.0.1:1", .name = "quiet");
	hawser_binding *echo = bound(bed, "Echo", HOST_ARGUMENTS("--flood", "200"));
	size_t most = 0;
	int turns = 0;

	quiet.backoff_base_ms = 1;
	quiet.backoff_cap_ms = 1;
	bed_client(bed, &quiet);
	for (; turns < 300; turns++) {
		cr_assert_eq(hawser_loop_run_once(bed->loop, 10), 0);
		most = bed->memory > most ? bed->memory : most;
	}
	cr_assert_gt(bed_count(bed, "ECONNREFUSED"), 0, "another client's rounds go on meanwhile");
	cr_assert_lt(most, (size_t)4 << 20, "memory grew to %zu", most);
	cr_assert_eq(hawser_binding_state(echo), HAWSER_BINDING_IS_BOUND);
}

CLIENT_TEST(bytes, raw_sends_receives_pauses_resumes_and_half_closes)
{
	HAWSER_OPTIONS(hawser_client_options, options, .protocol = "raw", .rounds_max = 1);
	struct script script;
	hawser_client *client;
	char text[16] = "";
	uint64_t position = 0;

	script_open(&script, bed);
	client = bed_client(bed, &options);
	cr_assert_eq(bed_call(bed, hawser_send(client, "x", 1, NULL, 0, NULL)), -ENOTCONN);
	bed_bind(bed, client, "whatever");
	script_accept(&script, bed);
	bed_wait(bed, "whatever bound");
	cr_assert_eq(bed_call(bed, hawser_send(client, "hello", 5, NULL, 0, &position)), 0);
	cr_assert_eq(position, 5);
	bed_settle(bed);
	cr_assert_eq(recv(script.fd, text, sizeof(text), 0), 5);
	cr_assert_eq(bed_call(bed, hawser_pause(client)), 0);
	bed_settle(bed);
	script_send_bytes(&script, "paused", 6);
	bed_run_ms(bed, 30);
	cr_assert_eq(bed_count(bed, "data"), 0);
	cr_assert_eq(bed_call(bed, hawser_resume(client)), 0);
	cr_assert_eq(bed_count(bed, "data"), 0);
	bed_wait(bed, "data paused");
	cr_assert_eq(bed_call(bed, hawser_send(client, "bye", 3, NULL, 0, NULL)), 0);
	cr_assert_eq(bed_call(bed, hawser_shutdown_send(client)), 0);
	cr_assert_eq(bed_call(bed, hawser_send(client, "x", 1, NULL, 0, NULL)), -EPIPE);
	bed_settle(bed);
	cr_assert_eq(recv(script.fd, text, sizeof(text), 0), 3);
	cr_assert_eq(recv(script.fd, text, sizeof(text), 0), 0, "our half is closed");
	script_send_bytes(&script, "last", 4);
	bed_wait(bed, "data last");
	script_hang_up(&script);
	bed_wait(bed, "client waiting receive ECONNRESET lost");
	script_close(&script);
}

CLIENT_TEST(bytes, raw_with_half_close_goes_on_sending_after_the_hosts_end)
{
	HAWSER_OPTIONS(hawser_client_options, options, .protocol = "raw", .half_close = true);
	struct script script;
	hawser_client *client;
	char text[16];

	script_open(&script, bed);
	client = bed_client(bed, &options);
	script_accept(&script, bed);
	bed_wait(bed, "client ready");
	script_send_bytes(&script, "over", 4);
	shutdown(script.fd, SHUT_WR);
	bed_wait(bed, "data over");
	bed_wait(bed, "data \n");
	cr_assert_eq(bed_call(bed, hawser_send(client, "mine", 4, NULL, 0, NULL)), 0);
	bed_settle(bed);
	cr_assert_eq(recv(script.fd, text, sizeof(text), 0), 4);
	cr_assert_eq(hawser_client_state(client), HAWSER_READY);
	script_close(&script);
}

static void keep_fd(hawser_client *client, int fd, void *user)
{
	(void)client;
	bed_note(user, "handed over %d", fd);
	cr_assert_eq(send(fd, "by hand", 7, MSG_NOSIGNAL), 7);
	close(fd);
}

CLIENT_TEST(bytes, none_hands_the_connected_socket_over_unread)
{
	HAWSER_OPTIONS(hawser_client_options, options, .protocol = "none", .on_handover = keep_fd);
	hawser_client *client;
	struct script script;
	hawser_binding *binding;
	char text[16];

	script_open(&script, bed);
	client = bed_client(bed, &options);
	cr_assert_eq(bed_call(bed, hawser_bind(client, "x", bed_on_binding, bed, &binding)), -EOPNOTSUPP);
	bed_wait(bed, "client idle");
	bed_wait(bed, "handed over");
	script.fd = sockets_accept(script.listener);
	cr_assert_eq(recv(script.fd, text, sizeof(text), 0), 7);
	script_hang_up(&script);
	cr_assert_eq(bed_call(bed, hawser_client_connect(client)), 0, "and another one, when asked");
	bed_wait(bed, "handed over");
	script_close(&script);
}
