/* SPDX-License-Identifier: MIT
 *
 * Names of files that appear, and addresses of names: how the epoll engine runs what engine/shared.h does.
 *
 * Happy path: inotify's descriptor is readable and the watches are told; the resolver rang and its answers
 * become completions. Failures: what shared.h refuses is the operation's completion.
 */
#include "engine/epoll.h"

#include <errno.h>

static int watch_begin(struct epoll_engine *epoll, struct operation *operation, const char *directory)
{
	int result = directories_add(&epoll->directories, &operation->watch, directory);

	if (result < 0 || epoll->directories_polled)
		return result;
	result = epoll_own_register(epoll, epoll->directories.fd, EPOLL_DIRECTORIES);
	if (result < 0)
		directories_remove(&epoll->directories, &operation->watch);
	else
		epoll->directories_polled = true;
	return result;
}

int epoll_watch(struct engine *engine, const char *directory, struct handler handler, uint64_t *ret_id)
{
	struct epoll_engine *epoll = epoll_of(engine);
	struct operation *operation = epoll_start(epoll, OPERATION_WATCH, -1, handler);
	int result;

	if (!operation)
		return -ENOMEM;
	operation->watch.id = operation->id;
	operation->watch.handler = handler;
	*ret_id = operation->id;
	result = watch_begin(epoll, operation, directory);
	if (result < 0)
		epoll_decide(epoll, operation, result);
	epoll_show(epoll);
	return 0;
}

static void watch_ended(void *user, uint64_t id)
{
	struct epoll_engine *epoll = user;

	slots_give(&epoll->operations, slots_get(&epoll->operations, id));
}

unsigned epoll_watches_deliver(struct epoll_engine *epoll)
{
	epoll->directories_readable = false;
	return directories_deliver(&epoll->directories, watch_ended, epoll);
}

int epoll_resolve(
    struct engine *engine, const char *host, uint16_t port, struct handler handler, uint64_t *ret_id)
{
	struct epoll_engine *epoll = epoll_of(engine);
	struct operation *operation = epoll_start(epoll, OPERATION_RESOLVE, -1, handler);
	int result;

	if (!operation)
		return -ENOMEM;
	*ret_id = operation->id;
	result = lookups_ask(&epoll->lookups, operation->id, host, port);
	if (result < 0)
		epoll_decide(epoll, operation, result);
	epoll_show(epoll);
	return 0;
}

void epoll_answers_collect(struct epoll_engine *epoll)
{
	struct resolver_answer *answer;

	while (epoll->lookups.resolver && (answer = resolver_take(epoll->lookups.resolver))) {
		/* It is there: a lookup that is cancelled is abandoned, and has no answer. */
		struct operation *operation = slots_get(&epoll->operations, answer->id);

		operation->answer = answer;
		epoll_decide(epoll, operation, answer->result);
	}
}
