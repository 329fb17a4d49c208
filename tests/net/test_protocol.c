/* SPDX-License-Identifier: MIT
 *
 * A protocol of the user's own (tests/support/lines.c): handshake, setup, bindings, calls and failures.
 */
#include "../support/lines.h"

#include <errno.h>

CLIENT_TEST(protocol, one_of_the_users_own_has_handshake_setup_bindings_and_calls)
{
	HAWSER_OPTIONS(hawser_client_options, options, .custom_protocol = &lines_protocol,
	    .backoff_base_ms = 1, .backoff_cap_ms = 1);
	HAWSER_OPTIONS(
	    hawser_setup_options, setup, .service = "auth", .method = "none", .request = {"me", 2});
	struct script script;
	hawser_client *client;
	hawser_binding *clock;

	script_open(&script, bed);
	client = bed_client(bed, &options);
	cr_assert_eq(bed_call(bed, hawser_client_setup(client, &setup, bed_on_setup, bed)), 0);
	clock = bed_bind(bed, client, "clock");
	bed_bind(bed, client, "vault");
	script_accept(&script, bed);
	lines_expect(&script, bed, "hello 0 lines \n");
	cr_assert_eq(hawser_client_state(client), HAWSER_PREPARING);
	lines_answer(&script, "welcome\n");
	lines_expect(&script, bed, "setup 1 auth me\n");
	lines_answer(&script, "fine 1 x\n");
	bed_wait(bed, "setup done");
	lines_expect(&script, bed, "bind 2 clock \nbind 3 vault \n");
	lines_answer(&script, "no 3\nbou");
	bed_wait(bed, "vault refused bind EACCES refused");
	lines_answer(&script, "nd 2\n");
	bed_wait(bed, "clock bound");
	cr_assert_eq(bed_invoke(bed, clock, "time", "now"), 0);
	cr_assert_eq(bed_call(bed, hawser_invoke(clock, "tick", NULL, 0, NULL, NULL, NULL)), 0);
	lines_expect(&script, bed, "call 4 time now\ntell 5 tick \n");
	lines_answer(&script, "more 4 one\nlast 4 two\nlast 4 three\n");
	bed_wait(bed, "more one");
	bed_wait(bed, "reply two");
	script_hang_up(&script);
	bed_wait(bed, "clock lost");
	cr_assert_eq(lines_closed, 1);
	script_accept(&script, bed);
	lines_expect(&script, bed, "hello 0 lines \n");
	lines_answer(&script, "welcome\n");
	lines_expect(&script, bed, "setup 1 auth me\n");
	lines_answer(&script, "fine 1 x\n");
	lines_expect(&script, bed, "bind 2 clock \n");
	lines_answer(&script, "bound 2\n");
	bed_wait(bed, "clock bound");
	cr_assert_eq(bed_count(bed, "setup"), 1, "told once, run at every connect");
	script_close(&script);
}

static void tell_text(
    hawser_binding *binding, enum hawser_binding_event event, const struct hawser_error *error, void *user)
{
	bed_note(user, "%s %s: %s", hawser_binding_service(binding), hawser_binding_event_name(event),
	    error->text);
}

CLIENT_TEST(protocol, failures_in_one_frame_keep_their_own_words)
{
	HAWSER_OPTIONS(hawser_client_options, options, .custom_protocol = &lines_protocol);
	struct script script;
	hawser_client *client;

	script_open(&script, bed);
	client = bed_client(bed, &options);
	for (int i = 0; i < 3; i++) {
		const char *const services[] = {"clock", "vault", "attic"};

		cr_assert_eq(bed_call(bed, hawser_bind(client, services[i], tell_text, bed, NULL)), 0);
	}
	script_accept(&script, bed);
	lines_expect(&script, bed, "hello 0 lines \n");
	lines_answer(&script, "welcome\n");
	lines_expect(&script, bed, "bind 1 clock \nbind 2 vault \nbind 3 attic \n");
	lines_answer(&script, "neither 1\n");
	bed_wait(bed, "clock refused: the first is closed");
	bed_wait(bed, "vault refused: the host does not offer this service");
	bed_wait(bed, "attic refused: the third is full");
	script_close(&script);
}
