/* SPDX-License-Identifier: MIT
 *
 * The simulated hosts: they come and go, speak Perfetto's format or echo raw bytes, and misbehave as often as
 * the seed says.
 */
#ifndef TESTS_SIM_HOST_H
#define TESTS_SIM_HOST_H

#include "net/address.h"
#include "network.h"

enum {
	HOSTS_MAX = 3,
	ANSWERS_MAX = 256, /* on their way at one time; beyond that a host answers at once */
	TEXT_HEADER = 16,  /* of a call's arguments and of a reply: magic, number, two more words */
};

#define ARGUMENTS_MAGIC 0x4c4c4143u
#define REPLY_MAGIC 0x594c5052u
#define FORGED_NUMBER 0xffffffffu /* a reply that must reach nobody */
#define SETUP_NUMBER 0x80000000u  /* + the client's index */
#define SETUP_SERVICE UINT32_MAX  /* the number in the name of a setup's service */

enum answer_kind {
	ANSWER_BOUND,
	ANSWER_BIND_EMPTY,
	ANSWER_BIND_REFUSED,
	ANSWER_BIND_ERROR,
	ANSWER_BIND_WRONG_KIND,
	ANSWER_BIND_BROKEN,
	ANSWER_REPLY,
	ANSWER_REPLY_FAILED,
	ANSWER_REPLY_ERROR,
	ANSWER_REPLY_WRONG_KIND,
	ANSWER_REPLY_BROKEN,
	ANSWER_REPLY_AGAIN,
};

struct answer {
	bool used;
	bool again; /* a duplicate */
	uint8_t kind;
	uint64_t connection;
	uint64_t id;
	uint32_t service_id;
	uint32_t number;   /* of the service's name, or of the call */
	uint32_t sequence; /* of a stream's replies */
	uint32_t count;
	uint32_t size;
};

struct host {
	struct address address;
	char target[80];
	char directory[32];
	uint16_t port;
	bool raw;
	bool is_unix;
	bool listening;
	bool path_exists;
	bool frozen; /* as SIGSTOP does it: the kernel goes on connecting and buffering */
	uint32_t uid;
};

void hosts_begin(struct world *world);
void host_start(struct world *world, unsigned index);
void host_die(struct world *world, unsigned index, bool reset);
void host_freeze(struct world *world, unsigned index, bool frozen);
void hosts_heal(struct world *world); /* all listen, none is frozen, and what hangs is cut off */

/* From the network. */
void host_accepted(struct world *world, struct sim_connection *connection);
void host_received(struct world *world, struct sim_connection *connection);
void host_hung_up(struct world *world, struct sim_connection *connection);

/* host_service.c: Perfetto's format; host_answer.c: what is sent back; both for host.c. */
void service_received(struct world *world, struct sim_connection *connection);
void answer_plan(struct world *world, const struct answer *answer);
void answer_garbage(struct world *world, struct sim_connection *connection);
void host_write(struct world *world, struct sim_connection *connection, const void *data, size_t size,
    struct attached attached);

static inline uint64_t reply_tag(uint32_t number, uint32_t sequence)
{
	return ((uint64_t)number << 32 | sequence) + 1;
}
static inline void word_put(uint8_t *place, uint32_t word)
{
	for (int i = 0; i < 4; i++)
		place[i] = (uint8_t)(word >> (8 * i));
}
static inline uint32_t word_get(const uint8_t *place)
{
	return (uint32_t)place[0] | (uint32_t)place[1] << 8 | (uint32_t)place[2] << 16 |
	       (uint32_t)place[3] << 24;
}

#endif
