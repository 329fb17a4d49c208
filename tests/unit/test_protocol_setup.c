/* SPDX-License-Identifier: MIT
 *
 * The setup exchange of protocol "perfetto", and protocols "raw" and "none", on a fake connection.
 */
#include "../support/fake_connection.h"
#include "../support/golden.h"
#include <criterion/criterion.h>

/* The protocols themselves, which speak to the fake connection. */
#include "protocol/none.c"             // NOLINT(bugprone-suspicious-include)
#include "protocol/perfetto.c"         // NOLINT(bugprone-suspicious-include)
#include "protocol/perfetto_service.c" // NOLINT(bugprone-suspicious-include)
#include "protocol/raw.c"              // NOLINT(bugprone-suspicious-include)

static struct hawser_connection connection;
static struct session session;
static const struct hawser_protocol *protocol;

static struct hawser_setup_options options;

static ssize_t check(hawser_client *client, const struct hawser_bytes *data, bool *ret_done, void *user)
{
	(void)client;
	(void)user;
	*ret_done = true;
	return (ssize_t)data->size;
}

/* As the golden rows have it: Greeter is asked for under id 1, its SayHello is invoked under id 2. */
static void begin(void)
{
	golden_read();
	fake_connection_init(&connection);
	memset(&session, 0, sizeof(session));
	protocol = hawser_protocol_perfetto();
	options = (struct hawser_setup_options){
	    .size = sizeof(options),
	    .service = "Greeter",
	    .method = "SayHello",
	    .request = {"\n\fMr Bojangles", 14},
	    .check = check,
	};
	connection.in_setup = true;
	connection.check_result = FAKE_BYTES_MAX;
	connection.check_done = true;
}

static void end(void)
{
	test_memory_end(&connection.memory);
}

TestSuite(protocol_setup, .init = begin, .fini = end, .timeout = 60);

static void receive(const void *frame, size_t size)
{
	cr_assert_eq(protocol->receive(&connection, &session, frame, size), (ssize_t)size);
}

static void receive_golden(const char *name)
{
	const struct golden_row *row = golden_find(name);

	receive(row->received.data, row->received.size);
}

static void assert_sent(const char *name)
{
	const struct golden_row *row = golden_find(name);

	cr_assert_eq(connection.sent_size, row->received.size);
	cr_assert_arr_eq(connection.sent, row->received.data, row->received.size);
}

static void assert_refused(int code, enum hawser_cause cause, const char *text)
{
	cr_assert_eq(connection.event, FAKE_SETUP_FAILED);
	cr_assert_eq(connection.code, code);
	cr_assert_eq(connection.cause, cause);
	cr_assert_str_eq(connection.text, text);
}

static void perfetto_begin(void)
{
	cr_assert_eq(protocol->setup(&connection, &session, &options), 1);
	assert_sent("bind_request rid=1 Greeter");
}

static void perfetto_bound(void)
{
	perfetto_begin();
	receive_golden("bind_reply ok rid=1 sid=1 SayHello=1 WaveGoodbye=2");
	assert_sent("invoke rid=2 sid=1 mid=1 args name=Mr Bojangles");
	cr_assert_eq(connection.sends, 2);
	cr_assert_eq(connection.events, 0);
}

Test(protocol_setup, perfetto_binds_invokes_and_shows_the_answer)
{
	perfetto_bound();
	receive_golden("invoke_reply ok rid=2 Hello Mr Bojangles");
	cr_assert_eq(connection.event, FAKE_CHECKED);
	cr_assert_eq(connection.bytes_size, 20);
	cr_assert_not(connection.in_setup);
	cr_assert_eq(connection.memory.allocations, 0);
	receive_golden("invoke_reply ok rid=2 Hello Mr Bojangles");
	receive_golden("bind_reply ok rid=1 sid=1 SayHello=1 WaveGoodbye=2");
	cr_assert_eq(connection.events, 1, "its answers are not answers of anybody else");
}

Test(protocol_setup, perfetto_takes_answers_of_others_in_between)
{
	perfetto_bound();
	connection.awaited[5] = HAWSER_REQUEST_CALL;
	receive_golden("request_error rid=5");
	cr_assert_eq(connection.event, FAKE_FAILED);
	cr_assert(connection.in_setup);
	receive_golden("invoke_reply ok rid=2 Hello Mr Bojangles");
	cr_assert_not(connection.in_setup);
}

Test(protocol_setup, perfetto_needs_a_service_and_a_method)
{
	options.method = NULL;
	cr_assert_eq(protocol->setup(&connection, &session, &options), -EINVAL);
	options.method = "SayHello";
	options.service = NULL;
	cr_assert_eq(protocol->setup(&connection, &session, &options), -EINVAL);
	options.service = "Greeter";
	connection.send_result = -ENOBUFS;
	cr_assert_eq(protocol->setup(&connection, &session, &options), -ENOBUFS);
	connection.send_result = 0;
	cr_assert_eq(connection.sends, 0);
	receive("\x04\0\0\0\x10\x01\x22\x00", 8);
	cr_assert_eq(connection.events, 0, "nothing is awaited");
}

Test(protocol_setup, perfetto_the_service_is_refused)
{
	perfetto_begin();
	receive_golden("bind_reply fail rid=1");
	assert_refused(-ECONNREFUSED, HAWSER_CAUSE_REFUSED, "the host refused the service of the setup");
}

Test(protocol_setup, perfetto_the_method_is_not_listed)
{
	options.method = "SayHell";
	perfetto_begin();
	receive_golden("bind_reply ok rid=1 sid=1 SayHello=1 WaveGoodbye=2");
	assert_refused(-ENOSYS, HAWSER_CAUSE_REFUSED, "the host does not list the method of the setup");
	cr_assert_eq(connection.sends, 1);
}

Test(protocol_setup, perfetto_the_call_cannot_be_sent)
{
	perfetto_begin();
	connection.send_result = -ENOMEM;
	receive_golden("bind_reply ok rid=1 sid=1 SayHello=1 WaveGoodbye=2");
	assert_refused(-ENOMEM, HAWSER_CAUSE_LOCAL, "");
}

Test(protocol_setup, perfetto_the_call_does_not_fit)
{
	options.request.size = 131072;
	perfetto_begin();
	receive_golden("bind_reply ok rid=1 sid=1 SayHello=1 WaveGoodbye=2");
	assert_refused(-EMSGSIZE, HAWSER_CAUSE_LOCAL, "");
	cr_assert_eq(connection.sends, 1);
}

Test(protocol_setup, perfetto_the_call_is_refused)
{
	perfetto_bound();
	receive("\x06\0\0\0\x10\x02\x32\x02\x10\x00", 10);
	assert_refused(-EREMOTEIO, HAWSER_CAUSE_REFUSED, "the service rejected the call");
}

Test(protocol_setup, perfetto_the_bind_is_answered_with_nonsense)
{
	perfetto_begin();
	receive("\x06\0\0\0\x10\x01\x3a\x02\x0a\x00", 10);
	assert_refused(-EPROTO, HAWSER_CAUSE_PROTOCOL, "the host answered with an error");
	connection.in_setup = true;
	receive_golden("bind_reply ok rid=1 sid=1 SayHello=1 WaveGoodbye=2");
	cr_assert_eq(connection.sends, 1, "the exchange is over");
}

Test(protocol_setup, perfetto_the_call_is_answered_with_nonsense)
{
	perfetto_bound();
	receive("\x04\0\0\0\x10\x02\x22\x00", 8);
	assert_refused(
	    -EPROTO, HAWSER_CAUSE_PROTOCOL, "the host answered a call with the reply of a binding");
}

Test(protocol_setup, perfetto_a_stream_goes_to_the_check_until_it_is_done)
{
	static const char more[] = "\x0b\0\0\0\x10\x02\x32\x07\x08\x01\x10\x01\x1a\x01p";

	perfetto_bound();
	connection.check_done = false;
	connection.check_result = 0;
	for (unsigned i = 1; i <= 3; i++) {
		receive(more, sizeof(more) - 1);
		cr_assert_eq(connection.events, i);
		cr_assert_eq(connection.event, FAKE_CHECKED);
	}
	connection.check_done = true;
	receive(more, sizeof(more) - 1);
	cr_assert_not(connection.in_setup);
	cr_assert_eq(connection.events, 4);
}

Test(protocol_setup, perfetto_the_check_waits_for_what_will_not_come)
{
	perfetto_bound();
	connection.check_done = false;
	connection.check_result = 0;
	receive_golden("invoke_reply ok rid=2 Hello Mr Bojangles");
	assert_refused(
	    -EPROTO, HAWSER_CAUSE_PROTOCOL, "the host has answered the setup, and its check waits for more");
}

Test(protocol_setup, perfetto_the_check_refuses)
{
	perfetto_bound();
	connection.check_result = -EACCES;
	receive_golden("invoke_reply ok rid=2 Hello Mr Bojangles");
	cr_assert_eq(connection.event, FAKE_CHECKED);
	cr_assert_eq(connection.events, 1);
}

Test(protocol_setup, raw_sends_and_shows_what_comes)
{
	protocol = hawser_protocol_raw();
	connection.check_done = false;
	cr_assert_eq(protocol->setup(&connection, NULL, &options), 1);
	cr_assert_eq(connection.sent_size, 14);
	cr_assert_arr_eq(connection.sent, options.request.data, 14);
	connection.check_result = 0;
	cr_assert_eq(protocol->receive(&connection, NULL, (const uint8_t *)"+O", 2), 0, "more is needed");
	connection.check_done = true;
	connection.check_result = 5;
	cr_assert_eq(protocol->receive(&connection, NULL, (const uint8_t *)"+OK\r\n:7\r\n", 9), 5);
	cr_assert_eq(connection.event, FAKE_CHECKED);
	cr_assert_eq(protocol->receive(&connection, NULL, (const uint8_t *)":7\r\n", 4), 4);
	cr_assert_eq(connection.event, FAKE_DATA);
	cr_assert_arr_eq(connection.bytes, ":7\r\n", 4);
}

Test(protocol_setup, raw_a_check_that_takes_nothing_and_is_done_leaves_data)
{
	protocol = hawser_protocol_raw();
	connection.check_result = 0;
	cr_assert_eq(protocol->receive(&connection, NULL, (const uint8_t *)"hello", 5), 0, "shown again");
	cr_assert_eq(protocol->receive(&connection, NULL, (const uint8_t *)"hello", 5), 5);
	cr_assert_eq(connection.event, FAKE_DATA);
	cr_assert_eq(connection.bytes_size, 5);
	cr_assert_eq(connection.events, 2);
}

Test(protocol_setup, raw_a_refusal_leaves_no_data)
{
	protocol = hawser_protocol_raw();
	connection.check_result = -EACCES;
	cr_assert_eq(protocol->receive(&connection, NULL, (const uint8_t *)"-ERR", 4), 4);
	cr_assert_eq(connection.event, FAKE_CHECKED);
}

Test(protocol_setup, raw_without_a_check_awaits_nothing)
{
	protocol = hawser_protocol_raw();
	options.check = NULL;
	cr_assert_eq(protocol->setup(&connection, NULL, &options), 0);
	cr_assert_eq(connection.sends, 1);
	connection.send_result = -ENOMEM;
	cr_assert_eq(protocol->setup(&connection, NULL, &options), -ENOMEM);
	options.request.size = 0;
	cr_assert_eq(protocol->setup(&connection, NULL, &options), 0, "a host that speaks first");
	options.check = check;
	cr_assert_eq(protocol->setup(&connection, NULL, &options), 1);
	cr_assert_eq(connection.sends, 1);
}

Test(protocol_setup, the_tables_say_what_each_can_do)
{
	protocol = hawser_protocol_raw();
	cr_assert_eq(protocol->size, sizeof(*protocol));
	cr_assert_str_eq(protocol->name, "raw");
	cr_assert_eq(protocol->flags, HAWSER_PROTOCOL_STREAM);
	cr_assert(!protocol->frame && !protocol->bind && !protocol->invoke && protocol->receive);
	protocol = hawser_protocol_none();
	cr_assert_eq(protocol->size, sizeof(*protocol));
	cr_assert_str_eq(protocol->name, "none");
	cr_assert_eq(protocol->flags, HAWSER_PROTOCOL_HANDOVER);
	cr_assert(!protocol->receive && !protocol->setup && !protocol->bind && !protocol->invoke);
}
