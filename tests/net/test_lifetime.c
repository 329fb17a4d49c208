/* SPDX-License-Identifier: MIT
 *
 * Freeing and calling anything from any callback, loops that are freed, forks. Behaviours A48 to A51, C, D14
 * to D18. Run under AddressSanitizer these are the tests that matter most.
 */
#include "../support/bed.h"
#include "../support/script.h"
#include "../support/sockets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT_ONCE .backoff_base_ms = 1, .backoff_cap_ms = 2

static void free_client_on(struct bed *bed, const char *line, void *handle)
{
	(void)handle;
	if (!bed->clients_count || !strstr(line, (const char *)bed->user))
		return;
	hawser_client_free(bed->clients[0]);
	bed_forget_client(bed, bed->clients[0]);
	bed_note(bed, "freed");
}

CLIENT_TEST(lifetime, a48_client_freed_in_the_failure_of_the_connect)
{
	HAWSER_OPTIONS(hawser_client_options, options, .rounds_max = 1);
	hawser_client *client = bed_client(bed, &options);

	bed->user = "Echo failed";
	bed->told = free_client_on;
	bed_bind(bed, client, "Echo");
	bed_bind(bed, client, "Counter");
	bed_wait(bed, "freed");
	bed_run_ms(bed, 10);
	cr_assert_eq(bed_count(bed, "Echo"), 1);
	cr_assert_eq(bed_count(bed, "Counter"), 1);
	cr_assert_eq(bed_count(bed, "client closed"), 0);
}

CLIENT_TEST(lifetime, a49_client_freed_when_a_binding_is_bound)
{
	hawser_client *client;

	bed_host(bed, NULL);
	client = bed_client(bed, NULL);
	bed->user = "Echo bound";
	bed->told = free_client_on;
	bed_bind(bed, client, "Echo");
	bed_bind(bed, client, "Counter");
	bed_wait(bed, "freed");
	bed_wait(bed, "Echo released");
	bed_run_ms(bed, 10);
	cr_assert_eq(bed_count(bed, "Counter"), 1, "%s", bed->log);
}

CLIENT_TEST(lifetime, a50_client_freed_in_a_reply)
{
	hawser_binding *counter;

	bed_host(bed, NULL);
	counter = bed_bind(bed, bed_client(bed, NULL), "Counter");
	bed_wait(bed, "Counter bound");
	bed->user = "more 5";
	bed->told = free_client_on;
	cr_assert_eq(bed_invoke(bed, counter, "Count", "1000"), 0);
	bed_wait(bed, "freed");
	bed_wait(bed, "call none ECANCELED cancelled, maybe executed");
	bed_wait(bed, "Counter released");
	bed_run_ms(bed, 10);
	cr_assert_eq(bed_count(bed, "more "), 5);
}

static void free_binding_on_bound(struct bed *bed, const char *line, void *handle)
{
	if (!strstr(line, " bound"))
		return;
	cr_assert_eq(bed_invoke(bed, handle, "Echo", "never told"), 0);
	bed_forget_binding(bed, handle);
	hawser_binding_free(handle);
}

CLIENT_TEST(lifetime, a51_a_binding_freed_in_its_own_callback)
{
	bed_host(bed, NULL);
	bed->told = free_binding_on_bound;
	bed_bind(bed, bed_client(bed, NULL), "Echo");
	bed_wait(bed, "Echo bound");
	bed_wait(bed, "call none ECANCELED cancelled");
	bed_run_ms(bed, 20);
	cr_assert_eq(bed_count(bed, "Echo"), 1, "nothing after the handle is freed");
}

static void free_loop(struct bed *bed, const char *line, void *handle)
{
	(void)handle;
	if (bed->loop_gone || !strstr(line, (const char *)bed->user))
		return;
	bed->loop_gone = true;
	hawser_loop_free(bed->loop);
	bed_note(bed, "loop freed");
}

static void free_loop_at(struct bed *bed, const char *line)
{
	hawser_binding *slow;

	bed_host(bed, NULL);
	bed->user = (void *)(uintptr_t)line;
	bed->told = free_loop;
	slow = bed_bind(bed, bed_client(bed, NULL), "Slow");
	cr_assert_eq(bed_invoke(bed, slow, "Never", ""), 0);
	cr_assert_eq(bed_invoke(bed, slow, "Wait", "1"), 0);
	cr_assert_eq(bed_invoke(bed, slow, "Wait", "1"), 0);
	for (int i = 0; i < 500 && !bed->loop_gone; i++)
		hawser_loop_run_once(bed->loop, 100);
	cr_assert_eq(bed_count(bed, "loop freed"), 1);
	cr_assert_eq(bed_count(bed, "Slow released none ECANCELED cancelled"), 1, "%s", bed->log);
	cr_assert_geq(bed_count(bed, "call none ECANCELED"), 1);
	cr_assert_eq(hawser_binding_release(slow), -ESTALE);
	cr_assert_eq(hawser_client_state(bed->clients[0]), HAWSER_CLOSED);
	cr_assert_eq(hawser_client_connect(bed->clients[0]), -ESTALE);
}

CLIENT_TEST(lifetime, the_loop_freed_while_connecting)
{
	free_loop_at(bed, "client connecting");
}

CLIENT_TEST(lifetime, the_loop_freed_when_bound)
{
	free_loop_at(bed, "Slow bound");
}

CLIENT_TEST(lifetime, the_loop_freed_in_a_reply)
{
	free_loop_at(bed, "reply");
}

CLIENT_TEST(lifetime, the_loop_freed_outside_answers_before_it_returns)
{
	hawser_binding *echo = bed_bind(bed, bed_client(bed, NULL), "Echo");

	cr_assert_eq(bed_invoke(bed, echo, "Echo", "x"), 0);
	bed_run_ms(bed, 5);
	bed->loop_gone = true;
	hawser_loop_free(bed->loop);
	cr_assert_eq(bed_count(bed, "call none ECANCELED cancelled, never sent"), 1);
	cr_assert_eq(bed_count(bed, "Echo released none ECANCELED cancelled"), 1);
	cr_assert_eq(bed_count(bed, "client closed"), 1);
	cr_assert_eq(hawser_invoke(echo, "Echo", "x", 1, bed_on_reply, bed, NULL), -ESTALE);
}

/* C: setup, stop, and what is told when. */
CLIENT_TEST(lifetime, c2_ready_is_told_once)
{
	bed_host(bed, NULL);
	bed_client(bed, NULL);
	bed_wait(bed, "client ready");
	bed_run_ms(bed, 20);
	cr_assert_eq(bed_count(bed, "client ready"), 1);
	cr_assert_eq(bed_count(bed, "client closed"), 0);
}

CLIENT_TEST(lifetime, c4_closing_twice_is_told_once)
{
	hawser_client *client;

	bed_host(bed, NULL);
	client = bed_client(bed, NULL);
	bed_wait(bed, "client ready");
	cr_assert_eq(bed_call(bed, hawser_client_close(client)), 0);
	cr_assert_eq(bed_call(bed, hawser_client_close(client)), -ESTALE);
	bed_wait(bed, "client closed none ECANCELED cancelled");
	bed_run_ms(bed, 10);
	cr_assert_eq(bed_count(bed, "client closed"), 1);
	cr_assert_eq(bed_call(bed, hawser_client_drain(client)), -ESTALE);
}

CLIENT_TEST(lifetime, c14_d15_what_comes_late_for_a_closed_client_finds_nobody)
{
	HAWSER_OPTIONS(hawser_client_options, options, .attempts_kept = 4);
	hawser_client *client;

	bed_host(bed, NULL);
	for (int i = 0; i < 20; i++) {
		client = bed_client(bed, &options);
		bed_forget_client(bed, client);
		if (i % 2)
			bed_settle(bed);
		hawser_client_free(client);
	}
	client = bed_client(bed, NULL);
	bed_wait(bed, "client ready");
	bed_run_ms(bed, 10);
	cr_assert_eq(hawser_client_state(client), HAWSER_READY);
}

CLIENT_TEST(lifetime, d14_close_while_connecting_is_told_and_free_is_silent)
{
	char target[HOST_TARGET_BYTES];
	HAWSER_OPTIONS(hawser_client_options, options, .target = target, .attempt_deadline_ms = 60000);
	struct black_hole hole;
	hawser_client *closed;
	hawser_client *freed;
	size_t length;

	black_hole_open(&hole, target, sizeof(target));
	closed = bed_client(bed, &options);
	bed_settle(bed);
	cr_assert_eq(bed_call(bed, hawser_client_close(closed)), 0);
	bed_wait(bed, "client closed none ECANCELED cancelled");
	cr_assert_eq(bed_count(bed, "client preparing"), 0);
	freed = bed_client(bed, &options);
	bed_settle(bed);
	length = bed->length;
	bed_forget_client(bed, freed);
	hawser_client_free(freed);
	bed_run_ms(bed, 20);
	cr_assert_eq(bed->length, length, "silence");
	black_hole_close(&hole);
}

static void connect_again(struct bed *bed, const char *line, void *handle)
{
	if (strcmp(line, "client ready") == 0 && bed_count(bed, "client ready") < 5)
		cr_assert_eq(hawser_client_connect(handle), 0);
}

CLIENT_TEST(lifetime, d16_starting_over_inside_ready_works_again_and_again)
{
	bed_host(bed, NULL);
	bed->told = connect_again;
	bed_bind(bed, bed_client(bed, NULL), "Echo");
	bed_wait(bed, "Echo bound");
	cr_assert_eq(bed_count(bed, "client ready"), 5);
}

CLIENT_TEST(lifetime, d17_a_lost_connection_comes_back_by_itself)
{
	HAWSER_OPTIONS(hawser_client_options, options, AT_ONCE);

	bed_host(bed, NULL);
	bed_bind(bed, bed_client(bed, &options), "Echo");
	for (int i = 0; i < 3; i++) {
		bed_wait(bed, "Echo bound");
		cr_assert_eq(host_restart(&bed->host), 0);
	}
	bed_wait(bed, "Echo bound");
	cr_assert_eq(bed_count(bed, "Echo lost"), 3);
}

CLIENT_TEST(lifetime, d18_sending_before_ready_is_enotconn_and_what_was_lost_is_known)
{
	char target[HOST_TARGET_BYTES];
	HAWSER_OPTIONS(hawser_client_options, options, .target = target, .protocol = "raw", .rounds_max = 1,
	    .attempt_deadline_ms = 100);
	struct black_hole hole;
	hawser_client *client;

	black_hole_open(&hole, target, sizeof(target));
	client = bed_client(bed, &options);
	cr_assert_eq(bed_call(bed, hawser_send(client, "x", 1, NULL, 0, NULL)), -ENOTCONN);
	bed_wait(bed, "client closed connect ETIMEDOUT");
	cr_assert_eq(bed_call(bed, hawser_send(client, "x", 1, NULL, 0, NULL)), -ESTALE);
	black_hole_close(&hole);
}

CLIENT_TEST(lifetime, d9_a_deadline_of_zero_is_einval)
{
	HAWSER_OPTIONS(hawser_client_options, attempt, .attempt_deadline_ms = 0);
	HAWSER_OPTIONS(hawser_client_options, overall, .overall_deadline_ms = 0);
	HAWSER_OPTIONS(hawser_client_options, setup, .setup_deadline_ms = 0);
	hawser_client *client = NULL;

	cr_assert_eq(bed_client_try(bed, &attempt, &client), -EINVAL);
	cr_assert_eq(bed_client_try(bed, &overall, &client), -EINVAL);
	cr_assert_eq(bed_client_try(bed, &setup, &client), -EINVAL);
	cr_assert_null(client);
}

CLIENT_TEST(lifetime, drain_awaits_the_answers_and_then_closes)
{
	hawser_binding *slow;
	hawser_client *client;
	hawser_binding *late = NULL;

	bed_host(bed, NULL);
	client = bed_client(bed, NULL);
	slow = bed_bind(bed, client, "Slow");
	bed_wait(bed, "Slow bound");
	cr_assert_eq(bed_invoke(bed, slow, "Wait", "50"), 0);
	cr_assert_eq(bed_call(bed, hawser_client_drain(client)), 0);
	cr_assert_eq(bed_call(bed, hawser_bind(client, "Echo", bed_on_binding, bed, &late)), -ESTALE);
	cr_assert_eq(bed_invoke(bed, slow, "Wait", "50"), -ESTALE);
	bed_wait(bed, "client draining");
	bed_wait(bed, "reply");
	bed_wait(bed, "Slow released none ECANCELED cancelled");
	bed_wait(bed, "client closed none ECANCELED cancelled");
}

CLIENT_TEST(lifetime, drain_has_a_deadline)
{
	HAWSER_OPTIONS(hawser_client_options, options, .drain_deadline_ms = 30);
	hawser_binding *slow;
	hawser_client *client;

	bed_host(bed, NULL);
	client = bed_client(bed, &options);
	slow = bed_bind(bed, client, "Slow");
	bed_wait(bed, "Slow bound");
	cr_assert_eq(bed_invoke(bed, slow, "Never", ""), 0);
	cr_assert_eq(bed_call(bed, hawser_client_drain(client)), 0);
	bed_wait(bed, "call none ECANCELED cancelled, maybe executed");
	bed_wait(bed, "client closed");
}

CLIENT_TEST(lifetime, peer_uid_is_read_and_required)
{
	HAWSER_OPTIONS(hawser_client_options, strict, .peer_uid = 54321, .rounds_max = 1);
	struct hawser_peer peer;
	struct script script;
	hawser_client *client;
	char byte;

	script_open(&script, bed);
	client = bed_client(bed, NULL);
	cr_assert_eq(hawser_client_peer(client, &peer), -ENOTCONN);
	script_accept(&script, bed);
	bed_wait(bed, "client ready");
	cr_assert_eq(hawser_client_peer(client, &peer), 0);
	cr_assert_eq(peer.uid, getuid());
	cr_assert_eq(peer.pid, getpid());
	script_hang_up(&script);
	bed_forget_client(bed, client);
	hawser_client_free(client);
	client = bed_client(bed, &strict);
	bed_bind(bed, client, "Echo");
	bed_wait(bed, "client closed verify EPERM identity");
	cr_assert_eq(bed_count(bed, "Echo failed verify EPERM identity"), 1);
	script.fd = sockets_accept(script.listener);
	for (ssize_t got = 1; got > 0;) {
		got = read(script.fd, &byte, 1);
		cr_assert_leq(got, 0, "a byte was sent to the wrong user");
	}
	script_close(&script);
}
