/* SPDX-License-Identifier: MIT
 *
 * What a protocol of the user's own must not do, and what comes of it: tables that cannot work, answers and
 * failures out of turn, sends that cannot be, and no room of its own.
 */
#include "../support/lines.h"

#include <errno.h>
#include <string.h>

CLIENT_TEST(protocol, what_it_forbids_ends_the_connection)
{
	HAWSER_OPTIONS(hawser_client_options, options, .custom_protocol = &lines_protocol, .rounds_max = 1);
	struct script script;
	char long_line[300];

	memset(long_line, 'x', sizeof(long_line));
	script_open(&script, bed);
	bed_client(bed, &options);
	script_accept(&script, bed);
	script_send_bytes(&script, long_line, sizeof(long_line));
	bed_wait(bed, "client closed receive EMSGSIZE protocol");
	script_close(&script);
}

CLIENT_TEST(protocol, a_table_that_cannot_work_is_refused)
{
	struct hawser_protocol broken = lines_protocol;
	HAWSER_OPTIONS(hawser_client_options, options, .custom_protocol = &broken);
	HAWSER_OPTIONS(hawser_client_options, unknown, .protocol = "gopher");
	hawser_client *client = NULL;

	broken.invoke = NULL;
	cr_assert_eq(bed_client_try(bed, &options, &client), -EINVAL);
	broken = lines_protocol;
	broken.size = 4;
	cr_assert_eq(bed_client_try(bed, &options, &client), -EINVAL);
	cr_assert_eq(bed_client_try(bed, &unknown, &client), -EPROTONOSUPPORT);
	cr_assert_null(client);
}

static int hasty_bind(hawser_connection *connection, void *state, uint64_t id, const char *service)
{
	void *mine = hawser_connection_allocate(connection, 8);

	if (strcmp(service, "yes") == 0)
		hawser_connection_bound(connection, id, mine);
	else
		hawser_connection_release(connection, mine, 8);
	if (strcmp(service, "no") == 0)
		hawser_connection_failed(connection, id, -EACCES, HAWSER_CAUSE_REFUSED, "too early");
	return lines_bind(connection, state, id, service);
}

CLIENT_TEST(protocol, an_answer_from_within_the_question_is_ignored)
{
	struct hawser_protocol hasty = lines_protocol;
	HAWSER_OPTIONS(hawser_client_options, options, .custom_protocol = &hasty);
	struct script script;
	hawser_client *client;

	hasty.bind = hasty_bind;
	script_open(&script, bed);
	client = bed_client(bed, &options);
	bed_bind(bed, client, "yes");
	bed_bind(bed, client, "no");
	script_accept(&script, bed);
	lines_expect(&script, bed, "hello 0 lines \n");
	lines_answer(&script, "welcome\n");
	lines_expect(&script, bed, "bind 1 yes \nbind 2 no \n");
	bed_settle(bed);
	cr_assert_eq(bed_count(bed, "yes "), 0);
	cr_assert_eq(bed_count(bed, "no "), 0);
	lines_answer(&script, "bound 2\nbound 1\n");
	bed_wait(bed, "no bound");
	bed_wait(bed, "yes bound");
	hawser_client_free(client);
	bed_forget_client(bed, client);
	bed_settle(bed);
	script_close(&script);
}

static int greedy_bind(hawser_connection *connection, void *state, uint64_t id, const char *service)
{
	const int fds[17] = {0};
	struct hawser_bytes part = {"x", 1};

	cr_assert_eq(hawser_connection_send(connection, &part, 1, fds, 17), -EINVAL);
	cr_assert_eq(hawser_connection_send(connection, NULL, 0, NULL, 0), -EINVAL);
	return lines_bind(connection, state, id, service);
}

CLIENT_TEST(protocol, a_send_without_bytes_or_with_too_many_descriptors_is_refused)
{
	struct hawser_protocol greedy = lines_protocol;
	HAWSER_OPTIONS(hawser_client_options, options, .custom_protocol = &greedy);
	struct script script;
	hawser_client *client;

	greedy.bind = greedy_bind;
	script_open(&script, bed);
	client = bed_client(bed, &options);
	bed_bind(bed, client, "clock");
	script_accept(&script, bed);
	lines_answer(&script, "welcome\n");
	lines_expect(&script, bed, "hello 0 lines \nbind 1 clock \n");
	hawser_client_free(client);
	bed_forget_client(bed, client);
	bed_settle(bed);
	script_close(&script);
}

static int sulking_setup(hawser_connection *connection, void *state, const struct hawser_setup_options *setup)
{
	(void)state;
	(void)setup;
	hawser_connection_setup_failed(connection, -EACCES, HAWSER_CAUSE_REFUSED, "not today");
	return 1;
}

CLIENT_TEST(protocol, a_setup_may_fail_at_once_on_a_ready_connection)
{
	struct hawser_protocol sulking = lines_protocol;
	HAWSER_OPTIONS(hawser_client_options, options, .custom_protocol = &sulking, .rounds_max = 1);
	HAWSER_OPTIONS(hawser_setup_options, setup, .service = "a", .method = "b");
	struct script script;
	hawser_client *client;

	sulking.setup = sulking_setup;
	script_open(&script, bed);
	client = bed_client(bed, &options);
	script_accept(&script, bed);
	lines_answer(&script, "welcome\n");
	bed_wait(bed, "client ready");
	cr_assert_eq(bed_call(bed, hawser_client_setup(client, &setup, bed_on_setup, bed)), 0);
	bed_wait(bed, "setup setup EACCES refused");
	script_close(&script);
	hawser_client_free(client);
	bed_forget_client(bed, client);
	bed_settle(bed);
}

static int tight_asked;

static int tight_bind(hawser_connection *connection, void *state, uint64_t id, const char *service)
{
	return ++tight_asked == 1 ? -ENOBUFS : lines_bind(connection, state, id, service);
}

static int tight_invoke(hawser_connection *connection, void *state, uint64_t id, void *service,
    const struct hawser_protocol_call *call)
{
	struct hawser_bytes early = {"early", 5};

	if (strcmp(call->method, "late") == 0)
		return -ENOBUFS;
	hawser_connection_replied(connection, id, &early, false);
	return lines_invoke(connection, state, id, service, call);
}

/* The queue has room, so that nothing will tell of more: a binding is tried again, a call that waited is
 * told. */
CLIENT_TEST(protocol, room_of_its_own_that_is_short_is_not_waited_for)
{
	struct hawser_protocol tight = lines_protocol;
	HAWSER_OPTIONS(hawser_client_options, options, .custom_protocol = &tight);
	struct script script;
	hawser_client *client;
	hawser_binding *clock;

	tight_asked = 0;
	tight.bind = tight_bind;
	tight.invoke = tight_invoke;
	script_open(&script, bed);
	client = bed_client(bed, &options);
	clock = bed_bind(bed, client, "clock");
	cr_assert_eq(bed_invoke(bed, clock, "late", "x"), 0);
	cr_assert_eq(bed_invoke(bed, clock, "time", "now"), 0);
	script_accept(&script, bed);
	lines_expect(&script, bed, "hello 0 lines \n");
	lines_answer(&script, "welcome\n");
	lines_expect(&script, bed, "bind 1 clock \n");
	cr_assert_eq(tight_asked, 2);
	lines_answer(&script, "bound 1\n");
	bed_wait(bed, "call call ENOBUFS");
	lines_expect(&script, bed, "call 2 time now\n");
	cr_assert_eq(bed_count(bed, "reply early"), 0, "an answer from within invoke is ignored");
	lines_answer(&script, "last 2 noon\n");
	bed_wait(bed, "reply noon");
	hawser_client_free(client);
	bed_forget_client(bed, client);
	bed_settle(bed);
	script_close(&script);
}
