/* SPDX-License-Identifier: MIT
 *
 * Ends that come at a bad moment: while a send is blocked, while many come at once, while something is being
 * superseded; and what status and the owner are told of them.
 */
#include "../support/bed.h"
#include "../support/script.h"
#include "../support/sockets.h"
#include "net/resolver.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define AT_ONCE .backoff_base_ms = 1, .backoff_cap_ms = 2

enum { LARGE = 4 << 20 };

static void send_large(struct bed *bed, hawser_client *client)
{
	char *bytes = calloc(1, LARGE);

	cr_assert_eq(bed_call(bed, hawser_send(client, bytes, LARGE, NULL, 0, NULL)), 0);
	free(bytes);
}

/* The bed frees the loop, which must not wait for a host that never reads. */
CLIENT_TEST(ends, a_blocked_send_does_not_outlive_its_connection)
{
	HAWSER_OPTIONS(hawser_client_options, options, .protocol = "raw", AT_ONCE);
	struct script script;
	hawser_client *client = script_ready(&script, bed, &options);
	int hosts[3];

	for (int i = 0; i < 3; i++) {
		send_large(bed, client);
		bed_run_ms(bed, 30);
		shutdown(script.fd, SHUT_WR);
		bed_wait(bed, "client waiting receive ECONNRESET lost");
		hosts[i] = script.fd;
		script.fd = -1;
		script_accept(&script, bed);
		bed_wait(bed, "client ready");
	}
	cr_assert_eq(bed_call(bed, hawser_client_close(client)), 0);
	bed_wait(bed, "client closed");
	for (int i = 0; i < 3; i++)
		close(hosts[i]);
	script_close(&script);
}

CLIENT_TEST(ends, a_blocked_tcp_send_does_not_outlive_its_connection)
{
	char target[64];
	HAWSER_OPTIONS(hawser_client_options, options, .target = target, .protocol = "raw", .rounds_max = 1,
	    .unsent_bytes_max = 64 << 20);
	struct script script = {.fd = -1};
	char *bytes = calloc(1, 20 << 20);
	hawser_client *client;

	script.listener = sockets_listen_tcp(8, target, sizeof(target));
	client = bed_client(bed, &options);
	script_accept(&script, bed);
	bed_wait(bed, "client ready");
	cr_assert_eq(bed_call(bed, hawser_send(client, bytes, 20 << 20, NULL, 0, NULL)), 0);
	bed_run_ms(bed, 50);
	shutdown(script.fd, SHUT_WR);
	bed_wait(bed, "client closed receive ECONNRESET lost");
	free(bytes);
	script_close(&script);
}

CLIENT_TEST(ends, a_drain_sends_all_to_a_host_that_half_closes)
{
	HAWSER_OPTIONS(hawser_client_options, options, .protocol = "raw", .half_close = true);
	struct script script;
	hawser_client *client = script_ready(&script, bed, &options);

	send_large(bed, client);
	cr_assert_eq(bed_call(bed, hawser_client_drain(client)), 0);
	bed_settle(bed);
	shutdown(script.fd, SHUT_WR);
	bed_wait(bed, "data \n");
	script_swallow(&script, bed, LARGE);
	bed_wait(bed, "client closed none ECANCELED");
	script_close(&script);
}

enum { HALVES = 60 };

CLIENT_TEST(ends, many_half_closes_do_not_keep_a_turn_from_ending)
{
	HAWSER_OPTIONS(hawser_client_options, options, .protocol = "raw", .half_close = true);
	struct script scripts[HALVES];

	script_ready(&scripts[0], bed, &options);
	for (int i = 1; i < HALVES; i++) {
		scripts[i] = (struct script){scripts[0].listener, -1};
		bed_client(bed, &options);
		script_accept(&scripts[i], bed);
		bed_wait(bed, "client ready");
	}
	for (int i = 0; i < HALVES; i++)
		shutdown(scripts[i].fd, SHUT_WR);
	for (int i = 0; i < HALVES; i++)
		bed_wait(bed, "data \n");
	bed_run_ms(bed, 20);
	for (int i = 0; i < HALVES; i++)
		close(scripts[i].fd);
	for (int i = 0; i < HALVES; i++)
		bed_wait(bed, "client waiting receive ECONNRESET lost");
	close(scripts[0].listener);
}

CLIENT_TEST(ends, who_was_refused_room_is_told_after_a_loss_too)
{
	HAWSER_OPTIONS(hawser_client_options, options, .protocol = "raw", .unsent_bytes_max = 65536, AT_ONCE);
	struct script script;
	hawser_client *client = script_ready(&script, bed, &options);
	char *bytes = calloc(1, 65536);

	while (bed_call(bed, hawser_send(client, bytes, 65536, NULL, 0, NULL)) == 0)
		bed_settle(bed);
	cr_assert_eq(bed_count(bed, "writable"), 0);
	script_hang_up(&script);
	bed_wait(bed, "writable");
	bed_settle(bed);
	cr_assert_eq(bed_count(bed, "writable"), 1);
	free(bytes);
	script_close(&script);
}

static size_t seen;

static void count_data(hawser_client *client, const struct hawser_bytes *data, void *user)
{
	(void)client;
	(void)user;
	seen += data->size;
}

/* Leaves what it is shown to on_data. */
static ssize_t peek(hawser_client *client, const struct hawser_bytes *data, bool *ret_done, void *user)
{
	(void)client;
	(void)data;
	(void)user;
	*ret_done = true;
	return 0;
}

static void pause_when_ready(struct bed *bed, const char *line, void *handle)
{
	if (strcmp(line, "client ready") == 0)
		cr_assert_eq(hawser_pause(handle), 0, "%s", bed->log);
}

CLIENT_TEST(ends, what_a_setup_leaves_waits_for_who_pauses)
{
	HAWSER_OPTIONS(hawser_client_options, options, .protocol = "raw", .on_data = count_data);
	HAWSER_OPTIONS(hawser_setup_options, setup, .request = {"hi", 2}, .check = peek);
	struct script script;
	hawser_client *client;

	seen = 0;
	bed->told = pause_when_ready;
	script_open(&script, bed);
	client = bed_client(bed, &options);
	cr_assert_eq(bed_call(bed, hawser_client_setup(client, &setup, bed_on_setup, bed)), 0);
	script_accept(&script, bed);
	script_send_bytes(&script, "banner", 6);
	bed_wait(bed, "client ready");
	bed_run_ms(bed, 20);
	cr_assert_eq(seen, 0, "paused");
	cr_assert_eq(bed_call(bed, hawser_resume(client)), 0);
	for (int i = 0; i < 100 && seen < 6; i++)
		cr_assert_eq(hawser_loop_run_once(bed->loop, 10), 0);
	cr_assert_eq(seen, 6);
	script_close(&script);
}

static void pause_at_the_half(struct bed *bed, const char *line, void *handle)
{
	if (strcmp(line, "data ") == 0)
		cr_assert_eq(hawser_pause(handle), 0, "%s", bed->log);
}

CLIENT_TEST(ends, the_whole_end_waits_for_who_pauses)
{
	HAWSER_OPTIONS(hawser_client_options, options, .protocol = "raw", .half_close = true);
	struct script script;
	hawser_client *client = script_ready(&script, bed, &options);

	bed->told = pause_at_the_half;
	shutdown(script.fd, SHUT_WR);
	bed_wait(bed, "data \n");
	script_hang_up(&script);
	bed_run_ms(bed, 30);
	cr_assert_eq(bed_count(bed, "client waiting"), 0, "%s", bed->log);
	cr_assert_eq(bed_call(bed, hawser_resume(client)), 0);
	bed_wait(bed, "client waiting receive ECONNRESET lost");
	script_close(&script);
}

static struct hawser_status status_of(hawser_client *client)
{
	struct hawser_status status = {.size = sizeof(status)};

	cr_assert_eq(hawser_client_status(client, &status), 0);
	return status;
}

CLIENT_TEST(ends, an_attempt_cut_short_is_remembered)
{
	char target[HOST_TARGET_BYTES];
	HAWSER_OPTIONS(hawser_client_options, options, .target = target, .attempt_deadline_ms = 60000);
	HAWSER_OPTIONS(hawser_client_options, hurried, .target = target, .attempt_deadline_ms = 60000,
	    .overall_deadline_ms = 30);
	struct black_hole hole;
	struct hawser_status status;
	hawser_client *client;

	black_hole_open(&hole, target, sizeof(target));
	client = bed_client(bed, &options);
	bed_settle(bed);
	cr_assert_eq(bed_call(bed, hawser_client_connect(client)), 0);
	status = status_of(client);
	cr_assert_eq(status.attempts_count, 1);
	cr_assert_eq(status.attempts[0].code, -ECANCELED);
	client = bed_client(bed, &hurried);
	bed_wait(bed, "client closed connect ETIMEDOUT deadline");
	status = status_of(client);
	cr_assert_eq(status.attempts_count, 1);
	cr_assert_eq(status.attempts[0].code, -ETIMEDOUT);
	cr_assert_str_eq(status.attempts[0].address, target + strlen("tcp:"));
	black_hole_close(&hole);
}

CLIENT_TEST(ends, starting_over_while_waiting_keeps_the_last_failure)
{
	HAWSER_OPTIONS(hawser_client_options, options, .backoff_base_ms = 3600000, .backoff_cap_ms = 3600000,
	    .start_later = true);
	hawser_client *client = bed_client(bed, &options);
	struct hawser_status status;

	cr_assert_eq(bed_call(bed, hawser_client_connect(client)), 0);
	bed_wait(bed, "client waiting connect ENOENT");
	cr_assert_eq(bed_call(bed, hawser_client_connect(client)), 0);
	status = status_of(client);
	cr_assert_eq(status.last_code, -ENOENT);
	cr_assert_eq(status.causes[HAWSER_CAUSE_CANCELLED], 0, "nothing was given up");
}

CLIENT_TEST(ends, the_age_of_a_state_begins_with_it)
{
	HAWSER_OPTIONS(hawser_client_options, options, .protocol = "raw");
	struct script script;
	hawser_client *client = script_ready(&script, bed, &options);
	struct hawser_status before;
	struct hawser_status after;

	usleep(400000);
	before = status_of(client);
	cr_assert_eq(bed_call(bed, hawser_client_close(client)), 0);
	after = status_of(client);
	cr_assert_lt(after.age_ns, before.age_ns, "it does not count what came before the close");
	script_close(&script);
}

CLIENT_TEST(ends, a_descriptor_that_is_not_open_is_refused_and_nothing_is_lost)
{
	HAWSER_OPTIONS(hawser_client_options, options, .protocol = "raw");
	struct script script;
	hawser_client *client = script_ready(&script, bed, &options);
	const int closed = 1000;
	char text[8];

	cr_assert_eq(bed_call(bed, hawser_send(client, "x", 1, &closed, 1, NULL)), -EBADF);
	cr_assert_eq(bed_call(bed, hawser_send(client, "y", 1, NULL, 0, NULL)), 0);
	bed_settle(bed);
	cr_assert_eq(recv(script.fd, text, sizeof(text), 0), 1);
	cr_assert_eq(text[0], 'y');
	script_close(&script);
}

CLIENT_TEST(ends, small_frames_with_descriptors_cost_little)
{
	HAWSER_OPTIONS(hawser_client_options, options, .protocol = "raw");
	struct script script;
	hawser_client *client = script_ready(&script, bed, &options);
	size_t memory = bed->memory;

	for (int i = 0; i < 100; i++) {
		int fd = dup(STDIN_FILENO);

		cr_assert_eq(bed_call(bed, hawser_send(client, "x", 1, &fd, 1, NULL)), 0);
	}
	cr_assert_leq(bed->memory - memory, 100 * 512, "%zu bytes", bed->memory - memory);
	script_close(&script);
}

static int two_addresses(
    const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **ret)
{
	struct addrinfo numeric = {
	    .ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};

	(void)host;
	(void)hints;
	if (getaddrinfo("127.0.0.2", port, &numeric, ret) != 0)
		return EAI_FAIL;
	return getaddrinfo("127.0.0.1", port, &numeric, &(*ret)->ai_next);
}

static void note_failure(hawser_client *client, const struct hawser_change *change, void *user)
{
	(void)client;
	bed_note(user, "%s %u %.9s", hawser_state_name(change->to), change->attempt, change->address);
	if (change->error)
		bed_note(user, "failed %u %.9s", change->error->attempt, change->error->address);
}

CLIENT_TEST(ends, a_failure_names_its_own_attempt_and_not_the_next)
{
	char target[HOST_TARGET_BYTES];
	HAWSER_OPTIONS(hawser_client_options, options, .target = target, .protocol = "raw", .user = bed,
	    .on_change = note_failure);
	int fd = sockets_listen_tcp(8, target, sizeof(target));
	hawser_client *client;
	unsigned port;

	port = (unsigned)strtoul(strrchr(target, ':') + 1, NULL, 10);
	snprintf(target, sizeof(target), "tcp:two.example:%u", port);
	resolver_lookup = two_addresses;
	cr_assert_eq(bed_call(bed, hawser_client_new(bed->loop, &options, &client)), 0);
	bed_wait(bed, "connecting 1 127.0.0.2");
	bed_wait(bed, "connecting 2 127.0.0.1\nfailed 1 127.0.0.2");
	bed_wait(bed, "ready 2 127.0.0.1");
	hawser_client_free(client);
	bed_settle(bed);
	close(fd);
}
