/* SPDX-License-Identifier: MIT
 *
 * Limits and options: what is refused, what is told when there is room again, what 0 and HAWSER_AUTO mean.
 */
#include "../support/bed.h"
#include "../support/script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Queues on a raw client until nothing fits any more; the bytes queued. */
static size_t fill(struct bed *bed, hawser_client *client)
{
	static const char block[4096];
	size_t queued = 0;

	for (;;) {
		int result = bed_call(bed, hawser_send(client, block, sizeof(block), NULL, 0, NULL));

		if (result == -ENOBUFS)
			return queued;
		cr_assert_eq(result, 0);
		queued += sizeof(block);
		bed_settle(bed);
	}
}

CLIENT_TEST(limits, room_for_requests_is_told)
{
	HAWSER_OPTIONS(hawser_client_options, options, .requests_max = 4);
	hawser_binding *echo;

	bed_host(bed, NULL);
	echo = bed_bind(bed, bed_client(bed, &options), "Echo");
	for (int i = 0; i < 3; i++)
		cr_assert_eq(bed_invoke(bed, echo, "Echo", "x"), 0);
	cr_assert_eq(bed_invoke(bed, echo, "Echo", "x"), -ENOBUFS);
	cr_assert_eq(
	    bed_call(bed, hawser_bind(hawser_binding_client(echo), "Slow", bed_on_binding, bed, NULL)),
	    -ENOBUFS);
	bed_wait(bed, "writable");
	bed_settle(bed);
	cr_assert_eq(bed_count(bed, "reply x"), 3);
	cr_assert_eq(bed_count(bed, "writable"), 1);
	cr_assert_eq(bed_invoke(bed, echo, "Echo", "y"), 0);
	bed_wait(bed, "reply y");
}

CLIENT_TEST(limits, room_for_calls_that_wait_is_told)
{
	static const char arguments[600];
	HAWSER_OPTIONS(hawser_client_options, options, .unsent_bytes_max = 1000);
	HAWSER_OPTIONS(hawser_invoke_options, invoke, .method = "Echo", .arguments = {arguments, 600});
	HAWSER_OPTIONS(hawser_invoke_options, large, .method = "Echo", .arguments = {arguments, 0});
	hawser_binding *echo = bed_bind(bed, bed_client(bed, &options), "Echo");
	char *much = calloc(1, 1001);
	hawser_call *call;

	large.arguments = (struct hawser_bytes){much, 1001};
	cr_assert_eq(bed_call(bed, hawser_invoke_with(echo, &invoke, bed_on_reply, bed, &call)), 0);
	cr_assert_eq(bed_call(bed, hawser_invoke_with(echo, &invoke, bed_on_reply, bed, NULL)), -ENOBUFS);
	cr_assert_eq(bed_call(bed, hawser_invoke_with(echo, &large, bed_on_reply, bed, NULL)), -EMSGSIZE);
	bed_settle(bed);
	cr_assert_eq(bed_count(bed, "writable"), 0);
	cr_assert_eq(bed_call(bed, hawser_call_cancel(call)), 0);
	bed_wait(bed, "writable");
	hawser_call_free(call);
	cr_assert_eq(bed_call(bed, hawser_invoke_with(echo, &invoke, bed_on_reply, bed, NULL)), 0);
	free(much);
}

CLIENT_TEST(limits, a_setup_that_finds_the_queue_full_changes_nothing)
{
	HAWSER_OPTIONS(hawser_client_options, options, .protocol = "raw", .unsent_bytes_max = 16384);
	HAWSER_OPTIONS(hawser_setup_options, setup, .request = {"hello", 5});
	HAWSER_OPTIONS(hawser_setup_options, large, .request = {"", 0});
	char *much = calloc(1, 16385);
	struct script script;
	hawser_client *client;
	size_t queued;

	script_open(&script, bed);
	client = bed_client(bed, &options);
	script_accept(&script, bed);
	bed_wait(bed, "client ready");
	large.request = (struct hawser_bytes){much, 16385};
	cr_assert_eq(bed_call(bed, hawser_client_setup(client, &large, bed_on_setup, bed)), -EMSGSIZE);
	queued = fill(bed, client);
	while (bed_call(bed, hawser_send(client, "x", 1, NULL, 0, NULL)) == 0)
		queued++;
	cr_assert_eq(bed_call(bed, hawser_client_setup(client, &setup, bed_on_setup, bed)), -ENOBUFS);
	bed_settle(bed);
	cr_assert_eq(hawser_client_state(client), HAWSER_READY);
	script_swallow(&script, bed, queued);
	bed_wait(bed, "writable");
	cr_assert_eq(bed_call(bed, hawser_client_setup(client, &setup, bed_on_setup, bed)), 0);
	bed_wait(bed, "setup done");
	script_close(&script);
	free(much);
}

CLIENT_TEST(limits, auto_is_the_default_of_every_number)
{
	HAWSER_OPTIONS(hawser_client_options, options, .rounds_max = HAWSER_AUTO,
	    .overall_deadline_ms = HAWSER_AUTO, .resolve_deadline_ms = HAWSER_AUTO,
	    .setup_deadline_ms = HAWSER_AUTO, .bind_deadline_ms = HAWSER_AUTO,
	    .call_deadline_ms = HAWSER_AUTO, .drain_deadline_ms = HAWSER_AUTO, .requests_max = HAWSER_AUTO,
	    .unsent_bytes_max = HAWSER_AUTO, .attempts_kept = HAWSER_AUTO);
	hawser_client *client = bed_client(bed, &options);
	hawser_binding *echo = bed_bind(bed, client, "Echo");
	static char arguments[131000];
	size_t waiting = 0;
	unsigned requests = 1;

	while (bed_invoke(bed, echo, "Echo", "") == 0)
		requests++;
	cr_assert_eq(requests, 1024);
	client = bed_client(bed, &options);
	echo = bed_bind(bed, client, "Echo");
	for (;;) {
		HAWSER_OPTIONS(hawser_invoke_options, invoke, .method = "Echo",
		    .arguments = {arguments, sizeof(arguments)});

		if (bed_call(bed, hawser_invoke_with(echo, &invoke, bed_on_reply, bed, NULL)) < 0)
			break;
		waiting += sizeof(arguments);
	}
	cr_assert_leq(waiting, 8388608);
	cr_assert_geq(waiting, 8388608 - 2 * sizeof(arguments));
}

CLIENT_TEST(limits, numbers_that_cannot_be_meant_are_refused)
{
	struct hawser_client_options standard;
	uint32_t *fields[] = {&standard.tcp_user_timeout_ms, &standard.keepalive_idle_s,
	    &standard.keepalive_interval_s, &standard.keepalive_probes, &standard.send_buffer_size,
	    &standard.receive_buffer_size};
	const uint32_t values[] = {0, HAWSER_NONE, 2147483648U};
	HAWSER_OPTIONS(hawser_client_options, none, .protocol = "none");
	hawser_client *client = NULL;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		for (size_t j = 0; j < 3; j++) {
			hawser_client_options_init(&standard);
			*fields[i] = values[j];
			cr_assert_eq(bed_client_try(bed, &standard, &client), -EINVAL, "%zu %zu", i, j);
		}
	cr_assert_eq(bed_client_try(bed, &none, &client), -EINVAL, "nobody takes the socket over");
	cr_assert_null(client);
}

static void drain_when_bound(struct bed *bed, const char *line, void *handle)
{
	(void)bed;
	if (strcmp(line, "Echo bound") == 0)
		cr_assert_eq(hawser_client_drain(hawser_binding_client(handle)), 0);
}

CLIENT_TEST(limits, a_drain_awaits_the_calls_that_the_queue_had_no_room_for)
{
	static const char arguments[720];
	HAWSER_OPTIONS(hawser_client_options, options, .unsent_bytes_max = 8192);
	HAWSER_OPTIONS(hawser_invoke_options, invoke, .method = "Echo", .arguments = {arguments, 720});
	hawser_binding *echo = bed_bind(bed, bed_client(bed, &options), "Echo");
	unsigned calls = 0;

	while (bed_call(bed, hawser_invoke_with(echo, &invoke, bed_on_reply, bed, NULL)) == 0)
		calls++;
	cr_assert_gt(calls, 8);
	bed->told = drain_when_bound;
	bed_host(bed, NULL);
	bed_wait(bed, "client closed none ECANCELED");
	cr_assert_eq(bed_count(bed, "reply"), calls, "all that was asked is answered:\n%s", bed->log);
}

CLIENT_TEST(limits, a_loss_while_draining_is_told_as_a_loss)
{
	hawser_binding *slow;
	hawser_client *client;

	bed_host(bed, NULL);
	client = bed_client(bed, NULL);
	slow = bed_bind(bed, client, "Slow");
	bed_wait(bed, "Slow bound");
	cr_assert_eq(bed_invoke(bed, slow, "Never", ""), 0);
	cr_assert_eq(bed_call(bed, hawser_client_drain(client)), 0);
	bed_wait(bed, "client draining");
	host_stop(&bed->host);
	bed_wait(bed, "client closed receive ECONNRESET lost");
	cr_assert_eq(bed_count(bed, "call receive ECONNRESET lost, maybe executed"), 1);
	cr_assert_eq(bed_count(bed, "Slow failed receive ECONNRESET lost"), 1);
	cr_assert_eq(bed_count(bed, "ECANCELED"), 0);
}

static void ask_for_the_client(struct bed *bed, const char *line, void *handle)
{
	if (strncmp(line, "Slow released", 13) == 0)
		cr_assert_eq(hawser_binding_client(handle), bed->user);
}

CLIENT_TEST(limits, a_close_is_told_as_the_end_and_not_as_a_loss)
{
	hawser_binding *slow;
	hawser_client *client;

	bed_host(bed, NULL);
	client = bed_client(bed, NULL);
	slow = bed_bind(bed, client, "Slow");
	bed_wait(bed, "Slow bound");
	cr_assert_eq(bed_invoke(bed, slow, "Never", ""), 0);
	bed_settle(bed);
	bed->user = client;
	bed->told = ask_for_the_client;
	cr_assert_eq(bed_call(bed, hawser_client_close(client)), 0);
	bed_wait(bed, "client closed");
	cr_assert_eq(bed_count(bed, "Slow lost"), 0);
	cr_assert_eq(bed_count(bed, "Slow released none ECANCELED cancelled"), 1);
	bed_expect_order(bed, "call none ECANCELED cancelled, maybe executed", "Slow released");
	cr_assert_null(hawser_binding_client(slow), "its end was told");
}

CLIENT_TEST(limits, of_bindings_are_told_at_once_and_lose_nothing)
{
	HAWSER_OPTIONS(hawser_client_options, options, .requests_max = 2);
	hawser_client *client = bed_client(bed, &options);
	hawser_binding *third = NULL;
	char name[300];

	bed_bind(bed, client, "Echo");
	bed_bind(bed, client, "Counter");
	cr_assert_eq(bed_call(bed, hawser_bind(client, "Files", bed_on_binding, bed, &third)), -ENOBUFS);
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	cr_assert_eq(bed_call(bed, hawser_bind(client, name, bed_on_binding, bed, &third)), -EINVAL);
	cr_assert_eq(bed_call(bed, hawser_bind(client, "", bed_on_binding, bed, &third)), -EINVAL);
	cr_assert_eq(bed_call(bed, hawser_bind(client, "Files", NULL, bed, &third)), -EINVAL);
	cr_assert_null(third);
	bed_host(bed, NULL);
	bed_wait(bed, "Echo bound");
	bed_wait(bed, "Counter bound");
}

static void refuse_again(struct bed *bed, const char *line, void *handle)
{
	(void)handle;
	if (strcmp(line, "writable") == 0)
		*(unsigned *)bed->user += 1;
}

/* What waits is below half of the limit, and yet this call does not fit: its own refusal is no news of room.
 */
CLIENT_TEST(limits, a_refused_call_does_not_tell_of_room_itself)
{
	static const char arguments[700];
	HAWSER_OPTIONS(hawser_client_options, options, .unsent_bytes_max = 1000);
	HAWSER_OPTIONS(hawser_invoke_options, invoke, .method = "Echo", .arguments = {arguments, 400});
	hawser_binding *echo = bed_bind(bed, bed_client(bed, &options), "Echo");
	unsigned told = 0;

	bed->user = &told;
	bed->told = refuse_again;
	cr_assert_eq(bed_call(bed, hawser_invoke_with(echo, &invoke, bed_on_reply, bed, NULL)), 0);
	invoke.arguments.size = 700;
	cr_assert_eq(bed_call(bed, hawser_invoke_with(echo, &invoke, bed_on_reply, bed, NULL)), -ENOBUFS);
	bed_run_ms(bed, 20);
	cr_assert_eq(told, 0);
}

CLIENT_TEST(limits, bindings_that_stay_do_not_keep_the_news_of_room)
{
	HAWSER_OPTIONS(hawser_client_options, options, .requests_max = 4);
	hawser_client *client = bed_client(bed, &options);
	hawser_binding *slow = bed_bind(bed, client, "Slow");

	bed_bind(bed, client, "Echo");
	bed_bind(bed, client, "Counter");
	bed_host(bed, NULL);
	bed_wait(bed, "Counter bound");
	cr_assert_eq(bed_invoke(bed, slow, "Wait", "20"), 0);
	cr_assert_eq(bed_invoke(bed, slow, "Wait", "20"), -ENOBUFS);
	bed_wait(bed, "reply");
	bed_wait(bed, "writable");
	cr_assert_eq(bed_invoke(bed, slow, "Wait", "1"), 0);
	bed_wait(bed, "reply");
}
