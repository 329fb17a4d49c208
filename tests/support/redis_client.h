/* SPDX-License-Identifier: MIT
 *
 * A small pipelined Redis client over protocol "raw": AUTH is the setup exchange, commands go out as they
 * are asked for, and replies belong to them first in, first out. hawser connects, and connects again.
 *
 * Every command that was taken is told once: answered, or when the connection went, never sent (safe to
 * repeat) or maybe executed (its owner knows whether repeating it does harm). Nothing is repeated here.
 */
#ifndef REDIS_CLIENT_H
#define REDIS_CLIENT_H

#include <hawser/hawser.h>
#include <sys/types.h>

enum {
	REDIS_COMMANDS_MAX = 4096, /* sent and not yet answered */
	REDIS_REPLY_MAX = 8 << 20,
	REDIS_LINE_MAX = 4096, /* of a reply without its bulk */
};

struct redis_reply {
	char kind; /* '+' status, '-' error, ':' number, '$' bulk */
	bool nil;
	long long number;
	struct hawser_bytes bytes; /* live until the callback returns */
};

/* reply is NULL unless fate is HAWSER_FATE_ANSWERED. */
struct redis;
typedef void (*redis_on_reply)(
    struct redis *redis, enum hawser_fate fate, const struct redis_reply *reply, void *user);

struct redis {
	hawser_client *client;
	hawser_on_change on_change;
	hawser_on_writable on_writable; /* commands are taken: it is ready, or has room again */
	void *user;
	uint64_t told[HAWSER_FATE_MAYBE_EXECUTED + 1]; /* commands by their fate */
	int error; /* why it closed by itself: -EPROTO, -EMSGSIZE (a reply too large), -ENOMEM */
	bool finishing;
	bool refused; /* a command was, and its owner waits for on_writable */
	char *input;  /* the beginning of a reply */
	size_t filled;
	size_t room;
	size_t first; /* of a ring of commands that wait for their replies */
	size_t count;
	struct redis_command {
		redis_on_reply on_reply;
		void *user;
		uint64_t end; /* in the connection's outgoing stream */
	} commands[REDIS_COMMANDS_MAX];
};

/* options: the target, on_change, on_writable, user and whatever else the caller wants. */
int redis_open(struct redis *redis, hawser_loop *loop, const struct hawser_client_options *options,
    const char *password);

/* -ENOBUFS: go on in on_writable; -ENOTCONN: likewise; else an error of hawser_send. */
#define REDIS_WORD(text) ((struct hawser_bytes){(text), strlen(text)})
int redis_command(struct redis *redis, const struct hawser_bytes *words, size_t words_count,
    redis_on_reply on_reply, void *user);

/* No more commands: the server closes when it has answered, and then the client does. (A server that is told
 * so drops replies that do not fit the socket's buffer: await large ones first.) */
void redis_finish(struct redis *redis);
/* Tells what is not answered, and frees. Not from its own callbacks. */
void redis_close(struct redis *redis);

/* The size of the reply at the beginning of data; 0: more is needed; -EPROTO, -EMSGSIZE. */
ssize_t redis_reply_parse(const char *data, size_t size, struct redis_reply *ret_reply);

#endif
