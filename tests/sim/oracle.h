/* SPDX-License-Identifier: MIT
 *
 * The oracle: what the library promised, checked at every callback, every byte that leaves and every turn. It
 * knows what the user asked for, what the hosts saw and sent, and what the engine said; it looks at nothing
 * inside the library but the coverage counters.
 */
#ifndef TESTS_SIM_ORACLE_H
#define TESTS_SIM_ORACLE_H

#include "engine/engine.h"
#include "host.h"
#include <hawser/hawser.h>

struct sim_client;
struct sim_binding;
struct sim_call;
struct sim_timer;
struct sim_post;
struct operation;

/* Callbacks of the library. */
void oracle_callback(struct world *world); /* any of them: may one run now? */
void oracle_error(const struct world *world, const struct hawser_error *error);
void oracle_change(struct sim_client *client, hawser_client *handle, const struct hawser_change *change);
void oracle_wait(struct sim_client *client, uint64_t wait_ns); /* a wait was told */
void oracle_setup(struct sim_client *client, const struct hawser_error *error);
ssize_t oracle_check(struct sim_client *client, const struct hawser_bytes *data, bool *ret_done);
void oracle_data(struct sim_client *client, const struct hawser_bytes *data);
void oracle_writable(struct sim_client *client);
void oracle_handover(struct sim_client *client, int fd);
void oracle_binding(struct sim_binding *binding, hawser_binding *handle, enum hawser_binding_event event,
    const struct hawser_error *error);
void oracle_reply(struct sim_call *call, hawser_call *handle, const struct hawser_bytes *reply, bool more,
    const struct hawser_error *error);
/* A descriptor taken from the reply that is being told, or its lack. */
void oracle_reply_fd(const struct sim_call *call, int fd, unsigned taken);
void oracle_timer(struct sim_timer *timer);
void oracle_post(struct sim_post *post);

/* What the engine is asked for and says. Clients by their index, -1: none is known. */
int oracle_connecting(struct world *world, const struct connect_request *request);
void oracle_attempted(struct world *world, const struct operation *operation);
void oracle_connected(struct world *world, const struct sim_connection *connection);
int oracle_resolving(struct world *world, const char *name, int *ret_host);
void oracle_resolved(struct world *world, int client, const struct address *addresses, unsigned count);
/* The watch that was the engine's n-th operation said so. */
void oracle_path_appears(struct world *world, unsigned host, uint32_t watch);
void oracle_given(
    struct world *world, const struct sim_connection *connection, const struct operation *operation);
void oracle_taken(struct world *world, struct sim_connection *connection);
void oracle_delivered(
    struct world *world, const struct sim_connection *connection, const uint8_t *data, size_t size);

/* What the hosts see and send. */
void oracle_executed(
    struct world *world, const struct sim_connection *connection, uint32_t number, uint32_t service);
void oracle_answering(
    struct world *world, const struct sim_connection *connection, const struct answer *answer);

/* What the user asked for and looks at. */
void oracle_sent(struct sim_client *client, const uint8_t *data, size_t size, uint64_t position);
void oracle_status(struct sim_client *client);
void oracle_sent_position(struct sim_client *client);

/* Between turns: nothing is overdue. */
void oracle_turned(struct world *world);
/* The network is well: is everything bound that has to be? */
bool oracle_is_settled(struct world *world);
void oracle_settled(struct world *world); /* then these hold, too */
/* hawser_loop_free, and what holds when it has returned. */
void oracle_frees_loop(struct world *world);
void oracle_loop_gone(struct world *world); /* however it went */
void oracle_end(struct world *world);

#endif
