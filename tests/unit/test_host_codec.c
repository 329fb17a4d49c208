/* SPDX-License-Identifier: MIT
 *
 * The codec of hawser-host against recorded exchanges: golden/protoc.tsv (what protoc encodes) and
 * golden/traced.tsv (what a running traced sent back). Each request is decoded, each answer encoded, and a
 * row nobody knows fails.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../tools/hawser-host/codec.h"
#include "../support/golden.h"

static bool bytes_are(struct codec_bytes bytes, const char *text)
{
	return bytes.length == strlen(text) &&
	       (bytes.length == 0 || memcmp(bytes.data, text, bytes.length) == 0);
}

/* One frame from a client, with the header checked. */
static int request_decode(const struct golden_bytes *frame, struct codec_request *ret_request)
{
	const struct codec_bytes payload = {
	    .data = frame->data + CODEC_HEADER_BYTES, .length = frame->size - CODEC_HEADER_BYTES};
	cr_assert_geq(frame->size, CODEC_HEADER_BYTES);
	cr_assert_eq(codec_header_decode(frame->data), payload.length);
	return codec_request_decode(payload, ret_request);
}

static void frame_is(const char *name, const struct codec_frame *frame, const char *hex)
{
	char encoded[GOLDEN_LINE_MAX];
	cr_assert_lt(2 * frame->length, sizeof(encoded), "%s", name);
	hex_encode(frame->bytes, frame->length, encoded);
	cr_assert_str_eq(encoded, hex, "%s", name);
}

static const struct codec_method greeter_methods[] = {{1, "SayHello"}, {2, "WaveGoodbye"}};
static const struct codec_method frag_methods[] = {{0x424242, "foo"}};

static const struct bind_reply_case {
	const char *name;
	uint64_t request_id;
	struct codec_bind_reply reply;
} bind_reply_cases[] = {
    {"bind_reply ok rid=1 sid=1 SayHello=1 WaveGoodbye=2", 1, {CODEC_TRUE, 1, greeter_methods, 2}},
    {"bind_reply fail rid=1", 1, {CODEC_ABSENT, 0, NULL, 0}},
    {"bind_reply fail explicit rid=1", 1, {CODEC_FALSE, 0, NULL, 0}},
    {"frag test of buffered_frame_deserializer_unittest", 42, {CODEC_TRUE, 0x4242, frag_methods, 1}},
};

static const struct invoke_reply_case {
	const char *name;
	uint64_t request_id;
	enum codec_presence success;
	enum codec_presence has_more;
	const char *reply;
} invoke_reply_cases[] = {
    {"invoke_reply ok rid=2 Hello Mr Bojangles", 2, CODEC_TRUE, CODEC_FALSE, "\n\022Hello Mr Bojangles"},
    {"invoke_reply stream has_more rid=4", 4, CODEC_TRUE, CODEC_TRUE, "a"},
    {"invoke_reply routing failure rid=4", 4, CODEC_FALSE, CODEC_ABSENT, NULL},
    {"invoke_reply rejected rid=4", 4, CODEC_ABSENT, CODEC_FALSE, NULL},
};

static struct codec_invoke_reply reply_make(
    enum codec_presence success, enum codec_presence more, const char *text)
{
	return (struct codec_invoke_reply){
	    .success = success,
	    .has_more = more,
	    .reply_present = text != NULL,
	    .reply = {.data = (const uint8_t *)text, .length = text != NULL ? strlen(text) : 0},
	};
}

static bool protoc_answer_check(const struct golden_row *row)
{
	static struct codec_frame frame;
	const char *name = row->name;
	for (size_t i = 0; i < sizeof(bind_reply_cases) / sizeof(bind_reply_cases[0]); i++) {
		const struct bind_reply_case *wanted = &bind_reply_cases[i];
		if (strcmp(name, wanted->name) != 0)
			continue;
		cr_assert_eq(codec_bind_reply_encode(wanted->request_id, &wanted->reply, false, &frame), 0);
		frame_is(name, &frame, row->columns[2]);
		return true;
	}
	for (size_t i = 0; i < sizeof(invoke_reply_cases) / sizeof(invoke_reply_cases[0]); i++) {
		const struct invoke_reply_case *wanted = &invoke_reply_cases[i];
		if (strcmp(name, wanted->name) != 0)
			continue;
		struct codec_invoke_reply reply =
		    reply_make(wanted->success, wanted->has_more, wanted->reply);
		cr_assert_eq(codec_invoke_reply_encode(wanted->request_id, &reply, false, &frame), 0);
		frame_is(name, &frame, row->columns[2]);
		return true;
	}
	if (strcmp(name, "request_error rid=5") != 0)
		return false;
	cr_assert_eq(codec_request_error_encode(5, "unknown request", false, &frame), 0);
	frame_is(name, &frame, row->columns[2]);
	return true;
}

static bool protoc_request_check(const struct golden_row *row)
{
	struct codec_request request = {0};
	const char *name = row->name;
	cr_assert_eq(request_decode(&row->received, &request), 0, "%s", name);
	const struct codec_invoke *invoke = &request.invoke;
	const struct codec_peer_identity *identity = &request.peer_identity;
	if (strcmp(name, "bind_request rid=1 Greeter") == 0)
		return request.kind == CODEC_REQUEST_BIND && request.request_id == 1 &&
		       bytes_are(request.service_name, "Greeter");
	if (strcmp(name, "invoke rid=2 sid=1 mid=1 args name=Mr Bojangles") == 0)
		return request.kind == CODEC_REQUEST_INVOKE && request.request_id == 2 &&
		       invoke->service_id == 1 && invoke->method_id == 1 && !invoke->drop_reply &&
		       bytes_are(invoke->args, "\n\014Mr Bojangles");
	if (strcmp(name, "invoke drop_reply rid=3") == 0)
		return request.kind == CODEC_REQUEST_INVOKE && request.request_id == 3 &&
		       invoke->service_id == 1 && invoke->method_id == 2 && invoke->drop_reply &&
		       invoke->args.length == 0;
	if (strcmp(name, "set_peer_identity rid=0") == 0)
		return request.kind == CODEC_REQUEST_SET_PEER_IDENTITY && request.request_id == 0 &&
		       identity->pid == 1234 && identity->uid == 42 &&
		       bytes_are(identity->machine_id_hint, "hint") &&
		       bytes_are(identity->machine_name, "mname");
	if (strcmp(name, "set_peer_identity uid=-1") == 0)
		return request.kind == CODEC_REQUEST_SET_PEER_IDENTITY && identity->pid == -1 &&
		       identity->uid == -1 && identity->machine_name.length == 0;
	return false;
}

Test(host_codec, every_frame_of_protoc, .init = golden_read)
{
	for (size_t i = 0; i < GOLDEN_PROTOC_ROWS; i++) {
		const struct golden_row *row = &golden_rows[i];
		cr_assert(protoc_answer_check(row) || protoc_request_check(row), "%s", row->name);
	}
}

enum answer {
	ANSWER_NONE,
	ANSWER_CONSUMER,
	ANSWER_UNBOUND,
	ANSWER_REPLY,
	ANSWER_REJECT,
	ANSWER_UNROUTED,
	ANSWER_ERROR
};

static const struct traced_case {
	const char *name; /* the row's name begins with this */
	enum codec_request_kind kind;
	uint64_t request_id;
	const char *service_name;
	uint32_t service_id;
	uint32_t method_id;
	const char *args;
	bool drop_reply;
	enum answer answer;
} traced_cases[] = {
#define INVOKE(name, id, service_id, method_id, args, drop, answer)                           \
	{                                                                                     \
		name, CODEC_REQUEST_INVOKE, id, "", service_id, method_id, args, drop, answer \
	}
    {"bind ConsumerPort rid=1", CODEC_REQUEST_BIND, 1, "ConsumerPort", 0, 0, "", false, ANSWER_CONSUMER},
    {"bind unknown service rid=2", CODEC_REQUEST_BIND, 2, "NoSuchService", 0, 0, "", false, ANSWER_UNBOUND},
    {"bind ConsumerPort again", CODEC_REQUEST_BIND, 3, "ConsumerPort", 0, 0, "", false, ANSWER_CONSUMER},
    {"bind ProducerPort on", CODEC_REQUEST_BIND, 4, "ProducerPort", 0, 0, "", false, ANSWER_UNBOUND},
    {"bind empty name", CODEC_REQUEST_BIND, 5, "", 0, 0, "", false, ANSWER_UNBOUND},
    {"bind no name field", CODEC_REQUEST_BIND, 6, "", 0, 0, "", false, ANSWER_UNBOUND},
    INVOKE("invoke QueryCapabilities(13) rid=7", 7, 1, 13, "", false, ANSWER_REPLY),
    INVOKE("invoke GetTraceStats(10)", 8, 1, 10, "", false, ANSWER_REJECT),
    INVOKE("invoke QueryServiceState(12)", 9, 1, 12, "", false, ANSWER_REPLY),
    INVOKE("invoke unknown service 99", 10, 99, 1, "", false, ANSWER_UNROUTED),
    INVOKE("invoke method 0", 11, 1, 0, "", false, ANSWER_UNROUTED),
    INVOKE("invoke method 16", 12, 1, 16, "", false, ANSWER_UNROUTED),
    INVOKE("invoke bad args", 13, 1, 13, "\xff\xff\xff", false, ANSWER_UNROUTED),
    INVOKE("invoke drop_reply valid method", 14, 1, 13, "", true, ANSWER_NONE),
    INVOKE("invoke drop_reply unknown service", 15, 99, 13, "", true, ANSWER_UNROUTED),
    INVOKE("invoke drop_reply unknown method", 16, 1, 99, "", true, ANSWER_UNROUTED),
    INVOKE("invoke drop_reply bad args", 17, 1, 13, "\xff\xff\xff", true, ANSWER_UNROUTED),
    {"frame with request_id only", CODEC_REQUEST_UNKNOWN, 18, "", 0, 0, "", false, ANSWER_ERROR},
    {"host-type frame from client", CODEC_REQUEST_UNKNOWN, 19, "", 0, 0, "", false, ANSWER_ERROR},
    {"unknown field 15", CODEC_REQUEST_UNKNOWN, 20, "", 0, 0, "", false, ANSWER_ERROR},
    {"still alive after garbage", CODEC_REQUEST_BIND, 21, "ConsumerPort", 0, 0, "", false, ANSWER_CONSUMER},
    {"rid missing", CODEC_REQUEST_BIND, 0, "ConsumerPort", 0, 0, "", false, ANSWER_CONSUMER},
    {"rid=0: bind", CODEC_REQUEST_BIND, 0, "ConsumerPort", 0, 0, "", false, ANSWER_CONSUMER},
    INVOKE("rid=2^64-1", UINT64_MAX, 1, 13, "", false, ANSWER_REPLY),
    INVOKE("rid reuse", 7, 1, 13, "", false, ANSWER_REPLY),
    INVOKE("rid goes backwards", 1, 1, 13, "", false, ANSWER_REPLY),
    {"both invoke and bind set", CODEC_REQUEST_BIND, 30, "ConsumerPort", 1, 13, "", false, ANSWER_CONSUMER},
    {"both bind then invoke set", CODEC_REQUEST_BIND, 31, "ConsumerPort", 1, 13, "", false, ANSWER_CONSUMER},
    {"SetPeerIdentity on unix", CODEC_REQUEST_SET_PEER_IDENTITY, 32, "", 0, 0, "", false, ANSWER_NONE},
    {"request_id encoded after msg", CODEC_REQUEST_BIND, 33, "ConsumerPort", 0, 0, "", false,
	ANSWER_CONSUMER},
    {"overlong varint", CODEC_REQUEST_BIND, 34, "ConsumerPort", 0, 0, "", false, ANSWER_CONSUMER},
    {"byte-at-a-time bind", CODEC_REQUEST_BIND, 35, "ConsumerPort", 0, 0, "", false, ANSWER_CONSUMER},
    INVOKE("invoke without bind", 1, 1, 13, "", false, ANSWER_REPLY),
};

static const struct codec_method consumer_methods[] = {{1, "EnableTracing"}, {2, "DisableTracing"},
    {3, "ReadBuffers"}, {4, "FreeBuffers"}, {5, "Flush"}, {6, "StartTracing"}, {7, "ChangeTraceConfig"},
    {8, "Detach"}, {9, "Attach"}, {10, "GetTraceStats"}, {11, "ObserveEvents"}, {12, "QueryServiceState"},
    {13, "QueryCapabilities"}, {14, "SaveTraceForBugreport"}, {15, "CloneSession"}};

static void traced_answer_encode(const struct traced_case *wanted, struct codec_frame *ret_frame)
{
	static const struct codec_bind_reply consumer = {CODEC_TRUE, 1, consumer_methods, 15};
	static const struct codec_bind_reply unbound = {.success = CODEC_ABSENT};
	static const char state[] = "\x0a\x1f\x38\x01\x18\x00\x20\x00\x2a\x17Perfetto v0.0 (unknown)";
	static const char capabilities[] = "\x0a\x0c\x08\x01\x10\x01\x10\x02\x10\x04\x18\x01\x20\x01";
	struct codec_invoke_reply reply = {.success = CODEC_ABSENT};
	int error = -1;
	switch (wanted->answer) {
	case ANSWER_CONSUMER:
	case ANSWER_UNBOUND:
		error = codec_bind_reply_encode(wanted->request_id,
		    wanted->answer == ANSWER_CONSUMER ? &consumer : &unbound, true, ret_frame);
		break;
	case ANSWER_ERROR:
		error = codec_request_error_encode(wanted->request_id, "unknown request", true, ret_frame);
		break;
	case ANSWER_REPLY:
		reply = reply_make(CODEC_TRUE, CODEC_FALSE, "");
		reply.reply.data = (const uint8_t *)(wanted->method_id == 12 ? state : capabilities);
		reply.reply.length = wanted->method_id == 12 ? sizeof(state) - 1 : sizeof(capabilities) - 1;
		error = codec_invoke_reply_encode(wanted->request_id, &reply, true, ret_frame);
		break;
	default:
		reply.success = wanted->answer == ANSWER_UNROUTED ? CODEC_FALSE : CODEC_ABSENT;
		reply.has_more = wanted->answer == ANSWER_REJECT ? CODEC_FALSE : CODEC_ABSENT;
		error = codec_invoke_reply_encode(wanted->request_id, &reply, true, ret_frame);
	}
	cr_assert_eq(error, 0, "%s", wanted->name);
}

static void traced_row_check(const struct golden_row *row, const struct traced_case *wanted)
{
	static struct codec_frame frame;
	struct codec_request request = {0};
	cr_assert_eq(request_decode(&row->sent, &request), 0, "%s", wanted->name);
	cr_assert_eq(request.kind, wanted->kind, "%s", wanted->name);
	cr_assert_eq(request.request_id, wanted->request_id, "%s", wanted->name);
	cr_assert(bytes_are(request.service_name, wanted->service_name), "%s", wanted->name);
	cr_assert_eq(request.invoke.service_id, wanted->service_id, "%s", wanted->name);
	cr_assert_eq(request.invoke.method_id, wanted->method_id, "%s", wanted->name);
	cr_assert(bytes_are(request.invoke.args, wanted->args), "%s", wanted->name);
	cr_assert_eq(request.invoke.drop_reply, wanted->drop_reply, "%s", wanted->name);
	if (wanted->answer == ANSWER_NONE) {
		cr_assert_str_eq(row->columns[2], "TIMEOUT(no reply)", "%s", wanted->name);
		return;
	}
	traced_answer_encode(wanted, &frame);
	frame_is(wanted->name, &frame, row->columns[2]);
}

/* Rows whose point is the framing: what the header says is all there is to know. */
static bool traced_framing_check(const struct golden_row *row)
{
	struct codec_request request = {.request_id = 77};
	const char *name = row->name;
	uint32_t length = codec_header_decode(row->sent.data);
	if (strcmp(name, "empty frame (len 0)") == 0)
		return length == 0;
	if (strcmp(name, "garbage payload ff*8") == 0)
		return length == 8 && request_decode(&row->sent, &request) == -EBADMSG &&
		       request.request_id == 77;
	if (strncmp(name, "header ", 7) != 0)
		return false;
	bool dropped = strcmp(row->columns[2], "EOF") == 0;
	return dropped == (length > CODEC_PAYLOAD_BYTES_MAX);
}

Test(host_codec, every_exchange_of_traced, .init = golden_read)
{
	for (size_t at = GOLDEN_PROTOC_ROWS; at < GOLDEN_ROWS; at++) {
		const struct golden_row *row = &golden_rows[at];
		const struct traced_case *found = NULL;
		for (size_t i = 0; i < sizeof(traced_cases) / sizeof(traced_cases[0]) && found == NULL; i++)
			if (strncmp(row->name, traced_cases[i].name, strlen(traced_cases[i].name)) == 0)
				found = &traced_cases[i];
		if (found != NULL)
			traced_row_check(row, found);
		else
			cr_assert(traced_framing_check(row), "%s", row->name);
	}
}

static int payload_decode(const char *hex, struct codec_request *ret_request)
{
	uint8_t payload[64];
	int length = hex_decode(hex, payload, sizeof(payload));
	cr_assert_geq(length, 0, "%s", hex);
	return codec_request_decode(
	    (struct codec_bytes){.data = payload, .length = (size_t)length}, ret_request);
}

Test(host_codec, refuses_what_is_no_message)
{
	static const char *const payloads[] = {
	    "10",                       /* a tag without its value */
	    "1080",                     /* a varint that does not end */
	    "10ffffffffffffffffffff01", /* a varint of eleven bytes */
	    "0001",                     /* field number 0 */
	    "1301",                     /* a group */
	    "1701",                     /* wire type 7 */
	    "1a05",                     /* a nested message longer than the frame */
	    "1affffffffffffffffff01",   /* a length of 2^64-1 */
	    "1a020a05",                 /* bytes longer than their message */
	    "2a0108",                   /* a broken invoke */
	    "420110",                   /* a broken identity */
	    "7d010203",                 /* half a fixed32 */
	    "7901020304050607",         /* half a fixed64 */
	};
	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		struct codec_request request = {.request_id = 77};
		cr_assert_eq(payload_decode(payloads[i], &request), -EBADMSG, "%s", payloads[i]);
		cr_assert_eq(request.request_id, 77, "%s: the output was touched", payloads[i]);
	}
}

Test(host_codec, skips_what_it_does_not_know)
{
	struct codec_request request;
	/* fixed64, fixed32, bytes and varint of unknown fields, then request_id 5 */
	cr_assert_eq(payload_decode("7901020304050607087d01020304"
				    "7a0161"
				    "780110051a00",
			 &request),
	    0);
	cr_assert_eq(request.request_id, 5);
	cr_assert_eq(request.kind, CODEC_REQUEST_BIND);
	/* A bind_service that is a varint is an unknown field. */
	cr_assert_eq(payload_decode("10051801", &request), 0);
	cr_assert_eq(request.kind, CODEC_REQUEST_UNKNOWN);
}

Test(host_codec, survives_every_prefix_and_every_flipped_bit, .init = golden_read)
{
	size_t decoded = 0;
	for (size_t at = GOLDEN_PROTOC_ROWS; at < GOLDEN_ROWS; at++) {
		const struct golden_bytes *frame = &golden_rows[at].sent;
		for (size_t end = CODEC_HEADER_BYTES; end <= frame->size; end++) {
			uint8_t *copy = malloc(end); /* of that size, so that a read beyond it shows */
			cr_assert_not_null(copy);
			for (size_t bit = 0; bit <= 8 * end; bit++) {
				struct codec_request request;
				memcpy(copy, frame->data, end);
				if (bit > 0)
					copy[(bit - 1) / 8] ^= (uint8_t)(1u << (bit - 1) % 8);
				struct codec_bytes payload = {
				    copy + CODEC_HEADER_BYTES, end - CODEC_HEADER_BYTES};
				decoded += codec_request_decode(payload, &request) == 0;
			}
			free(copy);
		}
	}
	cr_assert_gt(decoded, 0);
}

Test(host_codec, encodes_up_to_the_largest_frame_and_no_further)
{
	static struct codec_frame frame;
	static uint8_t bytes[CODEC_FRAME_BYTES_MAX];
	const size_t around = CODEC_HEADER_BYTES + 2 + 4 + 4 + 4; /* id, nested header, bools, bytes header */
	struct codec_invoke_reply reply = {CODEC_TRUE, CODEC_FALSE, true, {bytes, sizeof(bytes) - around}};
	cr_assert_eq(codec_invoke_reply_encode(1, &reply, false, &frame), 0);
	cr_assert_eq(frame.length, CODEC_FRAME_BYTES_MAX);
	cr_assert_eq(codec_header_decode(frame.bytes), CODEC_PAYLOAD_BYTES_MAX);
	cr_assert_eq(codec_invoke_reply_encode(1, &reply, true, &frame), -EMSGSIZE);
	cr_assert_eq(frame.length, 0);
	reply.reply.length++;
	cr_assert_eq(codec_invoke_reply_encode(1, &reply, false, &frame), -EMSGSIZE);
	reply.reply.length = sizeof(bytes);
	cr_assert_eq(codec_invoke_reply_encode(1, &reply, false, &frame), -EMSGSIZE);
}
