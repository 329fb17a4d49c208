/* SPDX-License-Identifier: MIT
 *
 * The example's Redis client against a server that the test plays itself: fragments, and what no server
 * should send. And the example as a program, against redis-server.
 */
#include "../examples/redis_client.h"
#include "../support/bed.h"
#include "../support/redis_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MUTATIONS = 200000 };

static const char *const replies[] = {
    "+OK\r\n",
    "+\r\n",
    "-ERR unknown command\r\n",
    ":0\r\n",
    ":-12\r\n",
    ":9223372036854775807\r\n",
    "$-1\r\n",
    "$0\r\n\r\n",
    "$5\r\nhello\r\n",
    "$6\r\n\r\n$1\r\n\r\n",
};
enum { REPLIES = sizeof(replies) / sizeof(replies[0]) };

/* In memory of its own, so that a sanitizer sees every byte that is read behind the end. */
static ssize_t parse(const char *data, size_t size, struct redis_reply *ret_reply)
{
	char *copy = malloc(size);
	ssize_t result;

	cr_assert_not_null(copy);
	memcpy(copy, data, size);
	result = redis_reply_parse(copy, size, ret_reply);
	free(copy);
	return result;
}

Test(redis_reply, is_taken_when_it_is_whole_and_not_before)
{
	for (unsigned i = 0; i < REPLIES; i++) {
		size_t size = strlen(replies[i]);
		struct redis_reply reply = {.kind = 'x'};

		for (size_t part = 1; part < size; part++)
			cr_assert_eq(parse(replies[i], part, &reply), 0, "%zu bytes of reply %u", part, i);
		cr_assert_eq(reply.kind, 'x', "untouched until then");
		cr_assert_eq(parse(replies[i], size, &reply), (ssize_t)size);
		cr_assert_eq(reply.kind, replies[i][0]);
	}
}

Test(redis_reply, has_its_bytes_and_number)
{
	struct redis_reply reply;

	cr_assert_eq(redis_reply_parse(":-12\r\n+next", 11, &reply), 6);
	cr_assert_eq(reply.number, -12);
	cr_assert_eq(redis_reply_parse("$6\r\n\r\n$1\r\n\r\n", 12, &reply), 12);
	cr_assert(reply.bytes.size == 6 && memcmp(reply.bytes.data, "\r\n$1\r\n", 6) == 0);
	cr_assert_eq(redis_reply_parse("$0\r\n\r\n", 6, &reply), 6);
	cr_assert(reply.bytes.data && reply.bytes.size == 0, "empty");
	cr_assert_eq(redis_reply_parse("$-1\r\n", 5, &reply), 5);
	cr_assert_null(reply.bytes.data, "nil");
	cr_assert_eq(redis_reply_parse("-ERR no\r\n", 9, &reply), 9);
	cr_assert(reply.bytes.size == 6 && memcmp(reply.bytes.data, "ERR no", 6) == 0);
}

Test(redis_reply, any_bytes_are_taken_refused_or_waited_for)
{
	uint32_t state = 1;

	for (unsigned i = 0; i < MUTATIONS; i++) {
		struct redis_reply reply;
		char text[32];
		size_t size = strlen(replies[i % REPLIES]);
		ssize_t result;

		memcpy(text, replies[i % REPLIES], size);
		for (unsigned changes = i % 3; changes <= 3; changes++) {
			state = state * 1664525 + 1013904223;
			text[(state >> 16) % size] = "+-:$*\r\n 0159a\0"[(state >> 8) % 14];
		}
		result = parse(text, size, &reply);
		cr_assert(
		    result == -EPROTO || result == -EMSGSIZE || (result >= 0 && (size_t)result <= size));
	}
}

/* The server's end of the client's connection. */
struct talk {
	struct bed *bed;
	struct redis redis;
	int fd;
	char heard[4096]; /* what the client was told, a word each */
};

static void on_reply(struct redis *redis, enum hawser_fate fate, const struct redis_reply *reply, void *user)
{
	struct talk *talk = redis->user;
	size_t length = strlen(talk->heard);
	struct hawser_bytes bytes = reply ? reply->bytes : (struct hawser_bytes){"", 0};

	(void)user;
	if (!bytes.data)
		bytes = REDIS_WORD("nil");
	snprintf(talk->heard + length, sizeof(talk->heard) - length, "%s%c%.*s;",
	    reply ? "" : hawser_fate_name(fate), reply ? reply->kind : ' ', (int)bytes.size,
	    (const char *)bytes.data);
}

static void on_writable(hawser_client *client, void *user)
{
	(void)client;
	(void)user;
}

static struct talk *talk_open(struct bed *bed)
{
	HAWSER_OPTIONS(hawser_client_options, options, .on_writable = on_writable);
	struct talk *talk = calloc(1, sizeof(*talk));
	char target[32];
	int fds[2];

	cr_assert_not_null(talk);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	snprintf(target, sizeof(target), "fd:%d", fds[0]);
	options.target = target;
	options.user = talk;
	talk->bed = bed;
	talk->fd = fds[1];
	cr_assert_eq(redis_open(&talk->redis, bed->loop, &options, "secret"), 0);
	return talk;
}

static void talk_close(struct talk *talk)
{
	redis_close(&talk->redis);
	close(talk->fd);
	free(talk);
}

static void say(struct talk *talk, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t sent = send(talk->fd, text, size, MSG_NOSIGNAL);

		cr_assert_gt(sent, 0);
		text += sent;
		size -= (size_t)sent;
		bed_settle(talk->bed);
	}
}

static void say_bytewise(struct talk *talk, const char *text)
{
	for (; *text; text++) {
		say(talk, text, 1);
		bed_run_ms(talk->bed, 1);
	}
}

static int ask(struct talk *talk)
{
	const struct hawser_bytes words[] = {REDIS_WORD("GET"), REDIS_WORD("")};

	return redis_command(&talk->redis, words, 2, on_reply, NULL);
}

static void expect_request(struct talk *talk, const char *expected)
{
	char text[128] = "";
	size_t size = 0;

	while (size < strlen(expected)) {
		ssize_t got;

		cr_assert_eq(hawser_loop_run_once(talk->bed->loop, 10), 0);
		got = recv(talk->fd, text + size, strlen(expected) - size, MSG_DONTWAIT);
		size += got > 0 ? (size_t)got : 0;
		cr_assert_eq(strncmp(text, expected, size), 0, "%s", text);
	}
}

static void make_ready(struct talk *talk)
{
	expect_request(talk, "*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n");
	cr_assert_eq(ask(talk), -ENOTCONN, "nothing goes before AUTH");
	say_bytewise(talk, "+OK\r");
	cr_assert_eq(ask(talk), -ENOTCONN, "nor before its answer is whole");
	say_bytewise(talk, "\n");
	while (hawser_client_state(talk->redis.client) != HAWSER_READY)
		cr_assert_eq(hawser_loop_run_once(talk->bed->loop, 100), 0);
}

CLIENT_TEST(redis_client, replies_come_in_any_fragments)
{
	static const char answers[] = ":-12\r\n$-1\r\n$6\r\n\r\n$1\r\n\r\n-ERR no\r\n+OK\r\n$0\r\n\r\n";
	struct talk *talk = talk_open(bed);

	make_ready(talk);
	for (unsigned i = 0; i < 12; i++)
		cr_assert_eq(ask(talk), 0);
	expect_request(talk, "*2\r\n$3\r\nGET\r\n$0\r\n\r\n*2\r\n$3\r\nGET\r\n");
	say_bytewise(talk, answers);
	cr_assert_str_eq(talk->heard, ":-12;$nil;$\r\n$1\r\n;-ERR no;+OK;$;");
	talk->heard[0] = '\0';
	say(talk, answers, strlen(answers));
	while (talk->redis.count)
		cr_assert_eq(hawser_loop_run_once(bed->loop, 100), 0);
	cr_assert_str_eq(talk->heard, ":-12;$nil;$\r\n$1\r\n;-ERR no;+OK;$;");
	talk_close(talk);
}

static const struct hostile {
	const char *text;
	int error;
	const char *heard;
} hostile[] = {
    {"?\r\n", -EPROTO, "maybe executed ;"},
    {"\r\n", -EPROTO, "maybe executed ;"},
    {"*1\r\n", -EPROTO, "maybe executed ;"},
    {":\r\n", -EPROTO, "maybe executed ;"},
    {": 1\r\n", -EPROTO, "maybe executed ;"},
    {":1a\r\n", -EPROTO, "maybe executed ;"},
    {"$-2\r\n", -EPROTO, "maybe executed ;"},
    {"$1\r\nabc", -EPROTO, "maybe executed ;"},
    {"$8388609\r\n", -EMSGSIZE, "maybe executed ;"},
    {"$99999999999999999999\r\n", -EMSGSIZE, "maybe executed ;"},
    {"+asked for\r\n+not asked for\r\n", -EPROTO, "+asked for;"},
};

CLIENT_TEST(redis_client, what_is_no_reply_ends_it)
{
	for (unsigned i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		struct talk *talk = talk_open(bed);

		make_ready(talk);
		cr_assert_eq(ask(talk), 0);
		expect_request(talk, "*2\r\n$3\r\nGET\r\n$0\r\n\r\n");
		say(talk, hostile[i].text, strlen(hostile[i].text));
		while (hawser_client_state(talk->redis.client) != HAWSER_CLOSED)
			cr_assert_eq(hawser_loop_run_once(bed->loop, 100), 0);
		bed_settle(bed);
		cr_assert_eq(talk->redis.error, hostile[i].error, "hostile reply %u", i);
		cr_assert_str_eq(talk->heard, hostile[i].heard, "hostile reply %u", i);
		talk_close(talk);
	}
}

CLIENT_TEST(redis_client, a_line_without_end_ends_it)
{
	struct talk *talk = talk_open(bed);
	char line[REDIS_LINE_MAX];

	make_ready(talk);
	cr_assert_eq(ask(talk), 0);
	memset(line, 'x', sizeof(line));
	line[0] = '+';
	say(talk, line, sizeof(line));
	while (hawser_client_state(talk->redis.client) != HAWSER_CLOSED)
		cr_assert_eq(hawser_loop_run_once(bed->loop, 100), 0);
	cr_assert_eq(talk->redis.error, -EPROTO);
	talk_close(talk);
}

CLIENT_TEST(redis_client, what_cannot_be_opened_leaves_nothing)
{
	HAWSER_OPTIONS(hawser_client_options, options, .target = "tcp:nowhere", .on_writable = on_writable);
	struct redis *redis = calloc(1, sizeof(*redis));

	cr_assert_not_null(redis);
	cr_assert_eq(redis_open(redis, bed->loop, &options, "secret"), -EINVAL);
	free(redis);
}

/* Runs the example; its exit status. */
static int run(const char *arguments, char ret_line[256])
{
	const char *build = getenv("HAWSER_BUILD_DIR");
	char command[512];
	FILE *output;
	int status;

	snprintf(
	    command, sizeof(command), "%s/bin/redis %s 2>/dev/null", build ? build : "build/test", arguments);
	output = popen(command, "re");
	cr_assert_not_null(output);
	ret_line[0] = '\0';
	if (!fgets(ret_line, 256, output))
		ret_line[0] = '\0';
	status = pclose(output);
	cr_assert(WIFEXITED(status), "%s: status %x", command, (unsigned)status);
	return WEXITSTATUS(status);
}

Test(redis_program, sets_and_reads_all_keys, .timeout = 60)
{
	struct redis_server server;
	char directory[HOST_PATH_BYTES], arguments[256], line[256];

	if (!redis_server_installed())
		cr_skip_test("redis-server is not installed");
	cr_assert_eq(host_directory_make(directory), 0);
	redis_server_start(&server, directory);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(arguments, sizeof(arguments), "%s '%s'", i ? server.tcp_target : server.unix_target,
		    REDIS_PASSWORD);
		cr_assert_eq(run(arguments, line), 0);
		cr_assert_str_eq(line, "answered 20002, never sent 0, maybe executed 0; reconnects 0\n");
	}
	snprintf(arguments, sizeof(arguments), "%s wrong", server.unix_target);
	cr_assert_eq(run(arguments, line), 1, "ten refusals are enough");
	cr_assert_str_eq(line, "answered 0, never sent 0, maybe executed 0; reconnects 0\n");
	redis_server_kill(&server);
	host_directory_remove(directory);
}

Test(redis_program, explains_itself)
{
	char line[256];

	cr_assert_eq(run("", line), 2);
	cr_assert_eq(run("tcp:nowhere secret", line), 2);
}
