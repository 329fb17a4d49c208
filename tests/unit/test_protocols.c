/* SPDX-License-Identifier: MIT
 *
 * What protocol "perfetto" sends for bindings and calls, and what it tells about the answers, on a fake
 * connection.
 */
#include "../support/fake_connection.h"
#include "../support/frame_writer.h"
#include "../support/golden.h"
#include <criterion/criterion.h>
#include <stdio.h>

/* The protocol itself, which speaks to the fake connection. */
#include "protocol/perfetto.c"         // NOLINT(bugprone-suspicious-include)
#include "protocol/perfetto_service.c" // NOLINT(bugprone-suspicious-include)

static struct hawser_connection connection;
static struct session session;
static const struct hawser_protocol *protocol;

static void begin(void)
{
	golden_read();
	fake_connection_init(&connection);
	memset(&session, 0, sizeof(session));
	protocol = hawser_protocol_perfetto();
}

static void end(void)
{
	test_memory_end(&connection.memory);
}

TestSuite(protocols, .init = begin, .fini = end, .timeout = 60);

static void receive(const void *frame, size_t size)
{
	cr_assert_eq(protocol->frame(&session, frame, size), (ssize_t)size);
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
	const struct golden_bytes *frame = row->sent.size ? &row->sent : &row->received;

	cr_assert_eq(connection.sent_size, frame->size);
	cr_assert_arr_eq(connection.sent, frame->data, frame->size);
}

static void assert_failed(uint64_t id, int code, enum hawser_cause cause, const char *text)
{
	cr_assert_eq(connection.events, 1);
	cr_assert_eq(connection.event, FAKE_FAILED);
	cr_assert_eq(connection.id, id);
	cr_assert_eq(connection.code, code);
	cr_assert_eq(connection.cause, cause);
	cr_assert_str_eq(connection.text, text);
	connection.events = 0;
}

/* A bound Greeter: SayHello is 1, WaveGoodbye 2. */
static void *greeter(void)
{
	connection.awaited[1] = HAWSER_REQUEST_BIND;
	receive_golden("bind_reply ok rid=1 sid=1 SayHello=1 WaveGoodbye=2");
	cr_assert_eq(connection.event, FAKE_BOUND);
	cr_assert_eq(connection.id, 1);
	connection.events = 0;
	return connection.service;
}

static int invoke(void *service, uint64_t id, const char *method, const char *arguments, bool no_reply)
{
	struct hawser_protocol_call call = {
	    .method = method,
	    .arguments = {arguments, strlen(arguments)},
	    .no_reply = no_reply,
	};

	return protocol->invoke(&connection, &session, id, service, &call);
}

Test(protocols, the_tables_say_what_each_can_do)
{
	cr_assert_eq(protocol->size, sizeof(*protocol));
	cr_assert_str_eq(protocol->name, "perfetto");
	cr_assert_eq(protocol->flags, HAWSER_PROTOCOL_CALLS);
	cr_assert_eq(protocol->frame_max, 131072);
	cr_assert_leq(sizeof(session), protocol->connection_size);
}

Test(protocols, a_bind_is_sent_as_protoc_encodes_it)
{
	cr_assert_eq(protocol->bind(&connection, &session, 1, "Greeter"), 0);
	assert_sent("bind_request rid=1 Greeter");
	cr_assert_eq(connection.sends, 1);
	connection.send_result = -ENOBUFS;
	cr_assert_eq(protocol->bind(&connection, &session, 2, "Greeter"), -ENOBUFS);
	cr_assert_eq(connection.events, 0);
}

Test(protocols, a30_a_bound_method_is_invoked_and_answered)
{
	void *service = greeter();

	cr_assert_eq(invoke(service, 2, "SayHello", "\n\fMr Bojangles", false), 0);
	assert_sent("invoke rid=2 sid=1 mid=1 args name=Mr Bojangles");
	connection.awaited[2] = HAWSER_REQUEST_CALL;
	receive_golden("invoke_reply ok rid=2 Hello Mr Bojangles");
	cr_assert_eq(connection.events, 1);
	cr_assert_eq(connection.event, FAKE_REPLIED);
	cr_assert_eq(connection.id, 2);
	cr_assert_not(connection.more);
	cr_assert_eq(connection.bytes_size, 20);
	cr_assert_arr_eq(connection.bytes, "\n\x12Hello Mr Bojangles", 20);
	protocol->unbind(&connection, &session, service);
}

Test(protocols, a32_without_a_reply_the_host_is_told_to_drop_it)
{
	void *service = greeter();

	cr_assert_eq(invoke(service, 3, "WaveGoodbye", "", true), 0);
	assert_sent("invoke drop_reply rid=3");
	protocol->unbind(&connection, &session, service);
}

Test(protocols, a31_a_method_that_is_not_listed_is_not_sent)
{
	static const char *const names[] = {"", "A", "SayHell", "SayHelloo", "Wave", "Z", "sayHello"};
	void *service = greeter();

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		cr_assert_eq(invoke(service, 2, names[i], "", false), -ENOSYS, "%s", names[i]);
	cr_assert_eq(connection.sends, 0);
	protocol->unbind(&connection, &session, service);
}

Test(protocols, descriptors_go_with_the_call)
{
	static const int fds[] = {5, 6};
	struct hawser_protocol_call call = {.method = "SayHello", .fds = fds, .fds_count = 2};
	void *service = greeter();

	cr_assert_eq(protocol->invoke(&connection, &session, 2, service, &call), 0);
	cr_assert_eq(connection.sent_fds, fds);
	cr_assert_eq(connection.sent_fds_count, 2);
	protocol->unbind(&connection, &session, service);
}

Test(protocols, a45_a_call_that_does_not_fit_is_not_sent)
{
	static uint8_t arguments[131072];
	struct hawser_protocol_call call = {.method = "SayHello", .arguments = {arguments, 131072 - 20}};
	void *service = greeter();

	cr_assert_eq(protocol->invoke(&connection, &session, 2, service, &call), 0);
	cr_assert_eq(connection.sent_size, 131072);
	call.arguments.size++;
	cr_assert_eq(protocol->invoke(&connection, &session, 3, service, &call), -EMSGSIZE);
	call.arguments.size = SIZE_MAX;
	cr_assert_eq(protocol->invoke(&connection, &session, 3, service, &call), -EMSGSIZE);
	cr_assert_eq(connection.sends, 1);
	connection.send_result = -ENOMEM;
	cr_assert_eq(invoke(service, 4, "SayHello", "", false), -ENOMEM);
	protocol->unbind(&connection, &session, service);
}

Test(protocols, a45_a_frame_over_the_limit_ends_the_connection)
{
	cr_assert_eq(protocol->frame(&session, (const uint8_t *)"\xfd\xff\x01\x00", 4), -EMSGSIZE);
	cr_assert_eq(protocol->frame(&session, (const uint8_t *)"\xfc\xff\x01\x00", 4), 131072);
	cr_assert_eq(protocol->frame(&session, (const uint8_t *)"\xfc\xff\x01", 3), 0);
}

static void method_write(struct frame_writer *reply, const char *name, uint64_t id)
{
	uint8_t method_data[64];
	struct frame_writer method = {.data = method_data, .room = sizeof(method_data)};

	if (name)
		frame_write_bytes(&method, 2, name, strlen(name));
	if (id != UINT64_MAX)
		frame_write_number(&method, 1, id);
	frame_write_bytes(reply, 3, method.data, method.size);
}

/* A frame with one message in it, in answer to request id. */
static void receive_message(uint32_t field, uint64_t id, const struct frame_writer *message)
{
	static uint8_t frame_data[131072];
	struct frame_writer frame = {.data = frame_data, .room = sizeof(frame_data)};

	frame_write_begin(&frame);
	frame_write_number(&frame, 2, id);
	frame_write_bytes(&frame, field, message->data, message->size);
	frame_write_end(&frame);
	receive(frame.data, frame.size);
}

Test(protocols, a28_a_method_without_name_or_number_is_passed_over)
{
	uint8_t reply_data[128];
	struct frame_writer reply = {.data = reply_data, .room = sizeof(reply_data)};
	void *service;

	frame_write_number(&reply, 1, 1);
	method_write(&reply, "a", UINT64_MAX);
	method_write(&reply, NULL, 5);
	method_write(&reply, "", 6);
	method_write(&reply, "a", 0);
	method_write(&reply, "b", 7);
	method_write(&reply, "c", UINT64_C(1) << 32);
	method_write(&reply, NULL, UINT64_MAX);
	connection.awaited[1] = HAWSER_REQUEST_BIND;
	receive_message(4, 1, &reply);
	cr_assert_eq(connection.event, FAKE_BOUND);
	service = connection.service;
	cr_assert_eq(invoke(service, 2, "a", "", false), -ENOSYS);
	cr_assert_eq(invoke(service, 2, "c", "", false), -ENOSYS, "an id is 32 bits");
	cr_assert_eq(perfetto_service_method(service, "b"), 7);
	protocol->unbind(&connection, &session, service);
}

/* 10,000 methods, from the last name to the first, each name twice: the later number counts. */
Test(protocols, many_methods_in_the_worst_order)
{
	enum { METHODS = 5000 };
	static uint8_t reply_data[131072];
	struct frame_writer reply = {.data = reply_data, .room = sizeof(reply_data)};
	char name[8];

	frame_write_number(&reply, 1, 1);
	frame_write_number(&reply, 2, 9);
	for (int i = 0; i < 2 * METHODS; i++) {
		snprintf(name, sizeof(name), "%04x", METHODS - 1 - i % METHODS);
		method_write(&reply, name, (uint64_t)i + 1);
	}
	connection.awaited[1] = HAWSER_REQUEST_BIND;
	receive_message(4, 1, &reply);
	cr_assert_eq(connection.event, FAKE_BOUND);
	cr_assert_leq(connection.memory.live_bytes, 2 * reply.size);
	for (uint32_t i = 0; i < METHODS; i++) {
		snprintf(name, sizeof(name), "%04x", i);
		cr_assert_eq(perfetto_service_method(connection.service, name), 2 * METHODS - i);
	}
	cr_assert_eq(perfetto_service_id(connection.service), 9);
	cr_assert_eq(perfetto_service_method(connection.service, "zzzz"), 0);
	protocol->unbind(&connection, &session, connection.service);
}

Test(protocols, no_memory_for_the_methods_fails_the_binding)
{
	connection.awaited[1] = HAWSER_REQUEST_BIND;
	connection.memory.fail_at = 1;
	receive_golden("bind_reply ok rid=1 sid=1 SayHello=1 WaveGoodbye=2");
	assert_failed(1, -ENOMEM, HAWSER_CAUSE_LOCAL, "");
}

Test(protocols, a23_a_refused_service)
{
	connection.awaited[1] = HAWSER_REQUEST_BIND;
	receive_golden("bind_reply fail rid=1");
	assert_failed(1, -ECONNREFUSED, HAWSER_CAUSE_REFUSED, "");
	receive_golden("bind_reply fail explicit rid=1");
	assert_failed(1, -ECONNREFUSED, HAWSER_CAUSE_REFUSED, "");
}

Test(protocols, a24_an_error_or_a_wrong_answer_to_a_bind)
{
	connection.awaited[2] = HAWSER_REQUEST_BIND;
	connection.awaited[5] = HAWSER_REQUEST_BIND;
	receive_golden("request_error rid=5");
	assert_failed(5, -EPROTO, HAWSER_CAUSE_PROTOCOL, "unknown request");
	receive_golden("invoke_reply ok rid=2 Hello Mr Bojangles");
	assert_failed(
	    2, -EPROTO, HAWSER_CAUSE_PROTOCOL, "the host answered a binding with the reply of a call");
	receive("\x05\0\0\0\x10\x05\x22\x01\x0b", 9);
	assert_failed(5, -EPROTO, HAWSER_CAUSE_PROTOCOL, "the host's answer cannot be read");
}

Test(protocols, a38_an_error_or_a_wrong_answer_to_a_call)
{
	connection.awaited[1] = HAWSER_REQUEST_CALL;
	connection.awaited[5] = HAWSER_REQUEST_CALL;
	receive_golden("request_error rid=5");
	assert_failed(5, -EPROTO, HAWSER_CAUSE_PROTOCOL, "unknown request");
	receive_golden("bind_reply ok rid=1 sid=1 SayHello=1 WaveGoodbye=2");
	assert_failed(
	    1, -EPROTO, HAWSER_CAUSE_PROTOCOL, "the host answered a call with the reply of a binding");
}

Test(protocols, a40_a_reply_that_cannot_be_read_fails_its_call)
{
	connection.awaited[5] = HAWSER_REQUEST_CALL;
	receive("\x06\0\0\0\x10\x05\x32\x02\x1a\x05", 10);
	assert_failed(5, -EPROTO, HAWSER_CAUSE_PROTOCOL, "the host's answer cannot be read");
}

Test(protocols, a_hosts_words_are_cut_and_cleaned)
{
	static const char dirty[] = {'a', '\n', 0x1b, '[', '1', 'm', 0x7f, (char)0xff, '\0', 'b'};
	uint8_t error_data[512];
	struct frame_writer error = {.data = error_data, .room = sizeof(error_data)};
	char words[300];
	char expected[TEXT_MAX] = "a??[1m???b";

	memset(words, 'w', sizeof(words));
	memcpy(words, dirty, sizeof(dirty));
	memset(expected + sizeof(dirty), 'w', sizeof(expected) - sizeof(dirty) - 1);
	frame_write_bytes(&error, 1, words, sizeof(words));
	connection.awaited[5] = HAWSER_REQUEST_CALL;
	receive_message(7, 5, &error);
	assert_failed(5, -EPROTO, HAWSER_CAUSE_PROTOCOL, expected);
	receive("\x04\0\0\0\x10\x05\x3a\x00", 8);
	assert_failed(5, -EPROTO, HAWSER_CAUSE_PROTOCOL, "the host answered with an error");
}

Test(protocols, a42_a_reply_without_success_says_why)
{
	connection.awaited[4] = HAWSER_REQUEST_CALL;
	receive_golden("invoke_reply routing failure rid=4");
	assert_failed(4, -EREMOTEIO, HAWSER_CAUSE_REFUSED,
	    "the host could not run the call: unknown service or method, or arguments it cannot read");
	receive_golden("invoke_reply rejected rid=4");
	assert_failed(4, -EREMOTEIO, HAWSER_CAUSE_REFUSED, "the service rejected the call");
}

Test(protocols, a33_a_stream_says_that_more_comes)
{
	connection.awaited[4] = HAWSER_REQUEST_CALL;
	for (unsigned i = 1; i <= 3; i++) {
		receive_golden("invoke_reply stream has_more rid=4");
		cr_assert_eq(connection.events, i);
		cr_assert_eq(connection.event, FAKE_REPLIED);
		cr_assert(connection.more);
	}
	receive("\x06\0\0\0\x10\x04\x32\x02\x08\x01", 10);
	cr_assert_eq(connection.events, 4);
	cr_assert_eq(connection.event, FAKE_REPLIED);
	cr_assert_not(connection.more);
	cr_assert_eq(connection.bytes_size, 0);
}

Test(protocols, a41_what_nobody_awaits_is_ignored)
{
	for (size_t i = 0; i < GOLDEN_ROWS; i++) {
		if (golden_rows[i].received.size)
			receive(golden_rows[i].received.data, golden_rows[i].received.size);
	}
	cr_assert_eq(connection.events, 0);
	cr_assert_eq(connection.sends, 0);
	cr_assert_eq(connection.memory.allocations, 0);
}

Test(protocols, what_answers_nothing_is_ignored_though_its_id_is_awaited)
{
	for (int i = 0; i < FAKE_REQUESTS_MAX; i++)
		connection.awaited[i] = i % 2 ? HAWSER_REQUEST_BIND : HAWSER_REQUEST_CALL;
	receive_golden("bind_request rid=1 Greeter");
	receive_golden("invoke rid=2 sid=1 mid=1 args name=Mr Bojangles");
	receive_golden("set_peer_identity rid=0");
	receive(golden_find("empty frame (len 0)")->sent.data, 4);
	receive(golden_find("garbage payload ff*8")->sent.data, 12);
	receive("\x02\0\0\0\x10\x03", 6);
	receive("\x09\0\0\0\x10\x03\x32\x02\x08\x01\x0b\x00\x00", 13);
	cr_assert_eq(connection.events, 0);
}
