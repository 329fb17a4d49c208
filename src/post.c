/* SPDX-License-Identifier: MIT
 *
 * What other threads may ask of a loop: post, wake, stop. All else belongs to the loop's thread.
 */
#include "loop.h"

#include <errno.h>

static int wake_if(hawser_loop *loop, bool asleep)
{
	if (asleep)
		loop->engine->operations->wake(loop->engine);
	return 0;
}

static bool rouse(hawser_loop *loop)
{
	return atomic_load(&loop->mailbox.sleeping) && atomic_exchange(&loop->mailbox.sleeping, false);
}

int hawser_loop_post(hawser_loop *loop, void (*function)(void *user), void *user)
{
	struct post *post;

	if (!function)
		return -EINVAL;
	if (loop_is_forked(loop))
		return -ECHILD;
	if (atomic_load(&loop->mailbox.closed))
		return -ESTALE;
	if (atomic_fetch_add(&loop->mailbox.waiting, 1) >= MAILBOX_POSTS_MAX) {
		atomic_fetch_sub(&loop->mailbox.waiting, 1);
		return -ENOBUFS;
	}
	post = loop->allocator.allocate(sizeof(*post), loop->allocator.user);
	if (!post) {
		atomic_fetch_sub(&loop->mailbox.waiting, 1);
		return -ENOMEM;
	}
	post->function = function;
	post->user = user;
	post->embedded = false;
	return wake_if(loop, mailbox_put(&loop->mailbox, post));
}

int hawser_loop_wake(hawser_loop *loop)
{
	if (loop_is_forked(loop))
		return -ECHILD;
	if (atomic_load(&loop->mailbox.closed))
		return -ESTALE;
	atomic_store(&loop->mailbox.woken, true);
	return wake_if(loop, rouse(loop));
}

int hawser_loop_stop(hawser_loop *loop)
{
	if (loop_is_forked(loop))
		return -ECHILD;
	if (atomic_load(&loop->mailbox.closed))
		return -ESTALE;
	atomic_store(&loop->mailbox.stop, true);
	return wake_if(loop, rouse(loop));
}
