/* SPDX-License-Identifier: MIT
 *
 * The simulated network: connections as two streams of bytes with latency, limits and ends, and the
 * descriptors that the library believes to be sockets. Engine and hosts are its two users.
 */
#ifndef TESTS_SIM_NETWORK_H
#define TESTS_SIM_NETWORK_H

#include "sim.h"
#include <hawser/base.h>
#include <sys/uio.h>

enum {
	CONNECTIONS_MAX = 160,  /* at one time, the half-dead ones too */
	DESCRIPTORS_MAX = 8192, /* in one world: a number is never given twice, so a stale one is noticed */
	DESCRIPTOR_BASE = 1 << 24, /* above every real descriptor: closing one by mistake closes nothing */
	MESSAGES_MAX = 8,
	SESSION_SERVICES_MAX = 48,
};

/* Offered: by a call that is going on, and the library's if that succeeds. */
enum holder { HOLDER_LIBRARY, HOLDER_USER, HOLDER_NETWORK, HOLDER_OFFERED };

struct descriptor {
	bool open;
	uint8_t holder;
	uint64_t connection; /* 0: a passed descriptor */
	uint64_t tag;        /* of the reply that it comes with; 0: none */
};

/* Descriptors that a host sends along with bytes, and what they belong to. */
struct attached {
	unsigned count;
	uint64_t tag;
};

/* Bytes with descriptors, from host to client: a receive never goes past them. */
struct message {
	uint64_t begin;
	uint64_t end;
	unsigned count;
	int fds[2];
};

struct session_service {
	uint32_t id;
	uint32_t name; /* the number in its name */
};

/* What the host knows of one connection. */
struct session {
	struct session_service services[SESSION_SERVICES_MAX];
	uint32_t services_count;
	uint64_t last_id;     /* of the requests: they count up */
	uint64_t newest_bind; /* of the bindings first asked for on this connection */
	uint64_t bytes_left;  /* closes after so many bytes; UINT64_MAX: never */
	bool mute;            /* answers nothing any more */
	bool poisoned;        /* sent something that has to end the connection */
	bool sink;            /* raw: echoes nothing */
	bool silences;        /* left a request unanswered */
	bool hung_up;         /* the client has ended its sending half */
};

struct sim_connection {
	uint64_t number; /* of this world's, from 1 */
	uint64_t latency_ns;
	uint32_t generation;
	uint32_t uid; /* of the host, when it was connected to */
	unsigned host;
	int client;
	int fd;

	bool used;
	bool is_unix;
	bool client_open;
	bool client_shut; /* has ended its sending half */
	bool host_open;
	bool host_shut;
	bool reset;       /* the client's side knows of a reset */
	bool end_arrived; /* the host's end of sending has reached the client */
	bool send_waits;  /* for room */
	bool readable_planned;
	bool setup_known; /* the setup's request has left on it, or (raw) it is known where it will: setup_at
			   */

	/* Client to host: taken bytes. The first `arrived` have reached the host, those before `tapped` have
	 * been looked at by the oracle (both counted from the front). */
	struct buffer outbound;
	size_t outbound_arrived;
	size_t outbound_tapped;
	uint64_t outbound_at_ns; /* when the last of them arrive */
	uint64_t taken;          /* all bytes ever taken */
	uint64_t consumed;       /* all bytes the host has read */
	uint64_t fds_at;         /* where the last descriptors began, and how many */
	uint64_t fds_count;

	/* Host to client. */
	struct buffer inbound;
	size_t inbound_arrived;
	uint64_t inbound_at_ns;
	uint64_t delivered; /* all bytes ever delivered */
	struct message messages[MESSAGES_MAX];
	size_t messages_count;

	uint64_t receive_id; /* operations of the engine in flight, 0: none */
	uint64_t send_id;
	struct session session;

	/* Raw, the oracle's: all that was accepted for this connection, and how much of its echo was shown to
	 * the user. */
	struct buffer expected;
	uint64_t received;
	uint64_t setup_at; /* where the setup's request stands in it, once that is known */
};

struct network {
	struct sim_connection connections[CONNECTIONS_MAX];
	struct descriptor descriptors[DESCRIPTORS_MAX];
	uint32_t descriptors_count;
	uint64_t connections_made;
};

void network_begin(struct world *world);
/* Sends that wait for room go on: the window has grown. */
void network_heal(struct world *world);

struct descriptor *descriptor_find(struct world *world, int fd); /* NULL: never was one */
int descriptor_new(struct world *world, enum holder holder, uint64_t connection);
void descriptor_close(struct world *world, int fd);
/* Descriptors for a call of the API, and what became of them by its result. */
void descriptors_offer(struct world *world, int *ret_fds, unsigned count);
void descriptors_settle(struct world *world, const int *fds, unsigned count, int result);

uint64_t connection_id(const struct world *world, const struct sim_connection *connection);
struct sim_connection *connection_find(struct world *world, uint64_t id); /* NULL: it is gone */
struct sim_connection *network_connect(struct world *world, unsigned host, int client, bool is_unix);

/* Client to host. take moves the bytes; the host hears of them later. */
size_t network_room(const struct world *world, const struct sim_connection *connection);
void network_take(struct world *world, struct sim_connection *connection, const struct iovec *vectors,
    unsigned vectors_count, size_t size, unsigned fds_count);
void network_client_shuts(struct world *world, struct sim_connection *connection);
void network_client_closes(struct world *world, struct sim_connection *connection);

/* Host to client. */
void network_write(struct world *world, struct sim_connection *connection, const void *data, size_t size,
    struct attached attached);
void network_host_shuts(struct world *world, struct sim_connection *connection);
void network_host_closes(struct world *world, struct sim_connection *connection, bool reset);
void network_host_consumed(struct world *world, struct sim_connection *connection, size_t size);

#endif
