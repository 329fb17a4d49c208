/* SPDX-License-Identifier: MIT
 *
 * The simulated user: what it holds of the library and what it has been told. It calls the public API at
 * random, from between turns and from within callbacks.
 */
#ifndef TESTS_SIM_USER_H
#define TESTS_SIM_USER_H

#include "host.h"
#include <hawser/hawser.h>

enum {
	CLIENTS_MAX = 6,
	BINDINGS_MAX = 64,
	CALLS_MAX = 192,
	TIMERS_MAX = 16,
	POSTS_MAX = 48,
	SERVICES_UNIQUE_FROM = 100, /* numbers of names that one binding alone asks for; below they collide */
	SETUP_SIZE = 40,
	ADDRESSES_SEEN_MAX = ADDRESSES_MAX,
};

enum api_call {
#define API(name, ...) API_##name,
#include "api.def"
#undef API
	API_CALLS
};
const char *api_name(enum api_call call);

/* Around every call of the library: no callback may run in between, and only documented errors may come back.
 */
void api_enter(struct world *world);
int api_leave(struct world *world, enum api_call call, uint64_t subject, int result);

struct schedule { /* the backoff that the client's options ask for */
	double base_ms;
	double cap_ms;
	double factor;
	double percent;
	enum hawser_jitter jitter;
	bool linear;
};

struct sim_client {
	struct world *world;
	uint32_t index;
	bool made;
	bool freed; /* the handle */
	hawser_client *handle;
	struct hawser_client_options options;
	char target[96];
	char name[8];
	unsigned host;
	bool raw;
	bool none;
	bool greeted; /* a protocol of its own, with a handshake */
	bool is_name;
	bool is_unix;
	struct schedule schedule;

	/* What was told, and when. */
	enum hawser_state told;
	uint64_t told_at_ns;
	uint32_t told_operations; /* that the engine had begun by then */
	uint64_t next_retry_ns;
	uint64_t hastened_at_ns;    /* the user asked not to wait for the backoff */
	uint64_t retry_asked_at_ns; /* and by retry_now: this wait has to end */
	uint64_t path_hit_at_ns;    /* the directory said that the host's path appeared */
	uint32_t rounds_failed;     /* since a connection was last of use */
	uint64_t useful_connection; /* it was of use */
	uint64_t bytes_connection;  /* the last that brought bytes */
	uint32_t readies;
	uint32_t backlogs_full;  /* in a row */
	uint64_t waited_ns;      /* the wait before */
	uint64_t closing_at_ns;  /* the user asked for the end; 0: it did not */
	uint64_t unready_at_ns;  /* since when there is no ready connection */
	uint32_t failures_least; /* of the backoff, if it was reset whenever that may have been */
	uint32_t failures_most;  /* and if it was not */

	bool close_asked;
	bool drain_asked;
	bool connect_asked; /* which may have ended a connection */

	bool setup_asked;
	bool setup_due; /* its connection went: it has to be answered */
	uint64_t setup_asked_at_ns;
	bool setup_answered;
	bool setup_checked;  /* has a check function */
	bool setup_hopeless; /* invokes a method that no host has */

	/* The engine's view. */
	uint64_t connection;                          /* the last one */
	struct address addresses[ADDRESSES_SEEN_MAX]; /* of the last lookup */
	uint32_t addresses_count;
	uint32_t addresses_tried;
	uint32_t attempts;
	struct address tried; /* by the last attempt, */
	int tried_result;     /* and what came of it */
	enum hawser_stage tried_stage;

	/* Raw. */
	bool paused;
	bool send_shut;
	bool wants_writable;
	bool wants_room; /* a binding, call or setup was refused: writable may be told */
	uint32_t sends;
};

struct sim_binding {
	struct world *world;
	uint32_t index;
	bool made;
	bool freed;
	hawser_binding *handle; /* NULL: it was not asked for */
	uint32_t client;
	uint32_t service;
	bool one_shot;
	bool fail_fast;
	bool retry_refused;
	uint32_t deadline_ms;
	uint64_t asked_at_ns;
	uint64_t failures_before; /* of memory, when it was asked for */

	bool release_asked;
	bool bound;
	bool ended;
	bool duplicate;              /* of another one, when it was asked for */
	bool on_wire;                /* its request was ever taken by the kernel */
	uint64_t pending_connection; /* where its last request went, until something is told */
	uint64_t pending_at_ns;
	uint32_t accepts; /* by hosts */
	uint32_t refusals;
	uint32_t nonsense; /* answers that make no sense */
	uint32_t bounds;
};

struct sim_call {
	struct world *world;
	uint32_t index; /* its number, in arguments and replies */
	bool made;
	bool freed;
	hawser_call *handle;
	uint32_t binding;
	bool no_reply;
	bool missing;   /* asks for a method that no host has */
	uint32_t count; /* replies that it asks for */
	uint32_t arguments_size;
	uint32_t reply_size;
	uint32_t deadline_ms;
	unsigned fds_count;
	uint64_t asked_at_ns;

	bool cancel_asked;
	bool given;    /* to the kernel, as a whole, in a send that may not have taken it */
	bool taken;    /* the kernel has the whole of it */
	bool executed; /* a host saw it */
	bool ended;
	bool claimed_unsent; /* the library said that no host can have it */
	uint32_t replies;
	uint32_t replies_sent; /* by the host */
	uint32_t failures_sent;
	uint64_t answered_on; /* the connection that its last answer was written to */
};

struct sim_timer {
	struct world *world;
	uint32_t index;
	bool made;
	bool freed;
	bool armed;
	hawser_timer *handle;
	uint64_t due_ns;
	uint64_t period_ns;
	uint64_t order;
};

struct sim_post {
	struct world *world;
	uint32_t index;
	uint64_t posted_at_ns;
	bool accepted;
	bool ran;
};

struct user {
	struct sim_client clients[CLIENTS_MAX];
	struct sim_binding bindings[BINDINGS_MAX];
	struct sim_call calls[CALLS_MAX];
	struct sim_timer timers[TIMERS_MAX];
	struct sim_post posts[POSTS_MAX];
	uint32_t clients_count;
	uint32_t bindings_count;
	uint32_t calls_count;
	uint32_t timers_count;
	uint32_t posts_count;
	uint32_t posts_ran;
	uint64_t timer_order;
	struct sim_client *favourite; /* of a burst; NULL: none */
};

void user_begin(struct world *world);
void user_step(struct world *world);   /* one call of the API */
void user_burst(struct world *world);  /* or several in a row, most of them about one client */
void user_reacts(struct world *world); /* within a callback */
void user_thread(
    struct world *world, uint64_t subject, uint64_t detail); /* another thread, while the loop sleeps */
void user_frees(struct world *world);                        /* everything, in any order */

/* user_options.c */
void client_options_draw(struct world *world, struct sim_client *client);

/* user_clients.c */
void user_client_new(struct world *world);
void user_client_new_bad(struct world *world);
void user_client_connect(struct world *world);
void user_client_retry_now(struct world *world);
void user_client_drain(struct world *world);
void user_client_close(struct world *world);
void user_client_free(struct world *world);
void user_client_setup(struct world *world);
void user_client_ask(struct world *world);
void client_close(struct sim_client *client);
void client_connect(struct sim_client *client);
void client_free(struct sim_client *client);

/* user_bindings.c */
void user_bind(struct world *world);
void user_bind_again(struct world *world);
void user_binding_release(struct world *world);
void user_binding_free(struct world *world);
void user_invoke(struct world *world);
void user_call_cancel(struct world *world);
void user_call_free(struct world *world);
void binding_free(struct sim_binding *binding);
void call_free(struct sim_call *call);

/* user_streams.c */
void user_send(struct world *world);
void user_pause(struct world *world);
void user_resume(struct world *world);
void user_shutdown_send(struct world *world);
void client_resume(struct sim_client *client);

/* user_timers.c */
void user_timer_new(struct world *world);
void user_timer_restart(struct world *world);
void user_timer_free(struct world *world);
void user_post(struct world *world);
void user_wake(struct world *world);
void timer_free(struct sim_timer *timer);

/* callbacks.c */
void on_change(hawser_client *client, const struct hawser_change *change, void *user);
void on_data(hawser_client *client, const struct hawser_bytes *data, void *user);
void on_writable(hawser_client *client, void *user);
void on_handover(hawser_client *client, int fd, void *user);
void on_setup(hawser_client *client, const struct hawser_error *error, void *user);
ssize_t on_check(hawser_client *client, const struct hawser_bytes *data, bool *ret_done, void *user);
void on_binding(
    hawser_binding *binding, enum hawser_binding_event event, const struct hawser_error *error, void *user);
void on_reply(hawser_call *call, const struct hawser_bytes *reply, bool more,
    const struct hawser_error *error, void *user);
void on_timer(hawser_timer *timer, void *user);
void on_post(void *user);

/* Random living things; NULL when there is none. */
struct sim_client *any_client(struct world *world);
struct sim_binding *any_binding(struct world *world);
struct sim_call *any_call(struct world *world);

#endif
