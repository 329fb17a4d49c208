/* SPDX-License-Identifier: MIT
 *
 * One world: everything that is drawn from one seed.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "codec.h"
#include "host.h"
#include "memory.h"
#include "network.h"
#include "oracle.h"
#include "protocol.h"
#include "sim.h"
#include "sim_engine.h"
#include "user.h"

/* How often things go wrong, in percent. */
struct faults {
#define FAULT(name, most) unsigned name;
#include "faults.def"
#undef FAULT
	size_t window;           /* bytes a host's socket takes before a send waits */
	uint64_t host_period_ns; /* between two chances of a host's life to change */
};

/* What a world is most about: everything at once seldom goes deep anywhere. */
enum theme {
	THEME_ANYTHING,
	THEME_QUEUES,  /* small limits, slow and partial sends */
	THEME_CHURN,   /* hosts that come and go, short backoffs */
	THEME_MEMORY,  /* little of it */
	THEME_REENTRY, /* the user does much in its callbacks */
	THEMES
};

struct world {
	uint64_t seed;
	uint64_t generator;
	uint64_t hash;
	uint64_t events;
	uint64_t now;
	bool readable;
	bool healed;
	bool loop_freed; /* asked for: nothing new is possible */
	bool running;    /* within a call that runs the loop */
	bool in_api;
	bool in_callback;
	hawser_loop *loop;
	uint64_t failures_before; /* injected, when the call of the API began */
	uint64_t callbacks_this_moment;
	uint64_t callbacks_at_ns;
	uint32_t receive_buffer_size;
	uint32_t steps;
	enum theme theme;
	unsigned clients_max;
	unsigned hosts_count;

	struct faults faults;
	struct agenda agenda;
	struct memory_account memory;
	struct buffer codec_message;
	struct buffer codec_entry;
	struct buffer codec_frame;
	struct buffer reply;
	struct buffer given; /* the oracle's look ahead */
	struct buffer text;  /* arguments and raw bytes of the user */
	struct answer answers[ANSWERS_MAX];
	struct host hosts[HOSTS_MAX];
	struct user user;
	struct network network;
	struct sim_engine engine;
};

/* One seed from its beginning to its end. */
void world_run(struct world *world, uint64_t seed);

#endif
