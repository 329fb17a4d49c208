/* SPDX-License-Identifier: MIT
 *
 * Bindings: queued, drained, bound, lost and bound again. Behaviours A13 to A20, A25 to A29. Refused ones are
 * in test_refusals.c.
 */
#include "../support/bed.h"
#include "../support/script.h"
#include "../support/sockets.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define AT_ONCE .backoff_base_ms = 1, .backoff_cap_ms = 2

/* The next frames must be binds of these services, whose names are of one length, in this order. */
static void expect_binds(
    struct script *script, struct bed *bed, unsigned char first_id, const char *const *services, size_t count)
{
	unsigned char frame[17];

	for (size_t i = 0; i < count; i++) {
		script_read(script, bed, frame, sizeof(frame));
		cr_assert_eq(frame[5], first_id + i, "frame %zu has request %u", i, frame[5]);
		cr_assert_arr_eq(frame + 10, services[i], 7, "frame %zu binds %.7s", i, frame + 10);
	}
}

/* No method, and a number for the service that is not the request's. */
static void accept_bind(struct script *script, unsigned request)
{
	char hex[32];

	snprintf(hex, sizeof(hex), "0800000010%02x2204080110%02x", request, request + 40);
	script_send(script, hex);
}

/* The host answers none of the binds before it has all: who waited for an answer would send no second one. */
CLIENT_TEST(bindings, a13_a14_binds_are_sent_in_call_order_and_pipelined)
{
	static const char *const queued[] = {"Greeter", "Counter", "Another"};
	static const char *const ready[] = {"Sixth..", "Fifth.."};
	HAWSER_OPTIONS(hawser_client_options, options, AT_ONCE);
	hawser_client *client = bed_client(bed, &options);
	struct script script;

	for (int i = 0; i < 3; i++)
		bed_bind(bed, client, queued[i]);
	bed_wait(bed, "client waiting");
	cr_assert_eq(bed_count(bed, "bound"), 0);
	script_open(&script, bed);
	script_accept(&script, bed);
	expect_binds(&script, bed, 1, queued, 3);
	for (int i = 0; i < 2; i++)
		bed_bind(bed, client, ready[i]);
	expect_binds(&script, bed, 4, ready, 2);
	cr_assert_eq(bed_count(bed, "bound"), 0, "nothing was answered yet");
	for (unsigned request = 5; request > 0; request--)
		accept_bind(&script, request);
	bed_wait(bed, "Fifth.. bound");
	bed_wait(bed, "Sixth.. bound");
	bed_wait(bed, "Another bound");
	bed_wait(bed, "Counter bound");
	bed_wait(bed, "Greeter bound");
	script_close(&script);
}

CLIENT_TEST(bindings, a15_freed_while_queued_there_is_no_frame_and_no_word)
{
	hawser_client *client = bed_client(bed, NULL);
	hawser_binding *gone = bed_bind(bed, client, "Echo");

	bed_bind(bed, client, "Counter");
	bed_forget_binding(bed, gone);
	hawser_binding_free(gone);
	bed_host(bed, NULL);
	bed_wait(bed, "Counter bound");
	bed_run_ms(bed, 20);
	cr_assert_eq(bed_count(bed, "Echo"), 0);
	host_stop(&bed->host);
	cr_assert(strstr(host_errors(&bed->host), "1 binds"), "%s", host_errors(&bed->host));
}

CLIENT_TEST(bindings, a16_freed_while_the_answer_is_on_its_way_it_is_swallowed)
{
	hawser_client *client;
	hawser_binding *gone;

	bed_host(bed, NULL);
	client = bed_client(bed, NULL);
	bed_wait(bed, "client ready");
	gone = bed_bind(bed, client, "Echo");
	bed_forget_binding(bed, gone);
	hawser_binding_free(gone);
	bed_bind(bed, client, "Counter");
	bed_wait(bed, "Counter bound");
	cr_assert_eq(bed_count(bed, "Echo"), 0);
}

static void bind_counter_when_bound(struct bed *bed, const char *line, void *handle)
{
	if (strcmp(line, "Echo bound") == 0)
		bed_bind(bed, hawser_binding_client(handle), "Counter");
}

CLIENT_TEST(bindings, a17_bind_inside_a_callback_is_sent)
{
	hawser_client *client;

	bed_host(bed, NULL);
	bed->told = bind_counter_when_bound;
	client = bed_client(bed, NULL);
	bed_bind(bed, client, "Echo");
	bed_wait(bed, "Counter bound");
}

static void bind_again_when_failed(struct bed *bed, const char *line, void *handle)
{
	HAWSER_OPTIONS(hawser_bind_options, options, .service = "Late");
	hawser_binding *late = NULL;

	(void)handle;
	if (!strstr(line, "failed"))
		return;
	cr_assert_eq(hawser_bind_with(bed->clients[0], &options, bed_on_binding, bed, &late), -ESTALE);
	cr_assert_null(late);
	bed_note(bed, "refused with ESTALE");
}

CLIENT_TEST(bindings, a18_bind_after_the_end_is_refused_at_once)
{
	HAWSER_OPTIONS(hawser_client_options, options, .rounds_max = 1);
	hawser_client *client = bed_client(bed, &options);
	hawser_binding *late = NULL;

	bed->told = bind_again_when_failed;
	bed_bind(bed, client, "Echo");
	bed_wait(bed, "client closed");
	cr_assert_eq(bed_count(bed, "refused with ESTALE"), 1, "from inside the failure's callback");
	cr_assert_eq(bed_call(bed, hawser_bind(client, "Echo", bed_on_binding, bed, &late)), -ESTALE,
	    "and afterwards");
}

CLIENT_TEST(bindings, a19_bind_after_a_loss_is_bound_after_the_reconnect)
{
	HAWSER_OPTIONS(hawser_client_options, options, AT_ONCE);
	hawser_client *client;

	bed_host(bed, NULL);
	client = bed_client(bed, &options);
	bed_bind(bed, client, "Echo");
	bed_wait(bed, "Echo bound");
	host_kill(&bed->host);
	bed_wait(bed, "client waiting");
	bed_bind(bed, client, "Counter");
	cr_assert_eq(host_restart(&bed->host), 0);
	bed_wait(bed, "Echo bound");
	bed_wait(bed, "Counter bound");
	cr_assert_eq(bed_count(bed, "Echo lost"), 1);
}

CLIENT_TEST(bindings, a20_when_the_client_is_freed_each_queued_binding_is_told_once)
{
	hawser_client *client = bed_client(bed, NULL);

	bed_bind(bed, client, "Echo");
	bed_bind(bed, client, "Counter");
	bed_forget_client(bed, client);
	hawser_client_free(client);
	cr_assert_eq(bed->length, 0, "not inside the call");
	bed_wait(bed, "Echo released none ECANCELED cancelled");
	bed_wait(bed, "Counter released none ECANCELED cancelled");
	bed_run_ms(bed, 10);
	cr_assert_eq(bed_count(bed, "released"), 2);
	cr_assert_eq(bed_count(bed, "client"), 0, "a freed client's owner is told nothing");
}

CLIENT_TEST(bindings, a25_a26_host_gone_before_the_answer_is_told_once)
{
	HAWSER_OPTIONS(hawser_bind_options, one_shot, .service = "Echo", .one_shot = true);
	hawser_client *client;

	bed_host(bed, HOST_ARGUMENTS("--never-answer"));
	client = bed_client(bed, NULL);
	bed_wait(bed, "client ready");
	bed_bind_with(bed, client, &one_shot);
	bed_settle(bed);
	host_kill(&bed->host);
	bed_wait(bed, "Echo failed");
	bed_forget_client(bed, client);
	hawser_client_free(client);
	bed_run_ms(bed, 20);
	cr_assert_eq(bed_count(bed, "Echo"), 1, "and not again when the client is freed");
}

CLIENT_TEST(bindings, a27_a_bind_that_cannot_be_sent_is_told_from_the_loop)
{
	char target[HOST_TARGET_BYTES];
	HAWSER_OPTIONS(hawser_client_options, options, .target = target, .rounds_max = 1);
	HAWSER_OPTIONS(hawser_bind_options, one_shot, .service = "Echo", .one_shot = true);
	hawser_client *client;
	int accepted;
	int fd = sockets_listen_tcp(8, target, sizeof(target));

	client = bed_client(bed, &options);
	bed_wait(bed, "client ready");
	accepted = sockets_accept(fd);
	close(accepted);
	close(fd);
	bed_bind_with(bed, client, &one_shot);
	cr_assert_eq(bed_count(bed, "Echo"), 0, "not inside hawser_bind");
	bed_wait(bed, "Echo failed");
	bed_run_ms(bed, 20);
	cr_assert_eq(bed_count(bed, "Echo"), 1);
}

CLIENT_TEST(bindings, a29_release_frees_the_name_for_another_binding)
{
	hawser_client *client;
	hawser_binding *first;

	bed_host(bed, NULL);
	client = bed_client(bed, NULL);
	first = bed_bind(bed, client, "Echo");
	bed_wait(bed, "Echo bound");
	cr_assert_eq(bed_call(bed, hawser_binding_release(first)), 0);
	cr_assert_eq(bed_call(bed, hawser_binding_release(first)), -ESTALE);
	bed_bind(bed, client, "Echo");
	bed_wait(bed, "Echo released none ECANCELED");
	bed_wait(bed, "Echo bound");
	cr_assert_eq(bed_count(bed, "Echo released"), 1);
	cr_assert_eq(hawser_binding_state(first), HAWSER_BINDING_IS_RELEASED);
}

CLIENT_TEST(bindings, d13_starting_over_supersedes_the_attempt)
{
	char target[HOST_TARGET_BYTES];
	HAWSER_OPTIONS(hawser_client_options, options, .target = target, .attempt_deadline_ms = 10000);
	struct hawser_status status = {.size = sizeof(status)};
	struct black_hole hole;
	hawser_client *client;

	black_hole_open(&hole, target, sizeof(target));
	client = bed_client(bed, &options);
	bed_bind(bed, client, "Echo");
	bed_settle(bed);
	cr_assert_eq(bed_call(bed, hawser_client_connect(client)), 0);
	bed_wait(bed, "client resolving none ECANCELED cancelled");
	bed_wait(bed, "client connecting");
	cr_assert_eq(hawser_client_status(client, &status), 0);
	cr_assert_eq(status.round, 2);
	cr_assert_eq(status.attempts_count, 1);
	cr_assert_eq(
	    status.attempts[0].cause, HAWSER_CAUSE_CANCELLED, "the first one is remembered as superseded");
	cr_assert_eq(bed_count(bed, "Echo"), 0);
	black_hole_close(&hole);
}

/* The kernel has connected the first attempt before it is given up: its completion waits to be delivered. */
CLIENT_TEST(bindings, a7_d15_a_late_event_of_an_older_attempt_is_dropped)
{
	struct hawser_status status = {.size = sizeof(status)};
	struct script script;
	hawser_client *client;

	script_open(&script, bed);
	client = bed_client(bed, NULL);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(bed_call(bed, hawser_client_connect(client)), 0);
	bed_wait(bed, "client ready");
	bed_run_ms(bed, 20);
	cr_assert_eq(bed_count(bed, "client preparing"), 1, "%s", bed->log);
	cr_assert_eq(bed_count(bed, "client ready"), 1);
	cr_assert_eq(hawser_client_status(client, &status), 0);
	cr_assert_eq(status.attempt, 4);
	cr_assert_eq(status.connections, 1);
	cr_assert_eq(hawser_client_state(client), HAWSER_READY);
	script_close(&script);
}

CLIENT_TEST(bindings, starting_over_when_ready_rebinds)
{
	HAWSER_OPTIONS(hawser_client_options, options, AT_ONCE);
	hawser_client *client;

	bed_host(bed, NULL);
	client = bed_client(bed, &options);
	bed_bind(bed, client, "Echo");
	bed_wait(bed, "Echo bound");
	cr_assert_eq(bed_call(bed, hawser_client_connect(client)), 0);
	bed_wait(bed, "Echo lost none ECANCELED cancelled");
	bed_wait(bed, "Echo bound");
}

CLIENT_TEST(bindings, c5_a_one_shot_is_told_once_when_its_host_dies)
{
	HAWSER_OPTIONS(hawser_client_options, options, AT_ONCE);
	HAWSER_OPTIONS(hawser_bind_options, one_shot, .service = "Echo", .one_shot = true);
	hawser_client *client;

	bed_host(bed, NULL);
	client = bed_client(bed, &options);
	bed_bind_with(bed, client, &one_shot);
	bed_bind(bed, client, "Counter");
	bed_wait(bed, "Echo bound");
	bed_wait(bed, "Counter bound");
	host_kill(&bed->host);
	bed_wait(bed, "Echo failed");
	cr_assert_eq(host_restart(&bed->host), 0);
	bed_wait(bed, "Counter bound");
	bed_run_ms(bed, 20);
	bed_expect_order(bed, "Echo lost", "Echo failed");
	cr_assert_eq(bed_count(bed, "Echo"), 3, "bound, lost, failed, and not back again");
}

CLIENT_TEST(bindings, fail_fast_ends_with_the_round)
{
	HAWSER_OPTIONS(hawser_bind_options, fast, .service = "Fast", .fail_fast = true);
	HAWSER_OPTIONS(hawser_client_options, options, AT_ONCE);
	hawser_client *client = bed_client(bed, &options);

	bed_bind_with(bed, client, &fast);
	bed_bind(bed, client, "Echo");
	bed_wait(bed, "Fast failed connect ENOENT no host");
	bed_host(bed, NULL);
	bed_wait(bed, "Echo bound");
	cr_assert_eq(bed_count(bed, "Fast"), 1);
}

CLIENT_TEST(bindings, a_one_shot_deadline_counts_from_the_bind)
{
	HAWSER_OPTIONS(hawser_bind_options, one_shot, .service = "Echo", .one_shot = true, .deadline_ms = 40);
	HAWSER_OPTIONS(hawser_client_options, options, .backoff_base_ms = 10000, .backoff_cap_ms = 10000);
	hawser_client *client = bed_client(bed, &options);

	bed_bind_with(bed, client, &one_shot);
	bed_wait(bed, "Echo failed bind ETIMEDOUT deadline");
	cr_assert_eq(hawser_client_state(client), HAWSER_WAITING, "its client goes on");
}
