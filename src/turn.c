/* SPDX-License-Identifier: MIT
 *
 * What one turn of a loop does, and how a loop ends.
 *
 * A turn: tasks, then the engine's completions (each followed by the tasks it caused), then the timers that
 * are due, then the posts that were there when their turn came. What they queue is done before the next of
 * them.
 *
 * The end: every client is stopped, the loop turns until the kernel has given everything back and everybody
 * was told, the mailbox is closed, posts are run, and the engine goes. The engine failing is the only
 * failure: it ends run with its errno.
 */
#include "client.h"
#include "loop.h"

#include <errno.h>

enum { TASK_GENERATIONS_MAX = 16 };

void loop_queue(hawser_loop *loop, struct task *task)
{
	if (list_empty(&task->link))
		list_append(&loop->tasks, &task->link);
}

/* The tasks that are there now. Their end is a mark and no count, because tasks drop other tasks; a run
 * inside of one of them may come to the mark first, and then has run the others, too. */
static void run_generation(hawser_loop *loop)
{
	struct list *link;

	loop_queue(loop, &loop->generation_end);
	while (task_queued(&loop->generation_end) && (link = list_take(&loop->tasks))) {
		struct task *task = container_of(link, struct task, link);

		task->run(task);
	}
}

/* All that is queued, however much, and what that causes in its turn, so that what follows (the next bytes,
 * timer, post) is told after it. Only a chain without end is cut, wherever it began: a callback that causes
 * its own next would keep everything else from its turn. What is cut off keeps its place, goes on with the
 * next run, and the loop does not sleep before. */
void loop_run_tasks(hawser_loop *loop)
{
	for (int i = 0; i < TASK_GENERATIONS_MAX && !list_empty(&loop->tasks); i++)
		run_generation(loop);
}

static void expire_timers(hawser_loop *loop)
{
	uint64_t before = loop->timers.sequence;
	uint64_t now_ns = loop_now(loop);
	struct timer *timer;

	while ((timer = timers_take(&loop->timers, now_ns, before))) {
		timer->expired(timer);
		loop_run_tasks(loop);
	}
}

static void run_posts(hawser_loop *loop)
{
	struct post *post = mailbox_take_all(&loop->mailbox);

	while (post) {
		struct post *next = post->next;
		void (*function)(void *user) = post->function;
		void *user = post->user;

		if (!post->embedded) {
			atomic_fetch_sub(&loop->mailbox.waiting, 1);
			loop->allocator.release(post, sizeof(*post), loop->allocator.user);
		}
		function(user);
		loop_run_tasks(loop);
		post = next;
	}
}

static int loop_turn(hawser_loop *loop, uint64_t until_ns, bool until_idle)
{
	const struct engine_operations *operations = loop->engine->operations;
	uint64_t next_ns;
	int result;

	loop_run_tasks(loop);
	next_ns = timers_next(&loop->timers);
	if (next_ns > until_ns)
		next_ns = until_ns;
	/* A task may have freed the loop, or ended the last thing that could wake it. */
	if (loop->freeing || !list_empty(&loop->tasks) || (until_idle && loop_idle(loop)) ||
	    !mailbox_sleeps(&loop->mailbox))
		next_ns = 0;
	result = operations->wait(loop->engine, next_ns, loop->turn_completions_max);
	mailbox_awake(&loop->mailbox);
	atomic_store(&loop->mailbox.woken, false);
	loop_run_tasks(loop);
	if (result < 0)
		return result;
	expire_timers(loop);
	run_posts(loop);
	return result;
}

bool loop_idle(const hawser_loop *loop)
{
	return list_empty(&loop->clients) && list_empty(&loop->tasks) && loop->timers.count == 0 &&
	       loop->connections == 0 && !atomic_load(&loop->mailbox.top);
}

static bool all_gone(const hawser_loop *loop)
{
	return list_empty(&loop->clients) && loop->connections == 0;
}

/* Without the limit of loop_run_tasks: nothing new can be asked of a loop that is being freed, so it ends. */
static void run_all_tasks(hawser_loop *loop)
{
	while (!list_empty(&loop->tasks))
		run_generation(loop);
}

void loop_teardown(hawser_loop *loop)
{
	const struct engine_operations *operations = loop->engine->operations;
	struct list *link;
	struct list *next;

	loop->turning = true;
	for (link = loop->clients.next; link != &loop->clients; link = next) {
		next = link->next;
		client_stop(container_of(link, struct hawser_client, link), -ECANCELED, "the loop was freed");
	}
	timers_user_gone(loop);
	run_all_tasks(loop);
	while (!all_gone(loop)) {
		int result = operations->wait(loop->engine, ENGINE_NEVER, loop->turn_completions_max);

		if (result < 0) {
			loop_log(loop, HAWSER_LOG_ERROR, NULL,
			    "the engine failed while the loop was freed (%s): is this the loop's thread? "
			    "Connections are left behind",
			    hawser_errno_name(result));
			break;
		}
		run_all_tasks(loop);
	}
	mailbox_close(&loop->mailbox);
	run_posts(loop);
	run_all_tasks(loop);
	watches_close(loop);
	loop_foreign_close(loop);
	operations->destroy(loop->engine);
	loop->engine = NULL;
	loop->gone = true;
	loop->turning = false;
	loop_hold(loop);
	loop_drop(loop);
}

static int run_enter(hawser_loop *loop)
{
	if (loop_is_forked(loop))
		return -ECHILD;
	if (loop->freeing || loop->gone)
		return -ESTALE;
	return loop->turning ? -EBUSY : 0;
}

/* One turn with its surroundings. Positive: go on. */
static int turn_once(hawser_loop *loop, uint64_t until_ns, bool until_idle)
{
	int result;

	loop->turning = true;
	result = loop_turn(loop, until_ns, until_idle);
	loop->turning = false;
	if (loop->freeing) {
		loop_teardown(loop);
		return 0;
	}
	if (result >= 0 && loop->foreign_fd >= 0) /* the foreign loop may be the one that goes on */
		loop_foreign_rearm(loop, result >= (int)loop->turn_completions_max);
	return result < 0 ? result : 1;
}

int hawser_loop_run(hawser_loop *loop)
{
	int result = run_enter(loop);

	if (result < 0)
		return result;
	/* A stop that came before is spent here in any case: it ends one run, not two. */
	do {
		if (loop_idle(loop)) {
			atomic_store(&loop->mailbox.stop, false);
			return 0;
		}
		result = turn_once(loop, ENGINE_NEVER, true);
		if (result <= 0)
			return result;
	} while (!atomic_exchange(&loop->mailbox.stop, false));
	return 0;
}

int hawser_loop_run_once(hawser_loop *loop, uint32_t timeout_ms)
{
	int result = run_enter(loop);

	if (result < 0)
		return result;
	result = turn_once(loop, timeout_ms == 0 ? 0 : loop_after_ms(loop, timeout_ms), false);
	if (result != 0) /* else the loop is gone */
		atomic_store(&loop->mailbox.stop, false);
	return result < 0 ? result : 0;
}

int hawser_loop_dispatch(hawser_loop *loop)
{
	int result = run_enter(loop);

	if (result < 0)
		return result;
	loop->turning = true;
	result = loop_turn(loop, 0, false);
	loop->turning = false;
	if (loop->freeing) {
		loop_teardown(loop);
		return 0;
	}
	/* Left there, it would keep the loop from ever counting as asleep, and the descriptor readable. */
	atomic_store(&loop->mailbox.stop, false);
	if (loop->foreign_fd >= 0)
		loop_foreign_rearm(loop, result >= (int)loop->turn_completions_max);
	return result < 0 ? result : 0;
}
