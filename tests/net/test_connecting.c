/* SPDX-License-Identifier: MIT
 *
 * Connecting, failing and trying again, with real sockets: behaviours A1 to A12 and their kin.
 */
#include "../support/bed.h"
#include "../support/script.h"
#include "../support/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* A backoff that no test waits for, and one that none notices. */
#define AN_HOUR .backoff_base_ms = 3600000, .backoff_cap_ms = 3600000, .backoff_jitter = HAWSER_JITTER_NONE
#define AT_ONCE .backoff_base_ms = 1, .backoff_cap_ms = 2

static struct hawser_status status_of(hawser_client *client)
{
	struct hawser_status status = {.size = sizeof(status)};

	cr_assert_eq(hawser_client_status(client, &status), 0);
	return status;
}

CLIENT_TEST(connecting, a1_connect_begins_at_once_and_is_told_later)
{
	hawser_client *client;

	bed_host(bed, NULL);
	client = bed_client(bed, NULL);
	cr_assert_eq(
	    hawser_client_state(client), HAWSER_CONNECTING, "the attempt does not wait for the loop");
	cr_assert_eq(bed->length, 0, "nothing is told inside hawser_client_new");
	bed_wait(bed, "client ready");
	cr_assert_eq(bed_count(bed, "client connecting"), 1);
}

CLIENT_TEST(connecting, a1_d12_an_immediate_failure_is_told_later)
{
	HAWSER_OPTIONS(hawser_client_options, options, .rounds_max = 1);

	bed_client(bed, &options);
	cr_assert_eq(bed->length, 0);
	bed_wait(bed, "client closed connect ENOENT no host");
}

CLIENT_TEST(connecting, a2_without_retry_every_queued_binding_is_told_once_in_order)
{
	HAWSER_OPTIONS(hawser_client_options, options, .rounds_max = 1);
	hawser_client *client = bed_client(bed, &options);

	bed_bind(bed, client, "Echo");
	bed_bind(bed, client, "Counter");
	bed_bind(bed, client, "Files");
	bed_wait(bed, "client closed");
	bed_run_ms(bed, 30);
	cr_assert_eq(bed_count(bed, "failed connect ENOENT no host"), 3);
	bed_expect_order(bed, "Echo failed", "Counter failed");
	bed_expect_order(bed, "Counter failed", "Files failed");
	bed_expect_order(bed, "Files failed", "client closed");
}

CLIENT_TEST(connecting, a3_with_retry_no_binding_is_told_anything)
{
	HAWSER_OPTIONS(hawser_client_options, options, AT_ONCE);
	hawser_client *client = bed_client(bed, &options);
	hawser_binding *binding = bed_bind(bed, client, "Echo");

	for (int i = 0; i < 5; i++)
		bed_wait(bed, "client waiting connect ENOENT no host");
	cr_assert_eq(bed_count(bed, "Echo"), 0);
	cr_assert_eq(hawser_binding_state(binding), HAWSER_BINDING_QUEUED);
	bed_host(bed, NULL);
	bed_wait(bed, "Echo bound");
}

CLIENT_TEST(connecting, a3_the_perfetto_schedule_is_linear)
{
	HAWSER_OPTIONS(hawser_client_options, options, .backoff = HAWSER_BACKOFF_PERFETTO);
	hawser_client *client = bed_client(bed, &options);

	for (uint64_t failures = 1; failures <= 12; failures++) {
		uint64_t expected_ns = (failures <= 10 ? failures : 30) * 1000000000ULL;
		struct hawser_status status;

		bed_wait(bed, "client waiting connect ENOENT");
		status = status_of(client);
		cr_assert_leq(status.next_retry_ns, expected_ns);
		cr_assert_gt(status.next_retry_ns, expected_ns - 900000000ULL);
		cr_assert_eq(hawser_client_retry_now(client), 0);
	}
}

CLIENT_TEST(connecting, a4_backoff_begins_anew_after_a_useful_connection)
{
	HAWSER_OPTIONS(hawser_client_options, options, .backoff_base_ms = 20, .backoff_cap_ms = 60000,
	    .backoff_factor_percent = 1000, .backoff_jitter = HAWSER_JITTER_NONE);
	hawser_client *client = bed_client(bed, &options);
	struct hawser_status status;

	bed_bind(bed, client, "Echo");
	for (int i = 0; i < 3; i++) {
		bed_wait(bed, "client waiting connect ENOENT");
		hawser_client_retry_now(client);
	}
	bed_host(bed, NULL);
	hawser_client_retry_now(client);
	bed_wait(bed, "Echo bound");
	host_kill(&bed->host);
	bed_wait(bed, "client waiting receive");
	status = status_of(client);
	cr_assert_leq(status.next_retry_ns, 20000000ULL, "the base again, not 20 s");
	cr_assert_eq(status.failures_in_a_row, 0, "losing a useful connection is no failed round");
}

CLIENT_TEST(connecting, a4_accept_and_drop_does_not_begin_anew)
{
	HAWSER_OPTIONS(hawser_client_options, options, AT_ONCE);
	hawser_client *client;

	bed_host(bed, HOST_ARGUMENTS("--close-on-accept"));
	client = bed_client(bed, &options);
	for (int i = 0; i < 7; i++)
		bed_wait(bed, "client waiting");
	cr_assert_geq(
	    status_of(client).failures_in_a_row, 7, "a connection without a byte is a failed round");
}

CLIENT_TEST(connecting, a4_a_host_that_talks_nonsense_does_not_begin_anew)
{
	HAWSER_OPTIONS(hawser_client_options, options, AT_ONCE, .rounds_max = 3);
	struct script script;

	script_open(&script, bed);
	bed_bind(bed, bed_client(bed, &options), "Echo");
	for (int i = 0; i < 3; i++) {
		script_accept(&script, bed);
		script_send(&script, "ffffffffff");
		bed_wait(bed, i < 2 ? "client waiting" : "client closed receive EMSGSIZE protocol");
		script_hang_up(&script);
	}
	script_close(&script);
}

CLIENT_TEST(connecting, a5_a_path_that_appears_is_tried_at_once)
{
	HAWSER_OPTIONS(hawser_client_options, options, AN_HOUR);

	bed_client(bed, &options);
	bed_wait(bed, "client waiting connect ENOENT no host");
	bed_host(bed, NULL);
	bed_wait(bed, "client ready");
}

CLIENT_TEST(connecting, a5_a_stale_path_that_is_replaced_is_tried_at_once)
{
	HAWSER_OPTIONS(hawser_client_options, options, AN_HOUR);

	close(sockets_listen_path(bed->target, -1));
	bed_client(bed, &options);
	bed_wait(bed, "client waiting connect ECONNREFUSED refused");
	bed_host(bed, NULL);
	bed_wait(bed, "client ready");
}

CLIENT_TEST(connecting, a5_a_missing_directory_leaves_the_timer)
{
	HAWSER_OPTIONS(hawser_client_options, options, .target = "unix:/nonexistent/hawser/x.sock", AT_ONCE);

	bed_client(bed, &options);
	for (int i = 0; i < 4; i++)
		bed_wait(bed, "client waiting connect ENOENT no host");
}

CLIENT_TEST(connecting, a6_bind_and_listen_apart_are_bridged_by_short_retries)
{
	HAWSER_OPTIONS(hawser_client_options, options, AN_HOUR);
	int fd;

	bed_client(bed, &options);
	bed_wait(bed, "client waiting connect ENOENT");
	fd = sockets_listen_path(bed->target, -1);
	bed_wait(bed, "client waiting connect ECONNREFUSED refused");
	cr_assert_eq(listen(fd, 8), 0);
	bed_wait(bed, "client ready");
	close(fd);
}

CLIENT_TEST(connecting, a6_when_the_ladder_is_used_up_the_timer_takes_over)
{
	HAWSER_OPTIONS(hawser_client_options, options, AN_HOUR);
	hawser_client *client = bed_client(bed, &options);
	struct hawser_status status;
	int fd;

	bed_wait(bed, "client waiting connect ENOENT");
	fd = sockets_listen_path(bed->target, -1);
	for (int i = 0; i < 8; i++)
		bed_wait(bed, "client waiting connect ECONNREFUSED");
	status = status_of(client);
	cr_assert_gt(status.next_retry_ns, 3000000000000ULL, "the backoff's own deadline");
	cr_assert_eq(status.round, 1, "short retries are no rounds");
	cr_assert_eq(status.failures_in_a_row, 1);
	close(fd);
}

CLIENT_TEST(connecting, a7_a_watch_hit_neither_moves_the_backoff_nor_arms_a_second_timer)
{
	HAWSER_OPTIONS(hawser_client_options, options, .backoff_base_ms = 600, .backoff_cap_ms = 600,
	    .backoff_jitter = HAWSER_JITTER_NONE);
	hawser_client *client = bed_client(bed, &options);
	struct hawser_status status;
	int fd;

	bed_wait(bed, "client waiting connect ENOENT");
	fd = sockets_listen_path(bed->target, -1);
	for (int i = 0; i < 8; i++)
		bed_wait(bed, "client waiting connect ECONNREFUSED");
	status = status_of(client);
	cr_assert_eq(status.failures_in_a_row, 1, "a watch's attempts do not count");
	cr_assert_eq(status.attempt, 9);
	cr_assert_leq(status.next_retry_ns, 600000000ULL);
	bed_wait(bed, "client waiting connect ECONNREFUSED");
	cr_assert_eq(status_of(client).round, 2, "then the timer's own round");
	close(fd);
}

CLIENT_TEST(connecting, a8_a_dropped_syn_is_never_called_connected)
{
	char target[HOST_TARGET_BYTES];
	HAWSER_OPTIONS(
	    hawser_client_options, options, .target = target, .rounds_max = 1, .attempt_deadline_ms = 150);
	struct black_hole hole;
	hawser_client *client;

	black_hole_open(&hole, target, sizeof(target));
	client = bed_client(bed, &options);
	bed_bind(bed, client, "Echo");
	bed_wait(bed, "client closed connect ETIMEDOUT deadline");
	cr_assert_eq(bed_count(bed, "client preparing"), 0);
	cr_assert_eq(bed_count(bed, "client ready"), 0);
	cr_assert_eq(bed_count(bed, "Echo failed connect ETIMEDOUT deadline"), 1);
	black_hole_close(&hole);
}

CLIENT_TEST(connecting, a9_a_full_backlog_has_its_own_cause_and_short_retries)
{
	HAWSER_OPTIONS(hawser_client_options, options, AN_HOUR);
	int fd = sockets_listen_path(bed->target, 0);
	int filler = sockets_connect_path(bed->target);
	int accepted;

	bed_client(bed, &options);
	bed_wait(bed, "client waiting connect EAGAIN backlog full");
	bed_wait(bed, "client waiting connect EAGAIN backlog full");
	accepted = accept(fd, NULL, NULL);
	bed_wait(bed, "client ready");
	close(accepted);
	close(filler);
	close(fd);
}

CLIENT_TEST(connecting, a9_a_backlog_that_stays_full_is_one_failed_round)
{
	HAWSER_OPTIONS(hawser_client_options, options, .rounds_max = 1);
	int fd = sockets_listen_path(bed->target, 0);
	int filler = sockets_connect_path(bed->target);

	bed_client(bed, &options);
	bed_wait(bed, "client closed connect EAGAIN backlog full");
	cr_assert_eq(bed_count(bed, "client waiting connect EAGAIN backlog full"), 7);
	close(filler);
	close(fd);
}

CLIENT_TEST(connecting, a10_an_adopted_socket_binds_at_once_and_is_not_retried)
{
	char target[HOST_TARGET_BYTES];
	HAWSER_OPTIONS(hawser_client_options, options, .target = target);
	hawser_client *client;
	int pair[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	snprintf(target, sizeof(target), "fd:%d", pair[0]);
	client = bed_client(bed, &options);
	bed_bind(bed, client, "Echo");
	bed_wait(bed, "client ready");
	bed_settle(bed);
	cr_assert_gt(recv(pair[1], target, 4, MSG_DONTWAIT), 0, "the bind went out");
	close(pair[1]);
	bed_wait(bed, "Echo failed receive ECONNRESET lost");
	bed_wait(bed, "client closed receive ECONNRESET lost");
	cr_assert_eq(bed_count(bed, "client waiting"), 0);
	cr_assert_eq(fcntl(pair[0], F_GETFD), -1, "an adopted socket is the client's to close");
}

CLIENT_TEST(connecting, a10_what_is_no_connected_stream_is_not_adopted)
{
	char target[HOST_TARGET_BYTES];
	HAWSER_OPTIONS(hawser_client_options, options, .target = target);
	hawser_client *client = NULL;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);

	snprintf(target, sizeof(target), "fd:%d", fd);
	cr_assert_eq(bed_client_try(bed, &options, &client), -ENOTCONN);
	snprintf(target, sizeof(target), "fd:%d", file);
	cr_assert_eq(bed_client_try(bed, &options, &client), -ENOTSOCK);
	close(file);
	cr_assert_eq(bed_client_try(bed, &options, &client), -EBADF);
	cr_assert_null(client, "an output is untouched on failure");
	cr_assert_eq(fcntl(fd, F_GETFD), FD_CLOEXEC, "what was not adopted is still the caller's");
	close(fd);
}

CLIENT_TEST(connecting, a11_no_descriptor_left_is_a_connect_failure_told_later)
{
	HAWSER_OPTIONS(hawser_client_options, options, .rounds_max = 1, .target = "tcp:127.0.0.1:9");
	struct rlimit before;
	struct rlimit none;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 3;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	bed_client(bed, &options);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	cr_assert_eq(bed->length, 0);
	bed_wait(bed, "client closed socket EMFILE local");
}

CLIENT_TEST(connecting, a12_a_bind_that_is_never_answered_has_a_deadline)
{
	HAWSER_OPTIONS(hawser_client_options, options, .bind_deadline_ms = 50, .rounds_max = 2,
	    .backoff_base_ms = 1, .backoff_cap_ms = 1);
	hawser_client *client;

	bed_host(bed, HOST_ARGUMENTS("--never-answer"));
	client = bed_client(bed, &options);
	bed_bind(bed, client, "Echo");
	bed_wait(bed, "client ready");
	bed_wait(bed, "client waiting bind ETIMEDOUT deadline");
	bed_wait(bed, "client ready");
	bed_wait(bed, "Echo failed bind ETIMEDOUT deadline");
	bed_wait(bed, "client closed bind ETIMEDOUT deadline");
}

CLIENT_TEST(connecting, refused_is_told_with_stage_errno_and_address)
{
	char target[HOST_TARGET_BYTES];
	HAWSER_OPTIONS(hawser_client_options, options, .target = target, .rounds_max = 1);
	int fd = sockets_listen_tcp(-1, target, sizeof(target));
	hawser_client *client = bed_client(bed, &options);
	struct hawser_status status;

	bed_wait(bed, "client closed connect ECONNREFUSED refused");
	status = status_of(client);
	cr_assert_eq(status.state, HAWSER_CLOSED, "status works after the end");
	cr_assert_eq(status.last_code, -ECONNREFUSED);
	cr_assert_eq(status.last_stage, HAWSER_STAGE_CONNECT);
	cr_assert_str_eq(status.address, target + strlen("tcp:"));
	cr_assert_eq(status.attempts_count, 1);
	cr_assert_eq(status.attempts[0].code, -ECONNREFUSED);
	cr_assert_str_eq(status.attempts[0].address, target + strlen("tcp:"));
	cr_assert_eq(status.causes[HAWSER_CAUSE_REFUSED], 1);
	cr_assert_eq(hawser_client_connect(client), -ESTALE);
	close(fd);
}

CLIENT_TEST(connecting, the_overall_deadline_ends_the_client)
{
	HAWSER_OPTIONS(hawser_client_options, options, .overall_deadline_ms = 60, AN_HOUR);
	hawser_client *client = bed_client(bed, &options);

	bed_bind(bed, client, "Echo");
	bed_wait(bed, "client waiting connect ENOENT no host");
	bed_wait(bed, "Echo failed connect ETIMEDOUT deadline");
	bed_wait(bed, "client closed connect ETIMEDOUT deadline");
}
