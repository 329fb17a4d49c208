/* SPDX-License-Identifier: MIT
 *
 * Posts from any thread: a lock-free stack that the loop takes whole and turns round, and a flag that says
 * whether the loop sleeps, so that a busy loop costs its posters no system call.
 */
#ifndef HAWSER_MAILBOX_H
#define HAWSER_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAILBOX_POSTS_MAX = 65536 };

struct post {
	struct post *next;
	void (*function)(void *user);
	void *user;
	bool embedded; /* lives in its owner: not freed by the loop */
};

struct mailbox {
	_Atomic(struct post *) top;
	atomic_uint waiting;
	atomic_bool sleeping;
	atomic_bool stop;
	atomic_bool woken;
	atomic_bool closed;
	atomic_uint visitors; /* other threads that are in the loop's functions now */
};

void mailbox_init(struct mailbox *mailbox);

/* Any thread. Who visits may put posts and wake the engine until it leaves. False: the mailbox is closed. */
bool mailbox_visit(struct mailbox *mailbox);
void mailbox_leave(struct mailbox *mailbox);

/* The loop's thread: nobody comes in any more, and those who are in have left when it returns. What was put
 * stays to be taken. */
void mailbox_close(struct mailbox *mailbox);

/* Any visitor. True: the loop sleeps and has to be woken. */
bool mailbox_put(struct mailbox *mailbox, struct post *post);

/* Posts that were there at this moment, in their order; NULL when there is none. */
struct post *mailbox_take_all(struct mailbox *mailbox);

/* The loop is about to sleep: false when a post, a stop or a wake came meanwhile, and it must not. */
bool mailbox_sleeps(struct mailbox *mailbox);
void mailbox_awake(struct mailbox *mailbox);

#endif
