/* SPDX-License-Identifier: MIT
 *
 * An engine under test, with somebody to talk to. Every test runs on both kernel engines, with ordinary and
 * with tiny rings and buffers. The rig checks for all of them what the contract promises of every operation:
 * nothing is delivered from inside a call, wait returns what it delivered, each operation ends once, and
 * neither descriptors nor memory are left over.
 */
#ifndef TESTS_SUPPORT_ENGINE_RIG_H
#define TESTS_SUPPORT_ENGINE_RIG_H

#include "engine/engine.h"
#include "memory.h"
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

enum { RIG_KINDS = 4, RIG_NAMES_MAX = 64, RIG_FDS_MAX = 64, RIG_PATIENCE_S = 20, RIG_DIRECTORY_SIZE = 64 };

struct rig_kind {
	bool epoll;
	bool tiny;
};

extern struct rig_kind rig_kinds[RIG_KINDS];

struct rig {
	const struct rig_kind *kind;
	struct test_memory memory;
	struct engine *engine;
	const struct engine_operations *is; /* the engine's */
	unsigned descriptors;               /* open before there was an engine */
	unsigned completions_max;           /* of each wait */
	unsigned delivered;                 /* handlers called in this wait */
	unsigned started;
	unsigned ended;
	unsigned abandoned; /* what destroy may leave without a completion: watches, polls, lookups */
	bool waiting;
};

/* What became of one operation. */
struct rig_operation {
	struct rig *rig;
	void (*then)(struct rig_operation *operation, const struct completion *completion);
	void *user;
	uint64_t id;
	uint8_t *data; /* received so far; freed by rig_operation_free */
	size_t size;
	size_t fds_at[RIG_FDS_MAX]; /* where the data begin that each came with */
	int fds[RIG_FDS_MAX];
	unsigned fds_count;
	unsigned completions;
	int result; /* of the last completion */
	enum hawser_stage stage;
	struct address addresses[4];
	unsigned names_count;
	char names[RIG_NAMES_MAX][32];
	bool fds_lost;
	bool ended;
};

#define ENGINE_TEST(suite, name)                                                   \
	static void suite##_##name(struct rig *rig);                               \
	ParameterizedTestParameters(suite, name)                                   \
	{                                                                          \
		return cr_make_param_array(struct rig_kind, rig_kinds, RIG_KINDS); \
	}                                                                          \
	ParameterizedTest(const struct rig_kind *kind, suite, name, .timeout = 60) \
	{                                                                          \
		struct rig rig;                                                    \
                                                                                   \
		rig_open(&rig, kind);                                              \
		suite##_##name(&rig);                                              \
		rig_close(&rig);                                                   \
	}                                                                          \
	static void suite##_##name(struct rig *rig)

void rig_open(struct rig *rig, const struct rig_kind *kind);
void rig_close(struct rig *rig);
/* Closes the engine before the rig: what is abandoned gets no completion. */
void rig_destroy(struct rig *rig, unsigned abandoned);
struct engine_options rig_options(struct rig *rig);
int rig_create(struct rig *rig, const struct engine_options *options);
unsigned rig_descriptors(void);
/* Fails unless as many as that are open, now or soon. */
void rig_expect_descriptors(unsigned expected);

/* One wait of at most `ms`; what it returned. */
int rig_turn(struct rig *rig, unsigned ms);
uint64_t rig_now_ns(void);
#define rig_until(rig, condition)                                                                         \
	do {                                                                                              \
		uint64_t began_ns_ = rig_now_ns();                                                        \
                                                                                                          \
		while (!(condition)) {                                                                    \
			cr_assert(rig_now_ns() - began_ns_ < RIG_PATIENCE_S * 1000000000ULL, "never: %s", \
			    #condition);                                                                  \
			rig_turn(rig, 50);                                                                \
		}                                                                                         \
	} while (0)

/* Starts; `operation` is cleared but for then and user, and must live until it has ended. */
int rig_start_connect(
    struct rig *rig, struct rig_operation *operation, const struct connect_request *request);
void rig_connect(
    struct rig *rig, struct rig_operation *operation, const struct address *address, uint64_t deadline_ns);
void rig_adopt(struct rig *rig, struct rig_operation *operation, int fd);
void rig_send(struct rig *rig, struct rig_operation *operation, int fd, const void *data, size_t size);
void rig_send_vectors(struct rig *rig, struct rig_operation *operation, int fd, const struct iovec *vectors,
    unsigned vectors_count);
void rig_send_fds(struct rig *rig, struct rig_operation *operation, int fd, const void *data, size_t size,
    const int *fds, unsigned fds_count);
void rig_receive(struct rig *rig, struct rig_operation *operation, int fd, bool with_fds);
void rig_poll(struct rig *rig, struct rig_operation *operation, int fd, short events);
void rig_watch(struct rig *rig, struct rig_operation *operation, const char *directory);
void rig_resolve(struct rig *rig, struct rig_operation *operation, const char *host);
void rig_cancel(struct rig *rig, struct rig_operation *operation);
void rig_operation_free(struct rig_operation *operation);

/* Connects and waits for it; the fd. */
int rig_connected(struct rig *rig, const struct address *address);
/* A connected pair: the engine's end is returned, the test's (blocking) stored. */
int rig_unix_pair(struct rig *rig, int *ret_peer);
int rig_tcp_pair(struct rig *rig, int *ret_peer);

/* Listeners of the test: the descriptor; ret_address is where it listens. */
int rig_listen_tcp(int backlog, struct address *ret_address);
int rig_listen_unix(const char *path, int backlog, struct address *ret_address);
struct address rig_unix_address(const char *path); /* "@name": abstract */
/* A listener that has no room left: a connect to it gets no answer. */
int rig_listen_full(struct address *ret_address, int ret_fillers[2]);
/* A directory of the test's own, removed with what is in it by rig_directory_remove. */
void rig_directory_make(char directory[RIG_DIRECTORY_SIZE]);
void rig_directory_remove(const char *directory);
void rig_file_make(const char *directory, const char *name);
/* Bytes that say where they are. */
void rig_pattern_fill(uint8_t *bytes, size_t size);
bool rig_pattern_is(const uint8_t *bytes, size_t size);

#endif
