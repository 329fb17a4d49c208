/* SPDX-License-Identifier: MIT
 *
 * The simulator's engine: keeps the contract of engine/engine.h over the simulated network, and holds its
 * caller to it.
 */
#ifndef TESTS_SIM_ENGINE_H
#define TESTS_SIM_ENGINE_H

#include "engine/engine.h"
#include "network.h"

enum { OPERATIONS_MAX = 128, DIRECTORY_MAX = 64 };

enum operation_kind {
	OPERATION_CONNECT,
	OPERATION_SEND,
	OPERATION_RECEIVE,
	OPERATION_POLL,
	OPERATION_WATCH,
	OPERATION_RESOLVE,
};

struct operation {
	bool active;
	bool cancelled;
	bool hangs; /* will never end by itself */
	uint8_t kind;
	uint32_t generation;
	struct handler handler;
	int fd;
	int client;

	/* connect: what will come of it. */
	int host;
	int result;
	enum hawser_stage stage;
	bool is_unix;
	uint64_t deadline_at_ns;

	/* send: what it borrowed. */
	struct iovec vectors[ENGINE_VECTORS_MAX];
	unsigned vectors_count;
	unsigned fds_count;
	int fds[ENGINE_FDS_MAX];
	size_t size;
	uint64_t digest;

	uint16_t port;
	char directory[DIRECTORY_MAX];
};

struct sim_engine {
	struct engine engine; /* first */
	struct world *world;
	struct operation operations[OPERATIONS_MAX];
	uint32_t free_operations[OPERATIONS_MAX];
	uint32_t free_count;
	uint32_t in_flight;
	uint32_t sequence;
	bool exists;
	bool waiting;
	bool woken;
	uint64_t delivered;    /* in this wait */
	struct buffer scratch; /* received bytes while their handler looks at them */
};

int engine_begin(const struct engine_options *options, void *user, struct engine **ret_engine);

void engine_readable(struct world *world, struct sim_connection *connection);
void engine_writable(struct world *world, struct sim_connection *connection);
/* Tells the watchers of a host's directory. */
void engine_path_appears(struct world *world, unsigned host);
/* Nothing hangs any more: what did ends soon. */
void engine_heal(struct world *world);

/* engine_connect.c: what the network says to a connect and to a lookup. */
void connect_plan(struct world *world, struct operation *operation, const struct connect_request *request);
void connect_finish(struct world *world, uint64_t id, uint64_t detail);
void resolve_plan(struct world *world, struct operation *operation, const char *host);
void resolve_finish(struct world *world, uint64_t id, uint64_t detail);

/* engine_stream.c: sends and receives. */
void send_progress(struct world *world, uint64_t id, uint64_t detail);
void stream_cancelled(struct world *world, struct operation *operation);

/* engine_calls.c: the operations that sim_engine.c does not keep itself. */
int sim_connect(
    struct engine *base, const struct connect_request *request, struct handler handler, uint64_t *ret_id);
int sim_resolve(
    struct engine *base, const char *host, uint16_t port, struct handler handler, uint64_t *ret_id);
int sim_send(struct engine *base, int fd, const struct iovec *vectors, unsigned vectors_count, const int *fds,
    unsigned fds_count, struct handler handler, uint64_t *ret_id);
int sim_receive(struct engine *base, int fd, bool with_fds, struct handler handler, uint64_t *ret_id);
int sim_poll(struct engine *base, int fd, short events, struct handler handler, uint64_t *ret_id);
int sim_watch(struct engine *base, const char *directory, struct handler handler, uint64_t *ret_id);
void sim_cancel(struct engine *base, uint64_t id);
void sim_close(struct engine *base, int fd);
void sim_shutdown(struct engine *base, int fd, int how);
int sim_check_fd(struct engine *base, int fd);
int sim_peer(struct engine *base, int fd, struct socket_peer *ret_peer);

/* For the parts of the engine. */
struct operation *operation_start(struct world *world, enum operation_kind kind, struct handler handler,
    uint64_t *ret_id); /* NULL: ENOMEM */
void operation_cancelled(struct world *world, uint64_t id, uint64_t detail);
struct operation *operation_find(struct world *world, uint64_t id); /* NULL: it has ended */
uint64_t operation_id(const struct world *world, const struct operation *operation);
void operation_deliver(struct world *world, struct operation *operation, struct completion *completion);
struct sim_connection *operation_connection(struct world *world, const struct operation *operation);

#endif
