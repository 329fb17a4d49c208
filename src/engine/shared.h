/* SPDX-License-Identifier: MIT
 *
 * What both kernel engines do the same way: directories watched by one inotify instance, and names looked up
 * by the resolver's threads. The engine waits for two descriptors (inotify, and its own wake eventfd, which
 * the resolver writes) in its own manner and calls the two _deliver functions when they are readable.
 */
#ifndef HAWSER_ENGINE_SHARED_H
#define HAWSER_ENGINE_SHARED_H

#include "core/list.h"
#include "engine/engine.h"
#include "net/resolver.h"

/* Part of an engine's operation of kind watch. */
struct directory_watch {
	struct list link;
	uint64_t id;
	int descriptor; /* inotify's wd; several watches of one directory share it */
	struct handler handler;
};

struct directories {
	int fd; /* inotify, opened by the first watch; -1 */
	struct list watches;
};

void directories_init(struct directories *directories);
void directories_destroy(struct directories *directories);
/* 0, or a negative errno (ENOENT, EACCES, ENOTDIR, ENOSPC, EMFILE, ...) that the engine then delivers as
 * completion. */
int directories_add(struct directories *directories, struct directory_watch *watch, const char *directory);
/* The last watch of a directory removes it from inotify. */
void directories_remove(struct directories *directories, struct directory_watch *watch);
/* Reads what is there (bounded) and calls each watch's handler with its completion (more true; name NULL
 * after an overflow). A directory that went away is a final completion with -ENOENT: `ended` is called first,
 * so that the engine can give the operation's slot back. Handlers may add and remove watches. Returns the
 * number of completions: what one read brings is delivered in one turn, whatever completions_max says. */
unsigned directories_deliver(
    struct directories *directories, void (*ended)(void *user, uint64_t id), void *user);

/* Lookups: the resolver is created by the first one. */
struct lookups {
	struct resolver *resolver;
	uint32_t threads_max;
	void (*notify)(void *user); /* any thread: the engine's wake */
	void *notify_user;
};

/* 0 or a negative errno that the engine delivers as completion. */
int lookups_ask(struct lookups *lookups, uint64_t id, const char *host, uint16_t port);
void lookups_destroy(struct lookups *lookups);

#endif
