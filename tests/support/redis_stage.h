/* SPDX-License-Identifier: MIT
 *
 * A stage: a bed with a redis-server and the example's client. A test plans commands, and they are asked for
 * in that order whenever they are taken. The stage checks for all tests that each command is told once and
 * in order, that each answer is the one to that very command, and what the bed checks.
 *
 * INCREASE makes visible what was executed and how often: each has a counter of its own, and stage_settle
 * reads them all.
 *
 *	REDIS_TEST(redis, a_restarted_server_is_found_again)
 *	{
 *		stage_plan_many(stage, INCREASE, 0, 100);
 *		stage_open_client(stage, NULL, REDIS_PASSWORD);
 *		...
 *		stage_settle(stage);
 *	}
 *
 * Every such test runs on both engines, on a unix socket and on loopback.
 */
#ifndef TESTS_SUPPORT_REDIS_STAGE_H
#define TESTS_SUPPORT_REDIS_STAGE_H

#include "../examples/redis_client.h"
#include "bed.h"
#include "redis_server.h"

enum { STAGE_KINDS = 4, STAGE_KEYS = 20000, STAGE_COMMANDS_MAX = 3 * STAGE_KEYS, STAGE_LARGE = 1 << 20 };

struct stage_kind {
	struct rig_kind rig;
	bool tcp;
};

extern struct stage_kind stage_kinds[STAGE_KINDS];

enum verb {
	SET,
	GET,
	SET_LARGE,
	GET_LARGE,
	INCREASE, /* by key + 1, which is the answer when it was never executed before */
	READ,     /* what INCREASE of this key has left; not answered, it is asked again */
	WAIT,     /* blocks its connection for ever: what comes behind it is received and not executed */
};

struct command {
	enum verb verb;
	unsigned key;
	enum hawser_fate fate; /* NONE: not told yet */
};

struct stage {
	struct bed bed;
	struct redis_server server;
	struct redis redis;
	bool tcp;
	char *large;
	struct command commands[STAGE_COMMANDS_MAX];
	unsigned planned;
	unsigned asked;
	unsigned told;
	unsigned refused;                   /* for want of room */
	enum hawser_fate fates[STAGE_KEYS]; /* of each key's INCREASE */
	void (*answered)(struct stage *stage);
	void (*ready)(struct stage *stage);
	unsigned waiting;          /* the client was, so often */
	uint64_t next_retry_ns;    /* as last told */
	struct hawser_error error; /* of the last change with one; its pointers are dead */
};

#define REDIS_TEST(suite, name)                                                          \
	static void suite##_##name(struct stage *stage);                                 \
	ParameterizedTestParameters(suite, name)                                         \
	{                                                                                \
		return cr_make_param_array(struct stage_kind, stage_kinds, STAGE_KINDS); \
	}                                                                                \
	ParameterizedTest(const struct stage_kind *kind, suite, name, .timeout = 60)     \
	{                                                                                \
		struct stage *stage = stage_open(kind);                                  \
                                                                                         \
		suite##_##name(stage);                                                   \
		stage_close(stage);                                                      \
	}                                                                                \
	static void suite##_##name(struct stage *stage)

struct stage *stage_open(const struct stage_kind *kind);
void stage_close(struct stage *stage);

/* options NULL: defaults, and quick retries. */
void stage_open_client(
    struct stage *stage, const struct hawser_client_options *options, const char *password);
struct hawser_status stage_status(const struct stage *stage);

void stage_plan(struct stage *stage, enum verb verb, unsigned key);
void stage_plan_many(struct stage *stage, enum verb verb, unsigned from, unsigned to);
/* Asks for what is planned until there is no room, and goes on by itself when there is. */
void stage_ask(struct stage *stage);
/* The next one alone; the error of redis_command. */
int stage_ask_one(struct stage *stage);

/* Runs until all that was planned is told, then until every counter was read and agrees with what was told of
 * its command. */
void stage_settle(struct stage *stage);

#define stage_until(stage, condition)                                                                 \
	do {                                                                                          \
		uint64_t began_ns_ = rig_now_ns();                                                    \
                                                                                                      \
		while (!(condition)) {                                                                \
			cr_assert(rig_now_ns() - began_ns_ < RIG_PATIENCE_S * 1000000000ULL,          \
			    "never: %s; told %u of %u", #condition, (stage)->told, (stage)->planned); \
			cr_assert_eq(hawser_loop_run_once((stage)->bed.loop, 50), 0);                 \
		}                                                                                     \
	} while (0)

#endif
