/* SPDX-License-Identifier: MIT
 *
 * The mailbox of a loop. It wakes nobody itself: mailbox_put says when its caller has to.
 *
 * No wake-up is lost: a poster first publishes its post and then looks at `sleeping`, the loop first
 * publishes `sleeping` and then looks for posts; sequentially consistent, so at least one of them sees the
 * other.
 *
 * No post is lost at the end, and nobody wakes an engine that is gone: a visitor first counts itself and then
 * looks at `closed`, the loop first closes and then looks at the count, so that whoever is not waited for has
 * been refused. A visit lasts no longer than an allocation and a write to an eventfd.
 */
#include "mailbox.h"

#include <time.h>

enum { VISIT_POLL_NS = 50000 };

void mailbox_init(struct mailbox *mailbox)
{
	atomic_init(&mailbox->top, NULL);
	atomic_init(&mailbox->waiting, 0);
	atomic_init(&mailbox->sleeping, false);
	atomic_init(&mailbox->stop, false);
	atomic_init(&mailbox->woken, false);
	atomic_init(&mailbox->closed, false);
	atomic_init(&mailbox->visitors, 0);
}

bool mailbox_visit(struct mailbox *mailbox)
{
	atomic_fetch_add(&mailbox->visitors, 1);
	if (!atomic_load(&mailbox->closed))
		return true;
	mailbox_leave(mailbox);
	return false;
}

void mailbox_leave(struct mailbox *mailbox)
{
	atomic_fetch_sub(&mailbox->visitors, 1);
}

void mailbox_close(struct mailbox *mailbox)
{
	const struct timespec pause = {.tv_nsec = VISIT_POLL_NS};

	atomic_store(&mailbox->closed, true);
	/* A pause and no yield: a visitor of lower priority has to run. */
	while (atomic_load(&mailbox->visitors))
		nanosleep(&pause, NULL);
	atomic_store(&mailbox->sleeping, false);
}

bool mailbox_put(struct mailbox *mailbox, struct post *post)
{
	struct post *top = atomic_load_explicit(&mailbox->top, memory_order_relaxed);

	do
		post->next = top;
	while (!atomic_compare_exchange_weak(&mailbox->top, &top, post));
	return atomic_load(&mailbox->sleeping) && atomic_exchange(&mailbox->sleeping, false);
}

struct post *mailbox_take_all(struct mailbox *mailbox)
{
	struct post *post = atomic_exchange(&mailbox->top, NULL);
	struct post *first = NULL;

	while (post) {
		struct post *next = post->next;

		post->next = first;
		first = post;
		post = next;
	}
	return first;
}

bool mailbox_sleeps(struct mailbox *mailbox)
{
	atomic_store(&mailbox->sleeping, true);
	if (atomic_load(&mailbox->top) || atomic_load(&mailbox->stop) || atomic_load(&mailbox->woken)) {
		atomic_store(&mailbox->sleeping, false);
		return false;
	}
	return true;
}

void mailbox_awake(struct mailbox *mailbox)
{
	atomic_store(&mailbox->sleeping, false);
}
