/* SPDX-License-Identifier: MIT
 *
 * A small pipelined Redis client over protocol "raw". hawser connects, and connects again; AUTH is the setup
 * exchange, commands go out as they are asked for, and replies belong to them first in, first out.
 *
 * Every command that was taken is told once: answered or, when the connection went, never sent (safe to
 * repeat) or maybe executed (its owner knows whether repeating it does harm). Nothing is repeated here.
 */
#ifndef TESTS_EXAMPLES_REDIS_CLIENT_H
#define TESTS_EXAMPLES_REDIS_CLIENT_H

#include <hawser/hawser.h>
#include <sys/types.h>

enum {
	REDIS_COMMANDS_MAX = 4096, /* sent and not yet answered */
	REDIS_REPLY_MAX = 8 << 20,
	REDIS_INPUT_MAX = 2 * REDIS_REPLY_MAX,
	REDIS_LINE_MAX = 4096, /* of a reply without its bulk */
};

struct redis;
struct redis_reply {
	char kind; /* '+' status, '-' error, ':' number, '$' bulk */
	long long number;
	struct hawser_bytes bytes; /* live until the callback returns; data NULL: nil */
};

/* reply is NULL unless fate is HAWSER_FATE_ANSWERED. */
typedef void (*redis_on_reply)(
    struct redis *redis, enum hawser_fate fate, const struct redis_reply *reply, void *user);

struct redis {
	hawser_client *client;
	hawser_on_change on_change;
	hawser_on_writable on_writable;                /* commands are taken: it is ready, or there is room */
	void *user;                                    /* the owner's */
	uint64_t told[HAWSER_FATE_MAYBE_EXECUTED + 1]; /* commands, by their fate */
	int error; /* why it closed by itself: -EPROTO, -EMSGSIZE (a reply is too large) */
	bool finishing;
	char *input; /* REDIS_INPUT_MAX bytes: replies that are not whole yet */
	size_t filled;
	size_t first; /* of the ring */
	size_t count;
	struct redis_command {
		redis_on_reply on_reply;
		void *user;
		uint64_t end; /* in the connection's outgoing stream */
	} commands[REDIS_COMMANDS_MAX];
};

/* options: target, on_writable, and what else shall differ from the defaults. on_change and on_writable get
 * the struct redis as their user, which keeps the owner's own. -ENOMEM, or an error of hawser_client_new or
 * hawser_client_setup: there is nothing to close then. */
int redis_open(struct redis *redis, hawser_loop *loop, const struct hawser_client_options *options,
    const char *password);

/* -ENOTCONN, -ENOBUFS: go on in on_writable; other errors are those of hawser_send. */
int redis_command(struct redis *redis, const struct hawser_bytes *words, size_t words_count,
    redis_on_reply on_reply, void *user);
#define REDIS_WORD(text) ((struct hawser_bytes){(text), strlen(text)})

/* No more commands: the server answers, and closes; then the client does. (redis drops replies that do not
 * fit the socket's buffer by then: await large ones first.) */
void redis_finish(struct redis *redis);

/* Tells what is not answered, and frees. Not from its own callbacks. */
void redis_close(struct redis *redis);

/* The size of the reply that data begins with; 0: more is needed; -EPROTO, -EMSGSIZE. */
ssize_t redis_reply_parse(const char *data, size_t size, struct redis_reply *ret_reply);

#endif
