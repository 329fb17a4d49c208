/* SPDX-License-Identifier: MIT
 *
 * A resolver under test, one a process: its bell, its threads counted, and a lookup that hangs, fails and
 * answers on demand.
 */
#ifndef TESTS_SUPPORT_RESOLVER_RIG_H
#define TESTS_SUPPORT_RESOLVER_RIG_H

#include "net/resolver.h"
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <unistd.h>

enum { RESOLVER_PATIENCE_MS = 20000 };

extern int resolver_bell;            /* eventfd, written when the resolver notifies */
extern atomic_uint resolver_rung;    /* how often it did */
extern atomic_uint resolver_hanging; /* lookups that hang now */
extern atomic_uint resolver_hanging_most;
extern atomic_uint resolver_finished; /* lookups of the rig that found something */
extern int resolver_gate[2];          /* what hangs, hangs reading it */

/* With the system's lookup. */
struct resolver *resolver_made(uint32_t threads_max);
/* With the rig's, where the host says what happens: "hang", "many", "none", "foreign", "error N", "system N"
 * (the errno of EAI_SYSTEM); any other is 10.0.0.1. */
struct resolver *resolver_made_fake(uint32_t threads_max);
/* The same without the checks of a test, for a child process. 0 or a negative errno. */
int resolver_make_fake(uint32_t threads_max, struct resolver **ret_resolver);
/* Lets all go that hang, and whatever would hang later. */
void resolver_gate_open(void);
/* Destroys it and sees its threads end, so that a leak would be seen, too. */
void resolver_done(struct resolver *resolver);

/* The next answer; NULL when none comes for a long time. */
struct resolver_answer *resolver_answer_wait(struct resolver *resolver);
/* Its result, when it is this one's; else a number that no result is. */
int resolver_result_wait(struct resolver *resolver, uint64_t id);

/* Those that came since the resolver was made. */
unsigned resolver_threads(void);

#define wait_until(condition)                                                \
	do {                                                                 \
		for (int ms_ = 0; !(condition); ms_++) {                     \
			cr_assert_lt(ms_, RESOLVER_PATIENCE_MS, #condition); \
			usleep(1000);                                        \
		}                                                            \
	} while (0)

#endif
