/* SPDX-License-Identifier: MIT
 *
 * Bindings that are refused: by the client because there is one already, or by the host. Behaviours A21 to
 * A24.
 */
#include "../support/bed.h"
#include "../support/script.h"

#include <errno.h>
#include <string.h>

#define AT_ONCE .backoff_base_ms = 1, .backoff_cap_ms = 2

CLIENT_TEST(refusals, a21_a_second_binding_of_a_service_is_refused_and_the_first_stays)
{
	hawser_client *client;
	hawser_binding *first;
	hawser_binding *second;
	struct bed *other = bed;

	bed_host(bed, NULL);
	client = bed_client(bed, NULL);
	first = bed_bind(bed, client, "Echo");
	bed_wait(bed, "Echo bound");
	cr_assert_eq(hawser_bind(client, "Echo", bed_on_binding, &other, &second), 0, "another user");
	hawser_binding_free(second);
	cr_assert_eq(hawser_binding_state(first), HAWSER_BINDING_IS_BOUND);
	cr_assert_eq(bed_invoke(bed, first, "Echo", "still"), 0);
	bed_wait(bed, "reply still");
}

struct second_owner {
	int bound;
	int refused;
};

static void second_told(
    hawser_binding *binding, enum hawser_binding_event event, const struct hawser_error *error, void *user)
{
	struct second_owner *owner = user;

	(void)binding;
	if (event == HAWSER_BINDING_REFUSED) {
		cr_assert_eq(error->code, -EEXIST);
		owner->refused++;
	} else {
		cr_assert_eq(event, HAWSER_BINDING_BOUND);
		owner->bound++;
	}
}

CLIENT_TEST(refusals, a21_the_second_owner_is_told_that_it_exists_and_takes_its_place_afterwards)
{
	struct second_owner owner = {0, 0};
	hawser_client *client = bed_client(bed, NULL);
	hawser_binding *first = bed_bind(bed, client, "Echo");
	hawser_binding *second;

	cr_assert_eq(hawser_bind(client, "Echo", second_told, &owner, NULL), 0);
	cr_assert_eq(owner.refused, 0);
	bed_settle(bed);
	cr_assert_eq(owner.refused, 1);
	bed_host(bed, NULL);
	bed_wait(bed, "Echo bound");
	cr_assert_eq(hawser_bind(client, "Echo", second_told, &owner, NULL), 0);
	bed_settle(bed);
	cr_assert_eq(owner.refused, 2, "also when the first is bound");
	bed_forget_binding(bed, first);
	hawser_binding_free(first);
	cr_assert_eq(hawser_bind(client, "Echo", second_told, &owner, &second), 0);
	for (int i = 0; i < 500 && !owner.bound; i++)
		cr_assert_eq(hawser_loop_run_once(bed->loop, 10), 0);
	cr_assert_eq(owner.bound, 1);
	cr_assert_eq(owner.refused, 2);
	cr_assert_eq(bed_invoke(bed, second, "Echo", "mine"), 0);
	bed_wait(bed, "reply mine");
	hawser_binding_free(second);
}

CLIENT_TEST(refusals, a22_the_same_owner_twice_is_ealready)
{
	HAWSER_OPTIONS(hawser_client_options, options, .rounds_max = 1);
	hawser_client *client;
	hawser_binding *again = NULL;

	bed_host(bed, NULL);
	client = bed_client(bed, &options);
	bed_bind(bed, client, "Echo");
	cr_assert_eq(bed_call(bed, hawser_bind(client, "Echo", bed_on_binding, bed, &again)), -EALREADY);
	bed_wait(bed, "Echo bound");
	cr_assert_eq(bed_call(bed, hawser_bind(client, "Echo", bed_on_binding, bed, &again)), -EALREADY);
	cr_assert_null(again);
	bed_run_ms(bed, 20);
	cr_assert_eq(bed_count(bed, "Echo"), 1, "one bound, and nothing for the duplicate");
}

CLIENT_TEST(refusals, a23_an_unknown_service_is_refused)
{
	hawser_client *client;

	bed_host(bed, NULL);
	client = bed_client(bed, NULL);
	bed_bind(bed, client, "NoSuchService");
	bed_bind(bed, client, "Echo");
	bed_wait(bed, "NoSuchService refused bind ECONNREFUSED refused");
	bed_wait(bed, "Echo bound");
	bed_run_ms(bed, 20);
	cr_assert_eq(bed_count(bed, "NoSuchService"), 1);
}

CLIENT_TEST(refusals, a24_a_request_error_fails_the_binding_once)
{
	hawser_client *client;

	bed_host(bed, HOST_ARGUMENTS("--request-error"));
	client = bed_client(bed, NULL);
	bed_bind(bed, client, "Echo");
	bed_wait(bed, "Echo failed bind EPROTO protocol");
	bed_run_ms(bed, 20);
	cr_assert_eq(bed_count(bed, "Echo"), 1);
}

static void note_text(
    hawser_binding *binding, enum hawser_binding_event event, const struct hawser_error *error, void *user)
{
	bed_on_binding(binding, event, error, user);
	bed_note(user, "text: %s", error->text);
}

CLIENT_TEST(refusals, a24_a_request_error_tells_its_text)
{
	struct script script;
	hawser_binding *binding;

	script_open(&script, bed);
	cr_assert_eq(
	    bed_call(bed, hawser_bind(bed_client(bed, NULL), "Greeter", note_text, bed, &binding)), 0);
	script_accept(&script, bed);
	script_swallow(&script, bed, 17);
	script_send(&script, "1500000010013a110a0f756e6b6e6f776e2072657175657374");
	bed_wait(bed, "Greeter failed bind EPROTO protocol\ntext: unknown request\n");
	hawser_binding_free(binding);
	script_close(&script);
}

CLIENT_TEST(refusals, a24_an_answer_of_the_wrong_kind_fails_the_binding_once)
{
	hawser_client *client;

	bed_host(bed, HOST_ARGUMENTS("--wrong-reply"));
	client = bed_client(bed, NULL);
	bed_bind(bed, client, "Echo");
	bed_wait(bed, "Echo failed bind EPROTO protocol");
	bed_run_ms(bed, 20);
	cr_assert_eq(bed_count(bed, "Echo"), 1);
}

CLIENT_TEST(refusals, a_refusal_can_be_asked_again)
{
	HAWSER_OPTIONS(hawser_client_options, options, AT_ONCE);
	HAWSER_OPTIONS(hawser_bind_options, again, .service = "Echo", .retry_refused = true);
	hawser_client *client;

	bed_host(bed, HOST_ARGUMENTS("--refuse", "Echo"));
	client = bed_client(bed, &options);
	bed_bind_with(bed, client, &again);
	bed_wait(bed, "client ready");
	bed_run_ms(bed, 30);
	host_stop(&bed->host);
	cr_assert_null(strstr(host_errors(&bed->host), " 1 binds"), "asked more than once");
	bed_host(bed, NULL);
	bed_wait(bed, "Echo bound");
	cr_assert_eq(bed_count(bed, "Echo refused"), 0);
}
