/* SPDX-License-Identifier: MIT
 *
 * The Perfetto wire format against recorded bytes: tests/golden/protoc.tsv holds what protoc encodes,
 * traced.tsv what a real host was sent and answered. What a client may send is encoded to the same bytes,
 * what came back is decoded to what it says.
 */
#include "../support/golden.h"
#include "protocol/perfetto_wire.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

TestSuite(perfetto, .timeout = 60);

static void assert_bytes(const struct golden_row *row, const struct golden_bytes *recorded,
    const struct perfetto_request *request, const void *body, size_t body_size)
{
	struct golden_bytes made = {.size = 0};

	memcpy(made.data, request->head, request->head_size);
	memcpy(made.data + request->head_size, body, body_size);
	memcpy(made.data + request->head_size + body_size, request->tail, request->tail_size);
	made.size = request->head_size + body_size + request->tail_size;
	cr_assert_eq(
	    made.size, recorded->size, "%s: %zu bytes for %zu", row->name, made.size, recorded->size);
	cr_assert_arr_eq(made.data, recorded->data, made.size, "%s", row->name);
	cr_assert_eq(perfetto_frame_size(made.data, made.size), (ssize_t)made.size);
}

static void assert_bind(const char *name, uint64_t id, const char *service)
{
	const struct golden_row *row = golden_find(name);
	struct perfetto_request request;

	cr_assert_eq(perfetto_encode_bind(id, strlen(service), &request), 0);
	assert_bytes(row, row->sent.size ? &row->sent : &row->received, &request, service, strlen(service));
}

static void assert_invoke(
    const char *name, uint64_t id, uint32_t service, uint32_t method, const char *arguments, bool drop_reply)
{
	const struct golden_row *row = golden_find(name);
	struct perfetto_request request;

	cr_assert_eq(perfetto_encode_invoke(id, service, method, strlen(arguments), drop_reply, &request), 0);
	assert_bytes(
	    row, row->sent.size ? &row->sent : &row->received, &request, arguments, strlen(arguments));
}

Test(perfetto, requests_are_encoded_as_protoc_does, .init = golden_read)
{
	assert_bind("bind_request rid=1 Greeter", 1, "Greeter");
	assert_invoke("invoke rid=2 sid=1 mid=1 args name=Mr Bojangles", 2, 1, 1, "\n\fMr Bojangles", false);
	assert_invoke("invoke drop_reply rid=3", 3, 1, 2, "", true);
}

Test(perfetto, requests_are_encoded_as_they_were_sent_to_traced, .init = golden_read)
{
	static const struct {
		const char *name;
		uint64_t id;
		const char *service;
	} binds[] = {
	    {"bind ConsumerPort rid=1", 1, "ConsumerPort"},
	    {"bind unknown service rid=2", 2, "NoSuchService"},
	    {"bind ConsumerPort again rid=3 (same conn)", 3, "ConsumerPort"},
	    {"bind ProducerPort on consumer socket rid=4", 4, "ProducerPort"},
	    {"bind empty name rid=5", 5, ""},
	    {"still alive after garbage: bind rid=21", 21, "ConsumerPort"},
	    {"rid=0: bind", 0, "ConsumerPort"},
	    {"byte-at-a-time bind rid=35", 35, "ConsumerPort"},
	};
	static const struct {
		const char *name;
		uint64_t id;
		uint32_t service;
		uint32_t method;
		const char *arguments;
		bool drop_reply;
	} invokes[] = {
	    {"invoke QueryCapabilities(13) rid=7", 7, 1, 13, "", false},
	    {"invoke GetTraceStats(10) no session rid=8", 8, 1, 10, "", false},
	    {"invoke QueryServiceState(12) rid=9", 9, 1, 12, "", false},
	    {"invoke unknown service 99 rid=10", 10, 99, 1, "", false},
	    {"invoke method 0 rid=11", 11, 1, 0, "", false},
	    {"invoke method 16 (past end) rid=12", 12, 1, 16, "", false},
	    {"invoke bad args rid=13", 13, 1, 13, "\xff\xff\xff", false},
	    {"invoke drop_reply valid method rid=14", 14, 1, 13, "", true},
	    {"invoke drop_reply unknown service rid=15", 15, 99, 13, "", true},
	    {"invoke drop_reply unknown method rid=16", 16, 1, 99, "", true},
	    {"invoke drop_reply bad args rid=17", 17, 1, 13, "\xff\xff\xff", true},
	    {"rid=2^64-1: invoke QueryCapabilities", UINT64_MAX, 1, 13, "", false},
	    {"rid reuse (rid=7 again)", 7, 1, 13, "", false},
	    {"rid goes backwards (rid=1)", 1, 1, 13, "", false},
	    {"invoke without bind (service ids are global) rid=1", 1, 1, 13, "", false},
	};

	for (size_t i = 0; i < sizeof(binds) / sizeof(*binds); i++)
		assert_bind(binds[i].name, binds[i].id, binds[i].service);
	for (size_t i = 0; i < sizeof(invokes) / sizeof(*invokes); i++)
		assert_invoke(invokes[i].name, invokes[i].id, invokes[i].service, invokes[i].method,
		    invokes[i].arguments, invokes[i].drop_reply);
}

static struct perfetto_answer decode(const struct golden_row *row)
{
	struct perfetto_answer answer;

	cr_assert_gt(row->received.size, 0, "%s", row->name);
	cr_assert_eq(perfetto_frame_size(row->received.data, row->received.size), (ssize_t)row->received.size,
	    "%s", row->name);
	cr_assert_eq(perfetto_decode(row->received.data + PERFETTO_HEADER_SIZE,
			 row->received.size - PERFETTO_HEADER_SIZE, &answer),
	    0, "%s", row->name);
	cr_assert_not(answer.unreadable, "%s", row->name);
	return answer;
}

static void assert_methods(
    const struct golden_row *row, const char *const *names, const uint32_t *ids, size_t count)
{
	struct perfetto_methods methods;
	struct hawser_bytes name;
	uint32_t id;
	size_t found = 0;

	perfetto_methods_begin(
	    &methods, row->received.data + PERFETTO_HEADER_SIZE, row->received.size - PERFETTO_HEADER_SIZE);
	while (perfetto_methods_next(&methods, &id, &name)) {
		cr_assert_lt(found, count, "%s", row->name);
		cr_assert_eq(id, ids ? ids[found] : found + 1);
		cr_assert_eq(name.size, strlen(names[found]), "%s %s", row->name, names[found]);
		cr_assert_arr_eq(name.data, names[found], name.size, "%s %s", row->name, names[found]);
		found++;
	}
	cr_assert_eq(found, count, "%s: %zu methods", row->name, found);
}

static void assert_bound(const char *name, uint64_t request_id, uint32_t service_id,
    const char *const *methods, const uint32_t *ids, size_t count)
{
	const struct golden_row *row = golden_find(name);
	struct perfetto_answer answer = decode(row);

	cr_assert_eq(answer.request_id, request_id, "%s", name);
	cr_assert(answer.bind_reply.present && !answer.invoke_reply.present && !answer.error.present);
	cr_assert(answer.bind_reply.success, "%s", name);
	cr_assert_eq(answer.bind_reply.service_id, service_id, "%s", name);
	assert_methods(row, methods, ids, count);
}

static void assert_bind_refused(const char *name, uint64_t request_id)
{
	const struct golden_row *row = golden_find(name);
	struct perfetto_answer answer = decode(row);

	cr_assert_eq(answer.request_id, request_id, "%s", name);
	cr_assert(answer.bind_reply.present && !answer.invoke_reply.present && !answer.error.present);
	cr_assert_not(answer.bind_reply.success, "%s", name);
	assert_methods(row, NULL, NULL, 0);
}

/* reply NULL: a failure. */
static void assert_replied(
    const char *name, uint64_t request_id, const char *reply, size_t reply_size, bool flag)
{
	struct perfetto_answer answer = decode(golden_find(name));

	cr_assert_eq(answer.request_id, request_id, "%s", name);
	cr_assert(answer.invoke_reply.present && !answer.bind_reply.present && !answer.error.present);
	cr_assert_eq(answer.invoke_reply.success, reply != NULL, "%s", name);
	if (!reply) {
		cr_assert_eq(answer.invoke_reply.success_given, flag, "%s", name);
		return;
	}
	cr_assert_eq(answer.invoke_reply.has_more, flag, "%s", name);
	cr_assert_eq(answer.invoke_reply.reply.size, reply_size, "%s", name);
	cr_assert_arr_eq(answer.invoke_reply.reply.data, reply, reply_size, "%s", name);
}

static void assert_error(const char *name, uint64_t request_id, const char *text)
{
	struct perfetto_answer answer = decode(golden_find(name));

	cr_assert_eq(answer.request_id, request_id, "%s", name);
	cr_assert(answer.error.present && !answer.bind_reply.present && !answer.invoke_reply.present);
	cr_assert_eq(answer.error.text.size, strlen(text), "%s", name);
	cr_assert_arr_eq(answer.error.text.data, text, strlen(text), "%s", name);
}

static void assert_no_answer(const char *name, uint64_t request_id)
{
	struct perfetto_answer answer = decode(golden_find(name));

	cr_assert_eq(answer.request_id, request_id, "%s", name);
	cr_assert(!answer.bind_reply.present && !answer.invoke_reply.present && !answer.error.present);
}

Test(perfetto, what_protoc_encodes_is_decoded, .init = golden_read)
{
	static const char *const greeter[] = {"SayHello", "WaveGoodbye"};
	static const char *const foo[] = {"foo"};
	static const uint32_t foo_id = 0x424242;

	assert_bound("bind_reply ok rid=1 sid=1 SayHello=1 WaveGoodbye=2", 1, 1, greeter, NULL, 2);
	assert_bound("frag test of buffered_frame_deserializer_unittest", 42, 0x4242, foo, &foo_id, 1);
	assert_bind_refused("bind_reply fail rid=1", 1);
	assert_bind_refused("bind_reply fail explicit rid=1", 1);
	assert_replied("invoke_reply ok rid=2 Hello Mr Bojangles", 2, "\n\x12Hello Mr Bojangles", 20, false);
	assert_replied("invoke_reply stream has_more rid=4", 4, "a", 1, true);
	assert_replied("invoke_reply routing failure rid=4", 4, NULL, 0, true);
	assert_replied("invoke_reply rejected rid=4", 4, NULL, 0, false);
	assert_error("request_error rid=5", 5, "unknown request");
	assert_no_answer("bind_request rid=1 Greeter", 1);
	assert_no_answer("invoke rid=2 sid=1 mid=1 args name=Mr Bojangles", 2);
	assert_no_answer("invoke drop_reply rid=3", 3);
	assert_no_answer("set_peer_identity rid=0", 0);
	assert_no_answer("set_peer_identity uid=-1", 0);
}

static void assert_consumer_port(const char *name, uint64_t request_id)
{
	static const char *const methods[] = {"EnableTracing", "DisableTracing", "ReadBuffers", "FreeBuffers",
	    "Flush", "StartTracing", "ChangeTraceConfig", "Detach", "Attach", "GetTraceStats",
	    "ObserveEvents", "QueryServiceState", "QueryCapabilities", "SaveTraceForBugreport",
	    "CloneSession"};

	assert_bound(name, request_id, 1, methods, NULL, sizeof(methods) / sizeof(*methods));
}

Test(perfetto, what_traced_answers_is_decoded, .init = golden_read)
{
	static const char capabilities[] = "\n\f\b\x01\x10\x01\x10\x02\x10\x04\x18\x01 \x01";
	static const char state[] = "\n\x1f"
				    "8\x01\x18\x00 \x00*\x17Perfetto v0.0 (unknown)";

	assert_consumer_port("bind ConsumerPort rid=1", 1);
	assert_consumer_port("bind ConsumerPort again rid=3 (same conn)", 3);
	assert_consumer_port("still alive after garbage: bind rid=21", 21);
	assert_consumer_port("rid missing: bind", 0);
	assert_consumer_port("rid=0: bind", 0);
	assert_consumer_port("both invoke and bind set rid=30", 30);
	assert_consumer_port("both bind then invoke set rid=31", 31);
	assert_consumer_port("request_id encoded after msg rid=33", 33);
	assert_consumer_port("overlong varint rid=34", 34);
	assert_consumer_port("byte-at-a-time bind rid=35", 35);
	assert_bind_refused("bind unknown service rid=2", 2);
	assert_bind_refused("bind ProducerPort on consumer socket rid=4", 4);
	assert_bind_refused("bind empty name rid=5", 5);
	assert_bind_refused("bind no name field rid=6", 6);
	assert_replied("invoke QueryCapabilities(13) rid=7", 7, capabilities, 14, false);
	assert_replied("rid=2^64-1: invoke QueryCapabilities", UINT64_MAX, capabilities, 14, false);
	assert_replied("rid reuse (rid=7 again)", 7, capabilities, 14, false);
	assert_replied("rid goes backwards (rid=1)", 1, capabilities, 14, false);
	assert_replied("invoke without bind (service ids are global) rid=1", 1, capabilities, 14, false);
	assert_replied("invoke QueryServiceState(12) rid=9", 9, state, 33, false);
	assert_replied("invoke GetTraceStats(10) no session rid=8", 8, NULL, 0, false);
	assert_replied("invoke unknown service 99 rid=10", 10, NULL, 0, true);
	assert_replied("invoke method 0 rid=11", 11, NULL, 0, true);
	assert_replied("invoke method 16 (past end) rid=12", 12, NULL, 0, true);
	assert_replied("invoke bad args rid=13", 13, NULL, 0, true);
	assert_replied("invoke drop_reply unknown service rid=15", 15, NULL, 0, true);
	assert_replied("invoke drop_reply unknown method rid=16", 16, NULL, 0, true);
	assert_replied("invoke drop_reply bad args rid=17", 17, NULL, 0, true);
	assert_error("frame with request_id only rid=18", 18, "unknown request");
	assert_error("host-type frame from client (InvokeMethodReply) rid=19", 19, "unknown request");
	assert_error("unknown field 15 rid=20", 20, "unknown request");
}

/* Rows in which nothing came back, or of which a client sends nothing: they are named, so that none is
 * forgotten. */
Test(perfetto, no_row_is_left_out, .init = golden_read)
{
	size_t answered = 0;

	for (size_t i = GOLDEN_PROTOC_ROWS; i < GOLDEN_ROWS; i++)
		answered += golden_rows[i].received.size > 0;
	cr_assert_eq(answered, 31, "the rows that what_traced_answers_is_decoded names: %zu", answered);
	cr_assert_eq(golden_find("invoke drop_reply valid method rid=14")->received.size, 0);
	cr_assert_eq(golden_find("empty frame (len 0)")->received.size, 0);
	cr_assert_eq(golden_find("garbage payload ff*8")->received.size, 0);
	cr_assert_eq(golden_find("SetPeerIdentity on unix rid=32")->received.size, 0);
	cr_assert_eq(perfetto_frame_size(golden_find("header 0xfffffffd only")->sent.data, 4), -EMSGSIZE);
	cr_assert_eq(
	    perfetto_frame_size(golden_find("header 131069 only (payload too big by 1)")->sent.data, 4),
	    -EMSGSIZE);
	cr_assert_eq(perfetto_frame_size(golden_find("header 131068 only (largest legal)")->sent.data, 4),
	    PERFETTO_FRAME_MAX);
}
