/* SPDX-License-Identifier: MIT
 *
 * Directories and lookups, as both kernel engines serve them. It waits for nothing and owns no operation: the
 * engine polls the inotify descriptor, and takes the resolver's answers when its wake descriptor rang.
 *
 * Happy path: a watch is added, a file appears in its directory, directories_deliver reads the event and
 * tells the watch its name. Failures: a directory that cannot be watched is the errno of directories_add; one
 * that is deleted, unmounted or renamed ends its watches with -ENOENT; a queue that overflowed is told to
 * every watch as an event without a name. A resolver that cannot be made or asked is the errno of
 * lookups_ask.
 */
#include "engine/shared.h"

#include <errno.h>
#include <sys/inotify.h>
#include <unistd.h>

/* IN_MOVE_SELF: a directory that was renamed goes on telling its events, but it is no longer where the path
 * of the target leads. */
#define DIRECTORY_EVENTS (IN_CREATE | IN_MOVED_TO | IN_MOVE_SELF | IN_ONLYDIR)

/* Room of one read: bounds a turn (at most 128 events of the shortest kind), and holds the longest name. */
enum { DIRECTORY_READ_SIZE = 4096 };

void directories_init(struct directories *directories)
{
	directories->fd = -1;
	list_init(&directories->watches);
}

void directories_destroy(struct directories *directories)
{
	if (directories->fd >= 0)
		close(directories->fd);
	directories_init(directories);
}

int directories_add(struct directories *directories, struct directory_watch *watch, const char *directory)
{
	int descriptor;

	if (directories->fd < 0) {
		int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

		if (fd < 0)
			return -errno;
		directories->fd = fd;
	}
	descriptor = inotify_add_watch(directories->fd, directory, DIRECTORY_EVENTS);
	if (descriptor < 0)
		return -errno;
	watch->descriptor = descriptor;
	list_append(&directories->watches, &watch->link);
	return 0;
}

static bool directory_is_watched(const struct directories *directories, int descriptor)
{
	const struct list *link;

	for (link = directories->watches.next; link != &directories->watches; link = link->next)
		if (container_of(link, const struct directory_watch, link)->descriptor == descriptor)
			return true;
	return false;
}

void directories_remove(struct directories *directories, struct directory_watch *watch)
{
	list_remove(&watch->link);
	/* inotify answers with IN_IGNORED for a descriptor that nobody has any more, and does not use the
	 * number again, so that it cannot end a later watch. */
	if (!directory_is_watched(directories, watch->descriptor))
		inotify_rm_watch(directories->fd, watch->descriptor);
}

static void watch_tell(struct directory_watch *watch, const char *name)
{
	struct completion completion = {.id = watch->id, .more = true, .name = name};

	watch->handler.done(watch->handler.owner, &completion);
}

static void watch_end(
    struct directory_watch *watch, int result, void (*ended)(void *user, uint64_t id), void *user)
{
	struct completion completion = {.id = watch->id, .result = result};
	struct handler handler = watch->handler;

	list_remove(&watch->link);
	ended(user, completion.id); /* the watch is the engine's memory: not touched from here on */
	handler.done(handler.owner, &completion);
}

/* What each watch of a directory (-1: of all) is told: a name or, with an errno, its end. A marker closes the
 * list meanwhile: what handlers add comes behind it and is not told what happened before, what they remove is
 * gone. */
static unsigned directories_tell(struct directories *directories, int descriptor, const char *name,
    int result, void (*ended)(void *user, uint64_t id), void *user)
{
	struct directory_watch marker = {.descriptor = -1};
	unsigned count = 0;

	list_append(&directories->watches, &marker.link);
	while (directories->watches.next != &marker.link) {
		struct directory_watch *watch =
		    container_of(directories->watches.next, struct directory_watch, link);

		list_remove(&watch->link);
		list_append(&directories->watches, &watch->link);
		if (descriptor >= 0 && watch->descriptor != descriptor)
			continue;
		if (result < 0)
			watch_end(watch, result, ended, user);
		else
			watch_tell(watch, name);
		count++;
	}
	list_remove(&marker.link);
	return count;
}

static unsigned directories_event(struct directories *directories, const struct inotify_event *event,
    void (*ended)(void *user, uint64_t id), void *user)
{
	if (event->mask & IN_Q_OVERFLOW)
		return directories_tell(directories, -1, NULL, 0, ended, user);
	if (event->mask & (IN_IGNORED | IN_MOVE_SELF)) {
		if (event->mask & IN_MOVE_SELF)
			inotify_rm_watch(directories->fd, event->wd);
		return directories_tell(directories, event->wd, NULL, -ENOENT, ended, user);
	}
	return event->len ? directories_tell(directories, event->wd, event->name, 0, ended, user) : 0;
}

unsigned directories_deliver(
    struct directories *directories, void (*ended)(void *user, uint64_t id), void *user)
{
	char buffer[DIRECTORY_READ_SIZE] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t size = read(directories->fd, buffer, sizeof buffer);
	ssize_t at = 0;
	unsigned count = 0;

	/* An error is EAGAIN or EINTR: what is there stays readable, and the engine comes again. */
	while (at < size) {
		const struct inotify_event *event = (const struct inotify_event *)(const void *)(buffer + at);

		count += directories_event(directories, event, ended, user);
		at += (ssize_t)(sizeof *event + event->len);
	}
	return count;
}

int lookups_ask(struct lookups *lookups, uint64_t id, const char *host, uint16_t port)
{
	if (!lookups->resolver) {
		int result = resolver_create(
		    lookups->threads_max, lookups->notify, lookups->notify_user, &lookups->resolver);

		if (result < 0)
			return result;
	}
	return resolver_ask(lookups->resolver, id, host, port);
}

void lookups_destroy(struct lookups *lookups)
{
	if (lookups->resolver)
		resolver_destroy(lookups->resolver);
	lookups->resolver = NULL;
}
