/* SPDX-License-Identifier: MIT
 *
 * Stands between a loop and its engine: counts what the loop asks for, and looks in at moments that no
 * callback shows. Everything goes on to the real engine. One for a process, which is what a test is.
 */
#ifndef TESTS_SUPPORT_ENGINE_SPY_H
#define TESTS_SUPPORT_ENGINE_SPY_H

#include <hawser/hawser.h>
#include <stdatomic.h>
#include <stdint.h>

struct engine_spy {
	atomic_uint wakes;
	unsigned watches; /* directories that were to be watched */
	uint64_t now_ns;  /* the loop's time; 0: the real one */
	/* Called when the loop has gone to sleep and its engine has not yet, and only once. */
	void (*asleep)(void *user);
	/* Called when the loop has been told of a name in a watched directory, before anything else, and
	 * only once. */
	void (*path_told)(void *user);
	void *user;
};

/* A new one, until the loop is freed. It may be changed at any time. */
struct engine_spy *engine_spy_on(hawser_loop *loop);

#endif
