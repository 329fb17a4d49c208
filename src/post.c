/* SPDX-License-Identifier: MIT
 *
 * What other threads may ask of a loop: post, wake, stop. All else belongs to the loop's thread.
 *
 * Each is a visit, which the end of the loop waits for: a post is run, or it is refused (-ESTALE) before
 * anything was allocated for it. Failures besides: a forked child, too many posts, no memory.
 */
#include "loop.h"

#include <errno.h>

int loop_visit(hawser_loop *loop)
{
	if (loop_is_forked(loop))
		return -ECHILD;
	return mailbox_visit(&loop->mailbox) ? 0 : -ESTALE;
}

void loop_visit_end(hawser_loop *loop)
{
	mailbox_leave(&loop->mailbox);
}

void loop_post(hawser_loop *loop, struct post *post)
{
	if (mailbox_put(&loop->mailbox, post))
		loop->engine->operations->wake(loop->engine);
}

static void rouse(hawser_loop *loop)
{
	if (atomic_load(&loop->mailbox.sleeping) && atomic_exchange(&loop->mailbox.sleeping, false))
		loop->engine->operations->wake(loop->engine);
}

static int post_new(hawser_loop *loop, void (*function)(void *user), void *user)
{
	struct post *post = NULL;
	int result = -ENOBUFS;

	if (atomic_fetch_add(&loop->mailbox.waiting, 1) < MAILBOX_POSTS_MAX) {
		post = loop->allocator.allocate(sizeof(*post), loop->allocator.user);
		result = -ENOMEM;
	}
	if (!post) {
		atomic_fetch_sub(&loop->mailbox.waiting, 1);
		return result;
	}
	post->function = function;
	post->user = user;
	post->embedded = false;
	loop_post(loop, post);
	return 0;
}

int hawser_loop_post(hawser_loop *loop, void (*function)(void *user), void *user)
{
	int result;

	if (!function)
		return -EINVAL;
	result = loop_visit(loop);
	if (result < 0)
		return result;
	result = post_new(loop, function, user);
	loop_visit_end(loop);
	return result;
}

int hawser_loop_wake(hawser_loop *loop)
{
	int result = loop_visit(loop);

	if (result < 0)
		return result;
	atomic_store(&loop->mailbox.woken, true);
	rouse(loop);
	loop_visit_end(loop);
	return 0;
}

int hawser_loop_stop(hawser_loop *loop)
{
	int result = loop_visit(loop);

	if (result < 0)
		return result;
	atomic_store(&loop->mailbox.stop, true);
	rouse(loop);
	loop_visit_end(loop);
	return 0;
}
