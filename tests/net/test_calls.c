/* SPDX-License-Identifier: MIT
 *
 * Calls: answered, streamed, refused and lost. Behaviours A28, A30 to A42.
 */
#include "../support/bed.h"
#include "../support/script.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT_ONCE .backoff_base_ms = 1, .backoff_cap_ms = 2

/* A host with these arguments, a client, and this service bound. */
static hawser_binding *bound(struct bed *bed, const char *service, const char *const *arguments)
{
	HAWSER_OPTIONS(hawser_client_options, options, AT_ONCE);
	char line[64];
	hawser_client *client;
	hawser_binding *binding;

	bed_host(bed, arguments);
	client = bed_client(bed, &options);
	binding = bed_bind(bed, client, service);
	snprintf(line, sizeof(line), "%s bound", service);
	bed_wait(bed, line);
	return binding;
}

CLIENT_TEST(calls, a28_methods_without_name_or_id_are_skipped)
{
	struct script script;
	hawser_binding *binding;

	script_open(&script, bed);
	binding = bed_bind(bed, bed_client(bed, NULL), "Greeter");
	script_accept(&script, bed);
	script_swallow(&script, bed, 17);
	/* id 0 "Zero"; id 1 ""; id 2 "Two" */
	script_send(&script, "210000001001221d080110011a08080012045a65726f1a04080112001a070802120354776f");
	bed_wait(bed, "Greeter bound");
	cr_assert_eq(bed_invoke(bed, binding, "Zero", ""), 0);
	bed_wait(bed, "call call ENOSYS");
	cr_assert_eq(bed_invoke(bed, binding, "Two", ""), 0);
	script_swallow(&script, bed, 12);
	script_send(&script, "0b00000010023207080110001a0161");
	bed_wait(bed, "reply a");
	script_close(&script);
}

CLIENT_TEST(calls, a30_a_call_is_answered_once)
{
	hawser_binding *echo = bound(bed, "Echo", NULL);

	cr_assert_eq(bed_invoke(bed, echo, "Echo", "hello"), 0);
	cr_assert_eq(bed_count(bed, "reply"), 0);
	bed_wait(bed, "reply hello");
	bed_run_ms(bed, 10);
	cr_assert_eq(bed_count(bed, "reply"), 1);
}

CLIENT_TEST(calls, a31_a_method_that_is_not_listed_fails_without_a_frame)
{
	hawser_binding *echo = bound(bed, "Echo", NULL);

	cr_assert_eq(bed_invoke(bed, echo, "Nothing", ""), 0);
	cr_assert_eq(bed_count(bed, "call"), 0);
	bed_wait(bed, "call call ENOSYS local, never sent");
	host_stop(&bed->host);
	cr_assert(strstr(host_errors(&bed->host), "0 calls"), "%s", host_errors(&bed->host));
}

CLIENT_TEST(calls, a32_without_a_callback_no_reply_is_asked_for)
{
	hawser_binding *echo = bound(bed, "Echo", NULL);
	struct hawser_status status = {.size = sizeof(status)};

	for (int i = 0; i < 10; i++)
		cr_assert_eq(bed_call(bed, hawser_invoke(echo, "Echo", "x", 1, NULL, NULL, NULL)), 0);
	cr_assert_eq(bed_invoke(bed, echo, "Echo", "last"), 0);
	bed_wait(bed, "reply last");
	cr_assert_eq(hawser_client_status(bed->clients[0], &status), 0);
	cr_assert_eq(status.calls_in_flight, 0);
	host_stop(&bed->host);
	cr_assert(strstr(host_errors(&bed->host), "11 calls"), "%s", host_errors(&bed->host));
}

CLIENT_TEST(calls, a33_a_stream_is_told_to_its_last_reply)
{
	hawser_binding *counter = bound(bed, "Counter", NULL);

	cr_assert_eq(bed_invoke(bed, counter, "Count", "500"), 0);
	bed_wait(bed, "more 1\n");
	bed_wait(bed, "more 499\n");
	bed_wait(bed, "reply 500\n");
	cr_assert_eq(bed_count(bed, "more "), 499);
	cr_assert_eq(bed_count(bed, "reply "), 1);
}

CLIENT_TEST(calls, a34_a_stream_cut_by_a_loss_fails_once_before_its_binding)
{
	struct script script;
	hawser_binding *greeter = script_bound(&script, bed, NULL);

	cr_assert_eq(bed_invoke(bed, greeter, "SayHello", ""), 0);
	script_swallow(&script, bed, 12);
	script_send(&script, "0b00000010023207080110011a0161");
	bed_wait(bed, "more a");
	script_hang_up(&script);
	bed_wait(bed, "Greeter lost");
	cr_assert_eq(bed_count(bed, "call receive ECONNRESET lost, maybe executed"), 1);
	bed_expect_order(bed, "call receive", "Greeter lost");
	script_close(&script);
}

CLIENT_TEST(calls, a35_when_a_binding_is_freed_its_calls_are_told_once)
{
	hawser_binding *slow = bound(bed, "Slow", NULL);

	cr_assert_eq(bed_invoke(bed, slow, "Wait", "30"), 0);
	cr_assert_eq(bed_invoke(bed, slow, "Never", ""), 0);
	bed_settle(bed);
	bed_forget_binding(bed, slow);
	hawser_binding_free(slow);
	cr_assert_eq(bed_count(bed, "call none"), 0, "told from the loop, not inside the call");
	bed_run_ms(bed, 100);
	cr_assert_eq(bed_count(bed, "call none ECANCELED cancelled, maybe executed"), 2);
	cr_assert_eq(bed_count(bed, "reply"), 0, "the late answer finds nobody");
	cr_assert_eq(bed_count(bed, "Slow"), 1, "bound, and then silence");
}

CLIENT_TEST(calls, a36_when_the_client_is_freed_first_calls_then_bindings_are_told)
{
	hawser_binding *slow = bound(bed, "Slow", NULL);
	hawser_client *client = hawser_binding_client(slow);

	cr_assert_eq(bed_invoke(bed, slow, "Never", ""), 0);
	bed_forget_client(bed, client);
	hawser_client_free(client);
	cr_assert_eq(bed_count(bed, "call"), 0);
	bed_wait(bed, "call none ECANCELED cancelled");
	bed_wait(bed, "Slow released none ECANCELED cancelled");
	cr_assert_null(hawser_binding_client(slow));
	cr_assert_eq(hawser_binding_release(slow), -ESTALE);
	cr_assert_eq(bed_invoke(bed, slow, "Never", ""), -ESTALE);
}

CLIENT_TEST(calls, a37_when_the_host_goes_all_calls_fail_before_their_binding)
{
	hawser_binding *slow = bound(bed, "Slow", NULL);

	for (int i = 0; i < 5; i++)
		cr_assert_eq(bed_invoke(bed, slow, "Never", ""), 0);
	bed_settle(bed);
	host_kill(&bed->host);
	bed_wait(bed, "Slow lost");
	cr_assert_eq(bed_count(bed, ", maybe executed"), 5);
	bed_expect_order(bed, ", maybe executed", "Slow lost");
}

static void note_text(hawser_call *call, const struct hawser_bytes *reply, bool more,
    const struct hawser_error *error, void *user)
{
	bed_on_reply(call, reply, more, error, user);
	bed_note(user, "text: %s", error->text);
}

CLIENT_TEST(calls, a38_a_request_error_fails_the_call_at_once_with_its_text)
{
	struct script script;
	hawser_binding *greeter = script_bound(&script, bed, NULL);

	cr_assert_eq(bed_call(bed, hawser_invoke(greeter, "SayHello", "", 0, note_text, bed, NULL)), 0);
	script_swallow(&script, bed, 12);
	script_send(&script, "1500000010023a110a0f756e6b6e6f776e2072657175657374");
	bed_wait(bed, "call call EPROTO protocol, answered\ntext: unknown request\n");
	cr_assert_eq(hawser_binding_state(greeter), HAWSER_BINDING_IS_BOUND, "the connection stays");
	script_close(&script);
}

CLIENT_TEST(calls, a39_a_call_on_what_is_not_bound_waits_or_fails_by_option)
{
	HAWSER_OPTIONS(hawser_client_options, options, AT_ONCE);
	HAWSER_OPTIONS(hawser_invoke_options, fast, .method = "Echo", .fail_fast = true);
	hawser_client *client = bed_client(bed, &options);
	hawser_binding *echo = bed_bind(bed, client, "Echo");

	cr_assert_eq(bed_call(bed, hawser_invoke_with(echo, &fast, bed_on_reply, bed, NULL)), -ENOTCONN);
	cr_assert_eq(bed_invoke(bed, echo, "Echo", "waited"), 0);
	bed_host(bed, NULL);
	bed_wait(bed, "Echo bound");
	bed_wait(bed, "reply waited");
	host_kill(&bed->host);
	bed_wait(bed, "Echo lost");
	cr_assert_eq(hawser_binding_state(echo), HAWSER_BINDING_QUEUED, "it does not pretend to be bound");
	cr_assert_eq(bed_call(bed, hawser_invoke_with(echo, &fast, bed_on_reply, bed, NULL)), -ENOTCONN);
	cr_assert_eq(bed_invoke(bed, echo, "Echo", "again"), 0);
	cr_assert_eq(host_restart(&bed->host), 0);
	bed_wait(bed, "reply again");
}

CLIENT_TEST(calls, a40_an_answer_that_cannot_be_read_fails_the_call_and_the_connection_stays)
{
	struct script script;
	hawser_binding *greeter = script_bound(&script, bed, NULL);

	cr_assert_eq(bed_invoke(bed, greeter, "SayHello", ""), 0);
	script_swallow(&script, bed, 12);
	script_send(&script, "0600000010023202ffff"); /* an InvokeMethodReply of nonsense */
	bed_wait(bed, "call call EPROTO protocol, answered");
	cr_assert_eq(bed_invoke(bed, greeter, "SayHello", ""), 0);
	script_swallow(&script, bed, 12);
	script_send(&script, "0b00000010033207080110001a0161");
	bed_wait(bed, "reply a");
	script_close(&script);
}

CLIENT_TEST(calls, a41_unknown_duplicate_and_late_answers_are_ignored)
{
	struct script script;
	hawser_binding *greeter = script_bound(&script, bed, NULL);

	script_send(&script, "0b00000010633207080110001a0162"); /* request 99 */
	script_send(&script, SCRIPT_BIND_REPLY);                /* the bind's, again */
	cr_assert_eq(bed_invoke(bed, greeter, "SayHello", ""), 0);
	script_swallow(&script, bed, 12);
	script_send(&script, "0b00000010023207080110001a0161");
	script_send(&script, "0b00000010023207080110001a0161");
	bed_wait(bed, "reply a");
	bed_run_ms(bed, 20);
	cr_assert_eq(bed_count(bed, "reply"), 1);
	cr_assert_eq(bed_count(bed, "Greeter"), 1);
	script_close(&script);
}

CLIENT_TEST(calls, a42_success_false_fails_the_call)
{
	hawser_binding *slow = bound(bed, "Slow", NULL);

	cr_assert_eq(bed_invoke(bed, slow, "Drop", ""), 0);
	bed_wait(bed, "call call EREMOTEIO refused, answered");
}

CLIENT_TEST(calls, answers_are_matched_by_id_not_by_order)
{
	hawser_binding *echo = bound(bed, "Echo", HOST_ARGUMENTS("--reorder"));
	char words[16];

	for (int i = 0; i < 40; i++) {
		snprintf(words, sizeof(words), "n%02d", i);
		cr_assert_eq(bed_invoke(bed, echo, "Echo", words), 0);
	}
	bed_wait(bed, "reply n36");
	bed_run_ms(bed, 60);
	cr_assert_eq(bed_count(bed, "reply n"), 40);
	bed_expect_order(bed, "reply n03", "reply n00");
}

CLIENT_TEST(calls, a12_a_deadline_and_a_cancel_are_told_once_and_the_late_answer_is_ignored)
{
	HAWSER_OPTIONS(
	    hawser_invoke_options, hasty, .method = "Wait", .arguments = {"60", 2}, .deadline_ms = 15);
	HAWSER_OPTIONS(hawser_invoke_options, waiting, .method = "Wait", .arguments = {"60", 2});
	hawser_binding *slow = bound(bed, "Slow", NULL);
	hawser_call *call;

	cr_assert_eq(bed_call(bed, hawser_invoke_with(slow, &hasty, bed_on_reply, bed, NULL)), 0);
	cr_assert_eq(bed_call(bed, hawser_invoke_with(slow, &waiting, bed_on_reply, bed, &call)), 0);
	bed_settle(bed);
	cr_assert_eq(bed_call(bed, hawser_call_cancel(call)), 0);
	cr_assert_eq(bed_call(bed, hawser_call_cancel(call)), -ESTALE);
	bed_wait(bed, "call call ECANCELED cancelled, maybe executed");
	bed_wait(bed, "call call ETIMEDOUT deadline, maybe executed");
	bed_run_ms(bed, 100);
	cr_assert_eq(bed_count(bed, "reply"), 0);
	cr_assert_eq(bed_count(bed, "call call"), 2);
	hawser_call_free(call);
}

CLIENT_TEST(calls, never_sent_and_maybe_executed_are_told_apart)
{
	char *large = calloc(1, 120000);
	hawser_binding *echo = bound(bed, "Echo", HOST_ARGUMENTS("--stop-reading-after", "200"));

	memset(large, 'x', 119999);
	for (int i = 0; i < 40; i++)
		cr_assert_eq(bed_invoke(bed, echo, "Sink", large), 0);
	bed_run_ms(bed, 50);
	host_kill(&bed->host);
	bed_wait(bed, "Echo lost");
	cr_assert_gt(bed_count(bed, ", maybe executed"), 0);
	cr_assert_gt(bed_count(bed, ", never sent"), 0);
	cr_assert_leq(bed_count(bed, "lost, sent"), 1, "at most one can be sent in part");
	cr_assert_eq(bed_count(bed, "call "), 40);
	free(large);
}
