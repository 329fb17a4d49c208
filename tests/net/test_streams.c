/* SPDX-License-Identifier: MIT
 *
 * The halves of a stream, and its pauses: who has closed what, and what is received meanwhile.
 */
#include "../support/bed.h"
#include "../support/script.h"
#include "../support/sockets.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HALVES .protocol = "raw", .half_close = true

static void linger_not(int fd)
{
	const struct linger at_once = {1, 0};

	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
}

/* A client over tcp to a script, ready. */
static hawser_client *over_tcp(struct bed *bed, struct script *script, struct hawser_client_options *options)
{
	char target[64];
	hawser_client *client;

	script->listener = sockets_listen_tcp(8, target, sizeof(target));
	script->fd = -1;
	options->target = target;
	client = bed_client(bed, options);
	script_accept(script, bed);
	bed_wait(bed, "client ready");
	return client;
}

CLIENT_TEST(streams, when_both_halves_are_closed_the_connection_is_lost)
{
	HAWSER_OPTIONS(hawser_client_options, options, HALVES);
	struct script script;
	hawser_client *client = script_ready(&script, bed, &options);
	char text[16];

	shutdown(script.fd, SHUT_WR);
	bed_wait(bed, "data \n");
	cr_assert_eq(bed_call(bed, hawser_send(client, "mine", 4, NULL, 0, NULL)), 0);
	cr_assert_eq(bed_call(bed, hawser_shutdown_send(client)), 0);
	bed_wait(bed, "client waiting receive ECONNRESET lost");
	cr_assert_eq(recv(script.fd, text, sizeof(text), 0), 4, "what was queued came first");
	cr_assert_eq(recv(script.fd, text, sizeof(text), 0), 0);
	script_close(&script);
}

CLIENT_TEST(streams, when_both_halves_of_a_tcp_connection_are_closed_it_is_lost)
{
	HAWSER_OPTIONS(hawser_client_options, options, HALVES);
	struct script script;
	hawser_client *client = over_tcp(bed, &script, &options);

	shutdown(script.fd, SHUT_WR);
	bed_wait(bed, "data \n");
	bed_run_ms(bed, 20);
	cr_assert_eq(hawser_client_state(client), HAWSER_READY, "the host's half alone is not the end");
	cr_assert_eq(bed_call(bed, hawser_shutdown_send(client)), 0);
	bed_wait(bed, "client waiting receive ECONNRESET lost");
	script_close(&script);
}

CLIENT_TEST(streams, our_half_closed_first_the_hosts_end_is_still_the_end)
{
	HAWSER_OPTIONS(hawser_client_options, options, HALVES);
	struct script script;
	hawser_client *client = script_ready(&script, bed, &options);
	char text[16];

	cr_assert_eq(bed_call(bed, hawser_shutdown_send(client)), 0);
	bed_settle(bed);
	cr_assert_eq(recv(script.fd, text, sizeof(text), 0), 0);
	script_send_bytes(&script, "last", 4);
	bed_wait(bed, "data last");
	shutdown(script.fd, SHUT_WR);
	bed_wait(bed, "client waiting receive ECONNRESET lost");
	script_close(&script);
}

CLIENT_TEST(streams, a_host_that_dies_after_its_half_close_is_noticed)
{
	HAWSER_OPTIONS(hawser_client_options, options, HALVES);
	struct script script;

	script_ready(&script, bed, &options);
	shutdown(script.fd, SHUT_WR);
	bed_wait(bed, "data \n");
	bed_run_ms(bed, 20);
	script_hang_up(&script);
	bed_wait(bed, "client waiting receive ECONNRESET lost");
	cr_assert_eq(bed_count(bed, "data \n"), 1);
	script_close(&script);
}

CLIENT_TEST(streams, a_reset_after_the_half_close_is_noticed)
{
	HAWSER_OPTIONS(hawser_client_options, options, HALVES);
	struct script script;

	over_tcp(bed, &script, &options);
	shutdown(script.fd, SHUT_WR);
	bed_wait(bed, "data \n");
	linger_not(script.fd);
	script_hang_up(&script);
	bed_wait(bed, "client waiting receive ECONNRESET lost");
	script_close(&script);
}

CLIENT_TEST(streams, the_half_close_is_told_once_however_often_it_is_paused)
{
	HAWSER_OPTIONS(hawser_client_options, options, HALVES);
	struct script script;
	hawser_client *client = script_ready(&script, bed, &options);

	shutdown(script.fd, SHUT_WR);
	bed_wait(bed, "data \n");
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(bed_call(bed, hawser_pause(client)), 0);
		bed_settle(bed);
		cr_assert_eq(bed_call(bed, hawser_resume(client)), 0);
		bed_run_ms(bed, 10);
	}
	cr_assert_eq(bed_count(bed, "data \n"), 1);
	cr_assert_eq(hawser_client_state(client), HAWSER_READY);
	script_close(&script);
}

CLIENT_TEST(streams, the_hosts_end_while_paused_is_told_after_what_came_before_it)
{
	HAWSER_OPTIONS(hawser_client_options, options, HALVES);
	struct script script;
	hawser_client *client = script_ready(&script, bed, &options);

	cr_assert_eq(bed_call(bed, hawser_pause(client)), 0);
	bed_settle(bed);
	script_send_bytes(&script, "last", 4);
	shutdown(script.fd, SHUT_WR);
	bed_run_ms(bed, 20);
	cr_assert_eq(bed_count(bed, "data"), 0);
	cr_assert_eq(bed_call(bed, hawser_resume(client)), 0);
	bed_wait(bed, "data last");
	bed_wait(bed, "data \n");
	script_close(&script);
}

static size_t counted;

static void count_data(hawser_client *client, const struct hawser_bytes *data, void *user)
{
	(void)client;
	(void)user;
	counted += data->size;
}

CLIENT_TEST(streams, pausing_again_and_again_does_not_make_memory_grow)
{
	HAWSER_OPTIONS(hawser_client_options, options, .protocol = "raw", .on_data = count_data);
	static const char block[4096];
	struct script script;
	hawser_client *client = script_ready(&script, bed, &options);
	size_t sent = 0;
	size_t memory;

	counted = 0;
	cr_assert_eq(bed_call(bed, hawser_pause(client)), 0);
	bed_settle(bed);
	memory = bed->memory;
	for (int i = 0; i < 300; i++) {
		ssize_t size = send(script.fd, block, sizeof(block), MSG_NOSIGNAL | MSG_DONTWAIT);

		sent += size > 0 ? (size_t)size : 0;
		cr_assert_eq(bed_call(bed, hawser_resume(client)), 0);
		cr_assert_eq(bed_call(bed, hawser_pause(client)), 0);
		bed_settle(bed);
	}
	cr_assert_leq(bed->memory, memory + 32768, "what comes while paused stays in the kernel");
	cr_assert_eq(counted, 0);
	cr_assert_eq(bed_call(bed, hawser_resume(client)), 0);
	for (int i = 0; i < 1000 && counted < sent; i++)
		cr_assert_eq(hawser_loop_run_once(bed->loop, 10), 0);
	cr_assert_eq(counted, sent, "and none of it is lost");
	script_close(&script);
}

CLIENT_TEST(streams, half_close_is_for_streams)
{
	HAWSER_OPTIONS(hawser_client_options, options, .half_close = true);
	hawser_client *client = NULL;

	cr_assert_eq(bed_client_try(bed, &options, &client), -EINVAL);
	cr_assert_null(client);
}

enum { MANY = 200 };

static struct {
	hawser_client *clients[MANY];
	uintptr_t shallowest;
	uintptr_t deepest;
} many;

static void note_depth(hawser_client *client, const struct hawser_bytes *data, void *user)
{
	uintptr_t frame = (uintptr_t)__builtin_frame_address(0);

	(void)client;
	(void)user;
	counted += data->size;
	if (!many.shallowest || frame > many.shallowest)
		many.shallowest = frame;
	if (!many.deepest || frame < many.deepest)
		many.deepest = frame;
}

static void resume_all(void *user)
{
	(void)user;
	for (size_t i = 0; i < MANY; i++)
		cr_assert_eq(hawser_resume(many.clients[i]), 0);
}

CLIENT_TEST(streams, many_resumed_at_once_do_not_pile_up_on_the_stack)
{
	HAWSER_OPTIONS(hawser_client_options, options, .protocol = "raw", .on_data = note_depth);
	struct script scripts[MANY];

	counted = 0;
	memset(&many, 0, sizeof(many));
	script_open(&scripts[0], bed);
	for (size_t i = 0; i < MANY; i++) {
		scripts[i] = (struct script){scripts[0].listener, -1};
		many.clients[i] = bed_client(bed, &options);
		script_accept(&scripts[i], bed);
		bed_wait(bed, "client ready");
		script_send_bytes(&scripts[i], "x", 1);
		cr_assert_eq(bed_call(bed, hawser_pause(many.clients[i])), 0);
	}
	bed_run_ms(bed, 20);
	cr_assert_eq(hawser_loop_post(bed->loop, resume_all, NULL), 0);
	for (int i = 0; i < 1000 && counted < MANY; i++)
		cr_assert_eq(hawser_loop_run_once(bed->loop, 10), 0);
	cr_assert_eq(counted, MANY);
	cr_assert_leq(many.shallowest - many.deepest, 16384, "%zu bytes of stack",
	    (size_t)(many.shallowest - many.deepest));
	for (size_t i = 0; i < MANY; i++)
		close(scripts[i].fd);
	close(scripts[0].listener);
}
