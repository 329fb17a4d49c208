/* SPDX-License-Identifier: MIT
 *
 * Directories and host names in the io_uring engine: the work is shared.h's; this gives the operations their
 * slots and brings the results into wait. The ring polls the one inotify descriptor; the resolver's threads
 * wake the engine.
 *
 * Failures to begin (no such directory, no thread) are completions, too.
 */
#include "engine/uring.h"
#include <errno.h>

/* Between inotify and the caller: counts, and gives the slot back before the final completion is delivered.
 */
static void watch_done(void *owner, const struct completion *completion)
{
	struct uring_watch *watch = owner;
	struct uring *uring = watch->uring;
	struct completion copy = *completion;

	copy.id = watch->operation.id;
	if (copy.more)
		uring_deliver(uring, watch->operation.handler, &copy);
	else
		uring_finish(uring, &watch->operation, &copy);
}

int uring_watch(struct engine *engine, const char *directory, struct handler handler, uint64_t *ret_id)
{
	struct uring *uring = uring_of(engine);
	struct uring_watch *watch = uring_take(uring, URING_WATCH, handler);
	int r;

	if (!watch)
		return -ENOMEM;
	*ret_id = watch->operation.id;
	watch->uring = uring;
	watch->watch.id = watch->operation.id;
	watch->watch.handler = (struct handler){watch_done, watch};
	r = directories_add(&uring->directories, &watch->watch, directory);
	if (r < 0)
		uring_make_ready(uring, &watch->operation, r, HAWSER_STAGE_NONE);
	else
		watch->operation.place = URING_OUTSIDE;
	return 0;
}

int uring_resolve(
    struct engine *engine, const char *host, uint16_t port, struct handler handler, uint64_t *ret_id)
{
	struct uring *uring = uring_of(engine);
	struct uring_operation *operation = uring_take(uring, URING_RESOLVE, handler);
	int r;

	if (!operation)
		return -ENOMEM;
	*ret_id = operation->id;
	r = lookups_ask(&uring->lookups, operation->id, host, port);
	if (r < 0)
		uring_make_ready(uring, operation, r, HAWSER_STAGE_NONE);
	else
		operation->place = URING_OUTSIDE;
	return 0;
}

void uring_withdraw(struct uring *uring, struct uring_operation *operation)
{
	if (uring_kind_of(operation->id) == URING_WATCH)
		directories_remove(
		    &uring->directories, &container_of(operation, struct uring_watch, operation)->watch);
	else
		resolver_abandon(uring->lookups.resolver, operation->id);
}

/* The slot must live until watch_done has read it. */
static void watch_ended(void *user, uint64_t id)
{
	(void)user;
	(void)id;
}

void uring_directories_deliver(struct uring *uring)
{
	directories_deliver(&uring->directories, watch_ended, uring);
}

void uring_lookups_deliver(struct uring *uring)
{
	while (uring->lookups_ready && uring->delivered < uring->completions_max) {
		struct resolver_answer *answer =
		    uring->lookups.resolver ? resolver_take(uring->lookups.resolver) : NULL;
		struct uring_operation *operation;
		struct completion completion = {0};

		if (!answer) {
			uring->lookups_ready = false;
			return;
		}
		operation = uring_find(uring, answer->id);
		if (operation) {
			completion.result = answer->result;
			completion.addresses = answer->addresses;
			uring_finish(uring, operation, &completion);
		} else {
			uring->stale++;
		}
		resolver_answer_free(answer);
	}
}
