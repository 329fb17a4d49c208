/* SPDX-License-Identifier: MIT
 *
 * Engine contract: bytes. What goes with them, descriptors, is test_engine_fds.c.
 */
#include "../support/engine_rig.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LARGE = 1 << 20, FLOOD = 64 * 1024, RECEIVERS = 8 };

/* As a connection does it: whatever is no failure and not the end is asked for again. */
static void receive_again(struct rig_operation *operation, const struct completion *completion)
{
	struct rig_operation *whole = operation->user;
	bool wanted = completion->result > 0 || completion->result == -ENOBUFS;

	if (completion->result > 0) {
		whole->data = realloc(whole->data, whole->size + (size_t)completion->result);
		memcpy(whole->data + whole->size, completion->data, (size_t)completion->result);
		whole->size += (size_t)completion->result;
	}
	if (completion->more)
		return;
	free(operation->data);
	operation->data = NULL;
	if (wanted)
		rig_receive(operation->rig, operation, *(int *)whole->user, false);
	else
		whole->ended = true;
}

struct stream {
	int fd;
	int peer;
	struct rig_operation whole;
	struct rig_operation operation;
};

static void stream_receive(struct rig *rig, struct stream *stream)
{
	stream->whole = (struct rig_operation){.user = &stream->fd};
	stream->operation = (struct rig_operation){.then = receive_again, .user = &stream->whole};
	rig_receive(rig, &stream->operation, stream->fd, false);
}

static void send_all(struct rig *rig, int fd, const char *text)
{
	struct rig_operation send = {0};

	rig_send(rig, &send, fd, text, strlen(text));
	rig_until(rig, send.ended);
	cr_assert_eq(send.result, (int)strlen(text), "%s", strerror(-send.result));
}

static void expect_there_and_back(struct rig *rig, int fd, int peer)
{
	struct rig_operation receive = {0};
	char bytes[8] = {0};

	rig_receive(rig, &receive, fd, false);
	send_all(rig, fd, "ping");
	cr_assert_eq(read(peer, bytes, sizeof(bytes)), 4);
	cr_assert_str_eq(bytes, "ping");
	cr_assert_eq(write(peer, "pong", 4), 4);
	rig_until(rig, receive.size == 4);
	cr_assert_eq(memcmp(receive.data, "pong", 4), 0);
	close(peer);
	rig_until(rig, receive.ended);
	cr_assert_eq(receive.result, 0);
	rig->is->close(rig->engine, fd);
	rig_operation_free(&receive);
}

ENGINE_TEST(transfer, there_and_back_over_unix)
{
	int peer;
	int fd = rig_unix_pair(rig, &peer);

	expect_there_and_back(rig, fd, peer);
}

ENGINE_TEST(transfer, there_and_back_over_tcp)
{
	int peer;
	int fd = rig_tcp_pair(rig, &peer);

	expect_there_and_back(rig, fd, peer);
}

struct slow_send {
	uint8_t bytes[LARGE];
	uint8_t read[LARGE];
	size_t sent;
	size_t received;
};

/* A peer that reads little at a time: sends are cut short, and what is left goes with the next. */
static void expect_sent_in_parts(struct rig *rig, int fd, int peer)
{
	struct slow_send *slow = calloc(1, sizeof(*slow));
	struct rig_operation send = {0};
	unsigned sends = 0;
	int small = 4096;

	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	rig_pattern_fill(slow->bytes, LARGE);
	send.ended = true;
	while (slow->received < LARGE) {
		ssize_t size;

		if (send.ended && slow->sent < LARGE) {
			rig_send(rig, &send, fd, slow->bytes + slow->sent, LARGE - slow->sent);
			sends++;
		}
		rig_turn(rig, 1);
		if (send.ended && send.completions) {
			cr_assert_gt(send.result, 0, "%s", strerror(-send.result));
			slow->sent += (size_t)send.result;
			send.completions = 0;
		}
		size = recv(peer, slow->read + slow->received, 32768, MSG_DONTWAIT);
		if (size > 0)
			slow->received += (size_t)size;
	}
	cr_assert(rig_pattern_is(slow->read, LARGE));
	cr_assert_gt(sends, 1);
	free(slow);
	rig->is->close(rig->engine, fd);
	close(peer);
}

ENGINE_TEST(transfer, a44_a_slow_unix_peer_takes_it_in_parts)
{
	int peer;
	int fd = rig_unix_pair(rig, &peer);

	expect_sent_in_parts(rig, fd, peer);
}

ENGINE_TEST(transfer, a44_a_slow_tcp_peer_takes_it_in_parts)
{
	int peer;
	int fd = rig_tcp_pair(rig, &peer);

	expect_sent_in_parts(rig, fd, peer);
}

/* The vectors themselves are copied: only what they point to must stay. */
ENGINE_TEST(transfer, vectors_are_sent_in_order)
{
	struct rig_operation send = {0};
	struct iovec vectors[ENGINE_VECTORS_MAX];
	uint8_t bytes[256];
	uint8_t read_bytes[256];
	size_t total = 0;
	int peer;
	int fd = rig_unix_pair(rig, &peer);

	rig_pattern_fill(bytes, sizeof(bytes));
	for (unsigned i = 0; i < ENGINE_VECTORS_MAX; i++) {
		vectors[i] = (struct iovec){bytes + total, i + 1};
		total += i + 1;
	}
	rig_send_vectors(rig, &send, fd, vectors, ENGINE_VECTORS_MAX);
	memset(vectors, 0, sizeof(vectors));
	rig_until(rig, send.ended);
	cr_assert_eq(send.result, (int)total);
	cr_assert_eq(read(peer, read_bytes, sizeof(read_bytes)), (ssize_t)total);
	cr_assert(rig_pattern_is(read_bytes, total));
	rig->is->close(rig->engine, fd);
	close(peer);
}

ENGINE_TEST(transfer, more_vectors_or_descriptors_than_there_may_be_start_nothing)
{
	struct iovec vectors[ENGINE_VECTORS_MAX + 1] = {0};
	int fds[ENGINE_FDS_MAX + 1] = {0};
	struct handler handler = {0};
	uint64_t id;

	cr_assert_eq(
	    rig->is->send(rig->engine, 0, vectors, ENGINE_VECTORS_MAX + 1, NULL, 0, handler, &id), -EINVAL);
	cr_assert_eq(
	    rig->is->send(rig->engine, 0, vectors, 1, fds, ENGINE_FDS_MAX + 1, handler, &id), -EINVAL);
	rig_turn(rig, 0);
}

ENGINE_TEST(transfer, without_memory_starts_nothing)
{
	struct iovec vector = {.iov_base = (char[]){"x"}, .iov_len = 1};
	struct handler handler = {0};
	uint64_t id;

	rig->memory.fail_at = rig->memory.allocations + 1;
	cr_assert_eq(rig->is->send(rig->engine, 0, &vector, 1, NULL, 0, handler, &id), -ENOMEM);
	rig->memory.fail_at = rig->memory.allocations + 1;
	cr_assert_eq(rig->is->receive(rig->engine, 0, false, handler, &id), -ENOMEM);
	rig->memory.fail_at = rig->memory.allocations + 1;
	cr_assert_eq(rig->is->receive(rig->engine, 0, true, handler, &id), -ENOMEM);
	rig->memory.fail_at = rig->memory.allocations + 1;
	cr_assert_eq(rig->is->poll(rig->engine, 0, 1, handler, &id), -ENOMEM);
	rig_turn(rig, 0);
}

/* Raises no SIGPIPE, which would end this program. */
ENGINE_TEST(transfer, to_a_peer_that_has_gone_fails)
{
	struct rig_operation send = {0};
	struct iovec halves[2] = {{(char[]){"x"}, 1}, {(char[]){"y"}, 1}};
	int peer;
	int fd = rig_unix_pair(rig, &peer);

	signal(SIGPIPE, SIG_DFL);
	close(peer);
	rig_send(rig, &send, fd, "x", 1);
	cr_assert_not(send.ended);
	rig_until(rig, send.ended);
	cr_assert_eq(send.result, -EPIPE, "%s", strerror(-send.result));
	rig_send_vectors(rig, &send, fd, halves, 2);
	rig_until(rig, send.ended);
	cr_assert_eq(send.result, -EPIPE, "%s", strerror(-send.result));
	rig->is->close(rig->engine, fd);
}

ENGINE_TEST(transfer, from_a_peer_that_resets_fails)
{
	struct rig_operation receive = {0};
	struct linger none = {.l_onoff = 1};
	int peer;
	int fd = rig_tcp_pair(rig, &peer);

	rig_receive(rig, &receive, fd, false);
	rig_turn(rig, 0);
	cr_assert_eq(setsockopt(peer, SOL_SOCKET, SO_LINGER, &none, sizeof(none)), 0);
	close(peer);
	rig_until(rig, receive.ended);
	cr_assert_eq(receive.result, -ECONNRESET, "%s", strerror(-receive.result));
	rig->is->close(rig->engine, fd);
}

ENGINE_TEST(transfer, what_was_sent_before_the_end_arrives_before_it)
{
	struct rig_operation receive = {0};
	int peer;
	int fd = rig_unix_pair(rig, &peer);

	cr_assert_eq(write(peer, "last words", 10), 10);
	close(peer);
	rig_receive(rig, &receive, fd, false);
	rig_until(rig, receive.ended);
	cr_assert_eq(receive.size, 10);
	cr_assert_eq(receive.result, 0);
	rig->is->close(rig->engine, fd);
	rig_operation_free(&receive);
}

ENGINE_TEST(transfer, a_cancelled_receive_loses_nothing)
{
	struct rig_operation receive = {0};
	int peer;
	int fd = rig_unix_pair(rig, &peer);

	for (int in_flight = 0; in_flight < 2; in_flight++) {
		rig_receive(rig, &receive, fd, false);
		if (in_flight)
			rig_turn(rig, 0);
		rig_cancel(rig, &receive);
		cr_assert_not(receive.ended);
		rig_until(rig, receive.ended);
		cr_assert_eq(receive.result, -ECANCELED, "%s", strerror(-receive.result));
	}
	cr_assert_eq(write(peer, "x", 1), 1);
	rig_receive(rig, &receive, fd, false);
	rig_until(rig, receive.size == 1);
	rig->is->shutdown(rig->engine, fd, SHUT_RDWR);
	rig_until(rig, receive.ended);
	rig->is->close(rig->engine, fd);
	rig_operation_free(&receive);
	close(peer);
}

static uint8_t filling[LARGE];

static void fill_until_blocked(struct rig *rig, struct rig_operation *send, int fd)
{
	do {
		rig_send(rig, send, fd, filling, sizeof(filling));
		for (int turns = 0; turns < 20 && !send->ended; turns++)
			rig_turn(rig, 1);
	} while (send->ended);
}

ENGINE_TEST(transfer, a_send_that_is_stuck_can_be_cancelled)
{
	struct rig_operation send = {0};
	int peer;
	int fd = rig_unix_pair(rig, &peer);

	fill_until_blocked(rig, &send, fd);
	rig_cancel(rig, &send);
	rig_until(rig, send.ended);
	cr_assert_eq(send.result, -ECANCELED, "%s", strerror(-send.result));
	rig->is->close(rig->engine, fd);
	close(peer);
}

ENGINE_TEST(transfer, shutdown_ends_what_is_in_flight)
{
	struct rig_operation send = {0};
	struct rig_operation receive = {0};
	int peer;
	int fd = rig_unix_pair(rig, &peer);

	rig_receive(rig, &receive, fd, false);
	fill_until_blocked(rig, &send, fd);
	rig->is->shutdown(rig->engine, fd, SHUT_RDWR);
	rig_until(rig, send.ended && receive.ended);
	cr_assert_eq(send.result, -EPIPE, "%s", strerror(-send.result));
	cr_assert_eq(receive.result, 0);
	rig->is->close(rig->engine, fd);
	close(peer);
}

ENGINE_TEST(transfer, half_a_connection_goes_on)
{
	struct rig_operation receive = {0};
	char byte;
	int peer;
	int fd = rig_tcp_pair(rig, &peer);

	rig_receive(rig, &receive, fd, false);
	rig->is->shutdown(rig->engine, fd, SHUT_WR);
	cr_assert_eq(read(peer, &byte, 1), 0);
	cr_assert_eq(write(peer, "still here", 10), 10);
	rig_until(rig, receive.size == 10);
	close(peer);
	rig_until(rig, receive.ended);
	rig->is->close(rig->engine, fd);
	rig_operation_free(&receive);
}

/* Two receive buffers of 512 bytes on tiny rings: all that comes must be asked for again and again. */
ENGINE_TEST(transfer, floods_are_received_whole)
{
	static uint8_t bytes[FLOOD];
	struct stream streams[RECEIVERS];
	size_t written[RECEIVERS] = {0};
	size_t open_count = RECEIVERS;

	rig_pattern_fill(bytes, sizeof(bytes));
	for (unsigned i = 0; i < RECEIVERS; i++) {
		streams[i].fd = rig_unix_pair(rig, &streams[i].peer);
		stream_receive(rig, &streams[i]);
	}
	while (open_count > 0) {
		for (unsigned i = 0; i < RECEIVERS; i++) {
			ssize_t size = written[i] == FLOOD ? 0
							   : send(streams[i].peer, bytes + written[i],
								 FLOOD - written[i], MSG_DONTWAIT);

			written[i] += size > 0 ? (size_t)size : 0;
			if (written[i] == FLOOD && streams[i].peer >= 0) {
				close(streams[i].peer);
				streams[i].peer = -1;
				open_count--;
			}
		}
		rig_turn(rig, 1);
	}
	for (unsigned i = 0; i < RECEIVERS; i++) {
		rig_until(rig, streams[i].whole.ended);
		cr_assert_eq(streams[i].whole.size, FLOOD);
		cr_assert(rig_pattern_is(streams[i].whole.data, FLOOD));
		rig->is->close(rig->engine, streams[i].fd);
		free(streams[i].whole.data);
		rig_operation_free(&streams[i].operation);
	}
}
