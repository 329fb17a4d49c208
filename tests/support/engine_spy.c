/* SPDX-License-Identifier: MIT
 *
 * See engine_spy.h.
 */
#include "engine_spy.h"
#include "loop.h"

#include <criterion/criterion.h>
#include <string.h>

enum { WATCHES_MAX = 8 };

static struct engine_spy spy;
static const struct engine_operations *real;
static struct engine_operations operations;
static struct handler watches[WATCHES_MAX];

static void spy_wake(struct engine *engine)
{
	spy.wakes++;
	real->wake(engine);
}

static uint64_t spy_now(struct engine *engine)
{
	return spy.now_ns ? spy.now_ns : real->now(engine);
}

static int spy_wait(struct engine *engine, uint64_t until_ns, unsigned completions_max)
{
	void (*asleep)(void *user) = spy.asleep;

	if (until_ns && asleep) {
		spy.asleep = NULL;
		asleep(spy.user);
	}
	return real->wait(engine, until_ns, completions_max);
}

static void watch_done(void *owner, const struct completion *completion)
{
	const struct handler *handler = owner;
	void (*path_told)(void *user) = completion->more ? spy.path_told : NULL;

	handler->done(handler->owner, completion);
	if (path_told) {
		spy.path_told = NULL;
		path_told(spy.user);
	}
}

static int spy_watch(struct engine *engine, const char *directory, struct handler handler, uint64_t *ret_id)
{
	struct handler *kept = &watches[spy.watches];

	cr_assert_lt(spy.watches, WATCHES_MAX);
	spy.watches++;
	*kept = handler;
	return real->watch(engine, directory, (struct handler){watch_done, kept}, ret_id);
}

struct engine_spy *engine_spy_on(hawser_loop *loop)
{
	memset(&spy, 0, sizeof(spy));
	real = loop->engine->operations;
	operations = *real;
	operations.wake = spy_wake;
	operations.now = spy_now;
	operations.wait = spy_wait;
	operations.watch = spy_watch;
	loop->engine->operations = &operations;
	return &spy;
}
