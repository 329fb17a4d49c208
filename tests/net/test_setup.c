/* SPDX-License-Identifier: MIT
 *
 * Setup, and what a loss leaves behind. Behaviours B8, C3, C7 to C13, C17, D23.
 */
#include "../support/bed.h"
#include "../support/script.h"
#include "../support/sockets.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define AT_ONCE .backoff_base_ms = 1, .backoff_cap_ms = 2

static ssize_t take_all(hawser_client *client, const struct hawser_bytes *data, bool *ret_done, void *user)
{
	(void)client;
	(void)user;
	*ret_done = true;
	return (ssize_t)data->size;
}

static ssize_t refuse(hawser_client *client, const struct hawser_bytes *data, bool *ret_done, void *user)
{
	(void)client;
	(void)data;
	(void)ret_done;
	(void)user;
	return -EACCES;
}

#define ECHO_SETUP .service = "Echo", .method = "Echo", .request = {"hello", 5}

#define SOON                                                                                                \
	.attempt_deadline_ms = 20, .setup_deadline_ms = 20, .bind_deadline_ms = 20, .call_deadline_ms = 20, \
	.drain_deadline_ms = 20

/* What has ended stays ended when its deadlines would have come. */
static void expect_silence(struct bed *bed)
{
	size_t length;

	bed_settle(bed);
	length = bed->length;
	bed_run_ms(bed, 60);
	cr_assert_eq(bed->length, length, "%s", bed->log + length);
}

CLIENT_TEST(setup, c3_a_target_that_cannot_be_used_ends_all_once_and_no_deadline_comes_late)
{
	HAWSER_OPTIONS(hawser_client_options, options, SOON, .rounds_max = 1, .overall_deadline_ms = 20);
	HAWSER_OPTIONS(hawser_bind_options, one_shot, .service = "Once", .one_shot = true, .deadline_ms = 20);
	HAWSER_OPTIONS(hawser_setup_options, setup, ECHO_SETUP);
	hawser_client *client;
	hawser_binding *echo;

	close(sockets_listen_path(bed->target, -1));
	client = bed_client(bed, &options);
	cr_assert_eq(bed_call(bed, hawser_client_setup(client, &setup, bed_on_setup, bed)), 0);
	echo = bed_bind(bed, client, "Echo");
	bed_bind_with(bed, client, &one_shot);
	cr_assert_eq(bed_invoke(bed, echo, "Echo", "x"), 0);
	bed_wait(bed, "client closed connect ECONNREFUSED refused");
	expect_silence(bed);
	cr_assert_eq(bed_count(bed, "client closed"), 1);
	cr_assert_eq(bed_count(bed, "setup connect ECONNREFUSED"), 1);
	cr_assert_eq(bed_count(bed, "Echo "), 1);
	cr_assert_eq(bed_count(bed, "Once "), 1);
	cr_assert_eq(bed_count(bed, "call "), 1);
}

CLIENT_TEST(setup, c3_a_close_stops_every_deadline)
{
	HAWSER_OPTIONS(hawser_client_options, options, SOON);
	HAWSER_OPTIONS(hawser_setup_options, setup, ECHO_SETUP);
	hawser_client *client;

	bed_host(bed, HOST_ARGUMENTS("--never-answer"));
	client = bed_client(bed, &options);
	cr_assert_eq(bed_call(bed, hawser_client_setup(client, &setup, bed_on_setup, bed)), 0);
	bed_bind(bed, client, "Echo");
	bed_wait(bed, "client preparing");
	bed_settle(bed);
	cr_assert_eq(bed_call(bed, hawser_client_close(client)), 0);
	bed_wait(bed, "client closed none ECANCELED cancelled");
	expect_silence(bed);
}

CLIENT_TEST(setup, c3_a_close_stops_the_deadlines_of_bindings_and_calls)
{
	HAWSER_OPTIONS(hawser_client_options, options, SOON);
	struct script script;
	hawser_binding *greeter = script_bound(&script, bed, &options);

	bed_bind(bed, hawser_binding_client(greeter), "Echo");
	cr_assert_eq(bed_invoke(bed, greeter, "SayHello", ""), 0);
	script_swallow(&script, bed, 26);
	cr_assert_eq(bed_call(bed, hawser_client_close(hawser_binding_client(greeter))), 0);
	bed_wait(bed, "client closed none ECANCELED cancelled");
	expect_silence(bed);
	cr_assert_eq(bed_count(bed, "ETIMEDOUT"), 0);
	script_close(&script);
}

CLIENT_TEST(setup, c7_a_host_that_goes_at_the_bind_is_told_by_the_loss)
{
	HAWSER_OPTIONS(hawser_bind_options, one_shot, .service = "Echo", .one_shot = true);
	struct script script;
	hawser_client *client;

	script_open(&script, bed);
	client = bed_client(bed, NULL);
	bed_bind_with(bed, client, &one_shot);
	script_accept(&script, bed);
	script_swallow(&script, bed, 14);
	cr_assert_eq(bed_count(bed, "Echo"), 0, "nothing at the bind itself");
	script_hang_up(&script);
	bed_wait(bed, "Echo failed receive ECONNRESET lost");
	cr_assert_eq(bed_count(bed, "Echo"), 1);
	script_close(&script);
}

static void read_the_peer(struct bed *bed, const char *line, void *handle)
{
	struct hawser_status status = {.size = sizeof(status)};
	struct hawser_peer peer;

	if (strncmp(line, "client waiting receive", 22) != 0)
		return;
	cr_assert_eq(hawser_client_status(handle, &status), 0);
	cr_assert_str_eq(status.address, bed->target + strlen("unix:"));
	cr_assert_eq(hawser_client_peer(handle, &peer), 0);
	cr_assert_eq(peer.uid, getuid());
	bed_note(bed, "still readable");
}

CLIENT_TEST(setup, d23_b8_a_loss_is_told_once_and_who_was_there_stays_readable)
{
	HAWSER_OPTIONS(hawser_client_options, options, .backoff_base_ms = 3600000, .backoff_cap_ms = 3600000);
	struct script script;

	bed->told = read_the_peer;
	script_bound(&script, bed, &options);
	script_close(&script);
	bed_wait(bed, "still readable");
	bed_run_ms(bed, 20);
	cr_assert_eq(bed_count(bed, "client waiting receive"), 1);
	cr_assert_eq(bed_count(bed, "Greeter lost"), 1);
}

CLIENT_TEST(setup, c8_setup_before_the_connect_runs_before_the_queue_drains)
{
	HAWSER_OPTIONS(hawser_setup_options, setup, ECHO_SETUP, .check = take_all);
	hawser_client *client = bed_client(bed, NULL);

	bed_bind(bed, client, "Counter");
	cr_assert_eq(bed_call(bed, hawser_client_setup(client, &setup, bed_on_setup, bed)), 0);
	cr_assert_eq(bed_call(bed, hawser_client_setup(client, &setup, bed_on_setup, bed)), -EALREADY);
	bed_host(bed, NULL);
	bed_wait(bed, "setup done");
	bed_wait(bed, "client ready");
	bed_wait(bed, "Counter bound");
}

CLIENT_TEST(setup, c8_c17_setup_after_the_connect_runs_at_once_and_answers_once)
{
	HAWSER_OPTIONS(hawser_client_options, options, AT_ONCE);
	HAWSER_OPTIONS(hawser_setup_options, setup, ECHO_SETUP);
	hawser_client *client;

	bed_host(bed, HOST_ARGUMENTS("--duplicate-replies"));
	client = bed_client(bed, &options);
	bed_wait(bed, "client ready");
	cr_assert_eq(bed_call(bed, hawser_client_setup(client, &setup, bed_on_setup, bed)), 0);
	cr_assert_eq(bed_count(bed, "setup"), 0);
	bed_wait(bed, "setup done");
	bed_run_ms(bed, 20);
	cr_assert_eq(host_restart(&bed->host), 0);
	bed_wait(bed, "client ready");
	bed_run_ms(bed, 20);
	cr_assert_eq(bed_count(bed, "setup"), 1, "run again, told once");
	host_stop(&bed->host);
	cr_assert(strstr(host_errors(&bed->host), "1 calls"), "the restarted host saw it: %s",
	    host_errors(&bed->host));
}

CLIENT_TEST(setup, c9_setup_after_the_end_is_answered_at_once)
{
	HAWSER_OPTIONS(hawser_client_options, options, .rounds_max = 1);
	HAWSER_OPTIONS(hawser_setup_options, setup, ECHO_SETUP);
	hawser_client *client = bed_client(bed, &options);

	bed_wait(bed, "client closed");
	cr_assert_eq(bed_call(bed, hawser_client_setup(client, &setup, bed_on_setup, bed)), -ESTALE);
}

CLIENT_TEST(setup, c10_a_loss_answers_the_pending_setup)
{
	HAWSER_OPTIONS(hawser_client_options, options, AT_ONCE);
	HAWSER_OPTIONS(hawser_setup_options, setup, ECHO_SETUP);
	hawser_client *client;

	bed_host(bed, HOST_ARGUMENTS("--never-answer"));
	client = bed_client(bed, &options);
	cr_assert_eq(bed_call(bed, hawser_client_setup(client, &setup, bed_on_setup, bed)), 0);
	bed_wait(bed, "client preparing");
	bed_settle(bed);
	host_kill(&bed->host);
	bed_wait(bed, "client waiting setup");
	bed_wait(bed, "setup setup ECONNRESET lost");
}

CLIENT_TEST(setup, c11_stop_answers_the_pending_setup)
{
	HAWSER_OPTIONS(hawser_setup_options, setup, ECHO_SETUP);
	hawser_client *client = bed_client(bed, NULL);

	cr_assert_eq(bed_call(bed, hawser_client_setup(client, &setup, bed_on_setup, bed)), 0);
	cr_assert_eq(bed_call(bed, hawser_client_close(client)), 0);
	bed_wait(bed, "setup none ECANCELED cancelled");
	bed_wait(bed, "client closed");
	cr_assert_eq(bed_count(bed, "setup "), 1);
}

CLIENT_TEST(setup, c12_a_setup_that_is_never_answered_is_a_timeout)
{
	HAWSER_OPTIONS(hawser_client_options, options, .rounds_max = 1, .setup_deadline_ms = 40);
	HAWSER_OPTIONS(hawser_setup_options, setup, ECHO_SETUP);
	hawser_client *client;

	bed_host(bed, HOST_ARGUMENTS("--never-answer"));
	client = bed_client(bed, &options);
	cr_assert_eq(bed_call(bed, hawser_client_setup(client, &setup, bed_on_setup, bed)), 0);
	bed_wait(bed, "setup setup ETIMEDOUT deadline");
	bed_wait(bed, "client closed setup ETIMEDOUT deadline");
}

CLIENT_TEST(setup, c12_each_round_of_a_client_that_retries_has_its_own_timeout)
{
	HAWSER_OPTIONS(hawser_client_options, options, AT_ONCE, .setup_deadline_ms = 20);
	HAWSER_OPTIONS(hawser_setup_options, setup, ECHO_SETUP);
	hawser_client *client;

	bed_host(bed, HOST_ARGUMENTS("--never-answer"));
	client = bed_client(bed, &options);
	cr_assert_eq(bed_call(bed, hawser_client_setup(client, &setup, bed_on_setup, bed)), 0);
	for (int i = 0; i < 3; i++)
		bed_wait(bed, "client waiting setup ETIMEDOUT deadline");
	cr_assert_eq(bed_count(bed, "setup setup ETIMEDOUT deadline"), 1, "its one answer:\n%s", bed->log);
	cr_assert_eq(bed_count(bed, "client ready"), 0);
	cr_assert_eq(bed_count(bed, "client closed"), 0);
}

CLIENT_TEST(setup, c13_setup_is_kept_across_retries)
{
	HAWSER_OPTIONS(hawser_client_options, options, AT_ONCE, .setup_deadline_ms = 40);
	HAWSER_OPTIONS(hawser_setup_options, setup, ECHO_SETUP);
	hawser_client *client;

	bed_host(bed, HOST_ARGUMENTS("--never-answer"));
	client = bed_client(bed, &options);
	cr_assert_eq(bed_call(bed, hawser_client_setup(client, &setup, bed_on_setup, bed)), 0);
	bed_wait(bed, "client waiting setup ETIMEDOUT deadline");
	host_kill(&bed->host);
	bed_host(bed, NULL);
	bed_wait(bed, "client ready");
	host_stop(&bed->host);
	cr_assert(strstr(host_errors(&bed->host), "1 calls"), "the exchange ran again: %s",
	    host_errors(&bed->host));
}

CLIENT_TEST(setup, a_setup_check_can_refuse_the_host)
{
	HAWSER_OPTIONS(hawser_client_options, options, .rounds_max = 1);
	HAWSER_OPTIONS(hawser_setup_options, setup, ECHO_SETUP, .check = refuse);
	hawser_client *client;

	bed_host(bed, NULL);
	client = bed_client(bed, &options);
	cr_assert_eq(bed_call(bed, hawser_client_setup(client, &setup, bed_on_setup, bed)), 0);
	bed_wait(bed, "client closing setup EACCES protocol");
	bed_wait(bed, "setup setup EACCES protocol");
	cr_assert_eq(bed_count(bed, "client ready"), 0);
}
