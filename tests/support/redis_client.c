/* SPDX-License-Identifier: MIT
 *
 * See redis_client.h. It is no library: no arrays in replies, no deadlines, no repeating.
 *
 * Happy path: redis_command encodes, sends and remembers where in the stream the command ends; on_data takes
 * whole replies off the input and tells the oldest command.
 *
 * Failures: a command that finds no room is refused, and on_writable says when to go on; a lost connection
 * tells every command what may have become of it; a server that sends what is no reply is closed for good.
 */
#include "redis_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ssize_t bulk_parse(const char *data, size_t size, size_t line_size, struct redis_reply *reply)
{
	size_t whole;

	reply->nil = reply->number == -1;
	if (reply->nil)
		return (ssize_t)line_size;
	if (reply->number < 0)
		return -EPROTO;
	if (reply->number > REDIS_REPLY_MAX)
		return -EMSGSIZE;
	reply->bytes = (struct hawser_bytes){data + line_size, (size_t)reply->number};
	whole = line_size + reply->bytes.size + 2;
	if (size < whole)
		return 0;
	return memcmp(data + whole - 2, "\r\n", 2) == 0 ? (ssize_t)whole : -EPROTO;
}

ssize_t redis_reply_parse(const char *data, size_t size, struct redis_reply *ret_reply)
{
	const char *end = memmem(data, size < REDIS_LINE_MAX ? size : REDIS_LINE_MAX, "\r\n", 2);
	struct redis_reply reply = {0};
	char *number_end;
	ssize_t whole;

	if (size > 0 && !strchr("+-:$", data[0]))
		return -EPROTO;
	if (!end)
		return size < REDIS_LINE_MAX ? 0 : -EPROTO;
	reply.kind = data[0];
	reply.bytes = (struct hawser_bytes){data + 1, (size_t)(end - data) - 1};
	whole = end + 2 - data;
	if (reply.kind == ':' || reply.kind == '$') {
		reply.number = strtoll(data + 1, &number_end, 10);
		if (number_end != end || end == data + 1)
			return -EPROTO;
	}
	if (reply.kind == '$')
		whole = bulk_parse(data, size, (size_t)whole, &reply);
	if (whole > 0)
		*ret_reply = reply;
	return whole;
}

/* The oldest command leaves before its owner hears of it and may ask for more. */
static void tell(struct redis *redis, enum hawser_fate fate, const struct redis_reply *reply)
{
	struct redis_command command = redis->commands[redis->first];

	redis->first = (redis->first + 1) % REDIS_COMMANDS_MAX;
	redis->count--;
	redis->told[fate]++;
	command.on_reply(redis, fate, reply, command.user);
}

static void tell_lost(struct redis *redis)
{
	uint64_t completely = 0, possibly = 0;

	hawser_client_sent(redis->client, &completely, &possibly);
	redis->filled = 0;
	redis->refused = false;
	while (redis->count) {
		/* Of which a part was sent is as good as never sent: the server cannot execute it. */
		bool whole = redis->commands[redis->first].end <= possibly;

		tell(redis, whole ? HAWSER_FATE_MAYBE_EXECUTED : HAWSER_FATE_NEVER_SENT, NULL);
	}
}

static void on_writable(hawser_client *client, void *user)
{
	struct redis *redis = user;

	redis->refused = false;
	if (redis->on_writable)
		redis->on_writable(client, redis->user);
}

static void on_change(hawser_client *client, const struct hawser_change *change, void *user)
{
	struct redis *redis = user;

	if (change->from == HAWSER_READY) {
		tell_lost(redis);
		if (redis->finishing)
			hawser_client_close(client);
	}
	if (redis->on_change)
		redis->on_change(client, change, redis->user);
	if (change->to == HAWSER_READY)
		on_writable(client, redis);
}

static int input_append(struct redis *redis, const struct hawser_bytes *data)
{
	size_t room = redis->room ? redis->room : REDIS_LINE_MAX;
	char *input;

	while (room - redis->filled < data->size)
		room *= 2;
	input = room > redis->room ? realloc(redis->input, room) : redis->input;
	if (!input)
		return -ENOMEM;
	redis->input = input;
	redis->room = room;
	memcpy(input + redis->filled, data->data, data->size);
	redis->filled += data->size;
	return 0;
}

static void on_data(hawser_client *client, const struct hawser_bytes *data, void *user)
{
	struct redis *redis = user;
	struct redis_reply reply;
	size_t used = 0;
	ssize_t size = input_append(redis, data);

	while (size >= 0 && used < redis->filled) {
		size = redis_reply_parse(redis->input + used, redis->filled - used, &reply);
		if (size > 0 && redis->count == 0)
			size = -EPROTO; /* nobody asked for it */
		if (size <= 0)
			break;
		used += (size_t)size;
		tell(redis, HAWSER_FATE_ANSWERED, &reply);
	}
	redis->filled -= used;
	if (redis->filled)
		memmove(redis->input, redis->input + used, redis->filled);
	if (size < 0) {
		redis->error = (int)size;
		hawser_client_close(client);
	} else if (redis->refused && redis->count <= REDIS_COMMANDS_MAX / 2) {
		on_writable(client, redis);
	}
}

/* Every connection begins with AUTH; hawser sends nothing else before this is content. */
static ssize_t on_auth(hawser_client *client, const struct hawser_bytes *data, bool *ret_done, void *user)
{
	struct redis_reply reply = {0};
	ssize_t size = redis_reply_parse(data->data, data->size, &reply);

	(void)client;
	(void)user;
	*ret_done = size > 0;
	return size > 0 && reply.kind != '+' ? -EACCES : size;
}

static char *encode(const struct hawser_bytes *words, size_t words_count, size_t *ret_size)
{
	size_t size = 32;
	char *text, *at;

	for (size_t i = 0; i < words_count; i++)
		size += words[i].size + 32;
	text = at = malloc(size);
	if (!text)
		return NULL;
	at += sprintf(at, "*%zu\r\n", words_count);
	for (size_t i = 0; i < words_count; i++) {
		at += sprintf(at, "$%zu\r\n", words[i].size);
		at = mempcpy(at, words[i].data, words[i].size);
		at = mempcpy(at, "\r\n", 2);
	}
	*ret_size = (size_t)(at - text);
	return text;
}

int redis_open(
    struct redis *redis, hawser_loop *loop, const struct hawser_client_options *options, const char *password)
{
	struct hawser_bytes words[] = {REDIS_WORD("AUTH"), REDIS_WORD(password)};
	HAWSER_OPTIONS(hawser_setup_options, setup, .check = on_auth);
	struct hawser_client_options own = *options;
	char *request;
	int result;

	memset(redis, 0, sizeof(*redis));
	redis->on_change = own.on_change;
	redis->on_writable = own.on_writable;
	redis->user = own.user;
	own.protocol = "raw";
	own.on_change = on_change;
	own.on_writable = on_writable;
	own.on_data = on_data;
	own.user = redis;
	result = hawser_client_new(loop, &own, &redis->client);
	if (result < 0)
		return result;
	request = encode(words, 2, &setup.request.size);
	setup.request.data = request;
	result = request ? hawser_client_setup(redis->client, &setup, NULL, NULL) : -ENOMEM;
	free(request);
	if (result < 0)
		redis_close(redis);
	return result;
}

int redis_command(struct redis *redis, const struct hawser_bytes *words, size_t words_count,
    redis_on_reply on_reply, void *user)
{
	struct redis_command command = {on_reply, user, 0};
	char *text;
	size_t size;
	int result;

	redis->refused = redis->count == REDIS_COMMANDS_MAX;
	if (redis->refused)
		return -ENOBUFS;
	text = encode(words, words_count, &size);
	if (!text)
		return -ENOMEM;
	result = hawser_send(redis->client, text, size, NULL, 0, &command.end);
	free(text);
	if (result == 0)
		redis->commands[(redis->first + redis->count++) % REDIS_COMMANDS_MAX] = command;
	return result;
}

void redis_finish(struct redis *redis)
{
	redis->finishing = true;
	if (hawser_shutdown_send(redis->client) < 0)
		hawser_client_close(redis->client);
}

void redis_close(struct redis *redis)
{
	hawser_client_close(redis->client);
	tell_lost(redis);
	hawser_client_free(redis->client);
	free(redis->input);
}
