/* SPDX-License-Identifier: MIT
 *
 * Directories watched for names, without an engine: who is told what, and what handlers may do meanwhile.
 */
#include "engine/shared.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WATCHES = 4, PATH_SIZE = 128, PATIENCE_MS = 20000 };

TestSuite(directories, .timeout = 60);

static struct directories directories;
static char top[] = "/tmp/hawser-directories-XXXXXX";

static struct watcher {
	struct directory_watch watch;
	unsigned told;
	unsigned lost; /* names */
	unsigned ended;
	int result;
	char name[32]; /* the last one */
	void (*then)(struct watcher *watcher);
} watchers[WATCHES];

static void tell(void *owner, const struct completion *completion)
{
	struct watcher *watcher = owner;

	cr_assert_eq(completion->id, (uint64_t)(watcher - watchers));
	watcher->told++;
	watcher->result = completion->result;
	if (completion->name)
		snprintf(watcher->name, sizeof watcher->name, "%s", completion->name);
	else if (completion->more)
		watcher->lost++;
	cr_assert_eq(watcher->ended, !completion->more, "ended is called before the final completion");
	if (watcher->then)
		watcher->then(watcher);
}

static void ended(void *user, uint64_t id)
{
	cr_assert_eq(user, &directories);
	cr_assert_lt(id, WATCHES);
	watchers[id].ended++;
}

static const char *path_of(const char *name)
{
	static char path[PATH_SIZE];

	snprintf(path, sizeof path, "%s/%s", top, name);
	return path;
}

static void create(const char *name)
{
	int fd = open(path_of(name), O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	cr_assert_geq(fd, 0);
	close(fd);
}

static int add(unsigned number, const char *directory)
{
	struct directory_watch *watch = &watchers[number].watch;

	watch->id = number;
	watch->handler = (struct handler){tell, &watchers[number]};
	return directories_add(&directories, watch, directory);
}

/* Reads until nothing more comes; the completions delivered. */
static unsigned deliver(void)
{
	struct pollfd pollfd = {.fd = directories.fd, .events = POLLIN};
	unsigned count = 0;

	while (poll(&pollfd, 1, 0) == 1)
		count += directories_deliver(&directories, ended, &directories);
	return count;
}

/* As the kernel sees it. */
static unsigned watched(void)
{
	char path[PATH_SIZE];
	char line[PATH_SIZE];
	unsigned count = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", directories.fd);
	file = fopen(path, "re");
	cr_assert_not_null(file);
	while (fgets(line, sizeof line, file))
		count += strncmp(line, "inotify wd:", 11) == 0;
	fclose(file);
	return count;
}

static void begin(void)
{
	cr_assert_not_null(mkdtemp(top));
	directories_init(&directories);
}

static void end(void)
{
	char command[PATH_SIZE];

	directories_destroy(&directories);
	cr_assert_eq(directories.fd, -1);
	snprintf(command, sizeof command, "rm -r %s", top);
	cr_assert_eq(system(command), 0);
}

Test(directories, names_are_told_once_to_each_watch)
{
	begin();
	cr_assert_eq(add(0, top), 0);
	cr_assert_eq(add(1, top), 0);
	cr_assert_eq(mkdir(path_of("sub"), 0700), 0);
	cr_assert_eq(deliver(), 2);
	cr_assert_eq(add(2, path_of("sub")), 0);
	create("x.sock");
	cr_assert_eq(deliver(), 2);
	cr_assert_str_eq(watchers[0].name, "x.sock");
	cr_assert_str_eq(watchers[1].name, "x.sock");
	cr_assert_eq(watchers[2].told, 0);
	create("sub/y.sock");
	cr_assert_eq(deliver(), 1);
	cr_assert_str_eq(watchers[2].name, "y.sock");
	cr_assert_eq(directories_deliver(&directories, ended, &directories), 0); /* nothing there */
	end();
}

Test(directories, the_last_watch_of_one_ends_its_events)
{
	begin();
	cr_assert_eq(add(0, top), 0);
	cr_assert_eq(add(1, top), 0);
	directories_remove(&directories, &watchers[0].watch);
	create("one");
	cr_assert_eq(deliver(), 1);
	cr_assert_eq(watched(), 1);
	directories_remove(&directories, &watchers[1].watch);
	cr_assert_eq(watched(), 0);
	create("two");
	cr_assert_eq(deliver(), 0);
	/* Watched again: what the kernel said about the old watch does not end the new one. */
	cr_assert_eq(add(0, top), 0);
	directories_remove(&directories, &watchers[0].watch);
	cr_assert_eq(add(1, top), 0);
	create("three");
	cr_assert_eq(deliver(), 1);
	cr_assert_str_eq(watchers[1].name, "three");
	cr_assert_eq(watchers[0].told, 0);
	cr_assert_eq(watchers[1].ended, 0);
	end();
}

Test(directories, one_that_was_deleted_ends_its_watches)
{
	begin();
	cr_assert_eq(mkdir(path_of("sub"), 0700), 0);
	cr_assert_eq(add(0, path_of("sub")), 0);
	cr_assert_eq(add(1, path_of("sub")), 0);
	cr_assert_eq(add(2, top), 0);
	cr_assert_eq(rmdir(path_of("sub")), 0);
	cr_assert_eq(deliver(), 2);
	cr_assert(watchers[0].ended == 1 && watchers[0].result == -ENOENT);
	cr_assert(watchers[1].ended == 1 && watchers[1].result == -ENOENT);
	cr_assert_eq(watchers[2].told, 0);
	end();
}

Test(directories, one_that_was_renamed_ends_its_watches)
{
	char before[PATH_SIZE];

	begin();
	snprintf(before, sizeof before, "%s", path_of("sub"));
	cr_assert_eq(mkdir(before, 0700), 0);
	cr_assert_eq(add(0, before), 0);
	cr_assert_eq(rename(before, path_of("elsewhere")), 0);
	cr_assert_eq(deliver(), 1);
	cr_assert(watchers[0].ended == 1 && watchers[0].result == -ENOENT);
	cr_assert_eq(watched(), 0);
	create("elsewhere/x.sock");
	cr_assert_eq(deliver(), 0);
	end();
}

Test(directories, what_cannot_be_watched_says_why)
{
	struct rlimit limit;
	struct rlimit none;

	begin();
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){0, limit.rlim_max};
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	cr_assert_eq(add(0, top), -EMFILE);
	cr_assert_eq(directories.fd, -1);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	create("file");
	cr_assert_eq(add(0, path_of("file")), -ENOTDIR);
	cr_assert_eq(add(0, path_of("nowhere")), -ENOENT);
	cr_assert_eq(add(0, top), 0);
	end();
}

static unsigned long events_max(void)
{
	FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
	unsigned long max = 0;

	if (file) {
		char line[32] = "";

		if (fgets(line, sizeof line, file))
			max = strtoul(line, NULL, 10);
		fclose(file);
	}
	return max;
}

Test(directories, a_queue_that_overflowed_is_told_to_all)
{
	unsigned long max = events_max();
	char paths[2][PATH_SIZE];

	if (!max || max > 100000)
		cr_skip_test("no queue that can be filled: max_queued_events is %lu", max);
	begin();
	cr_assert_eq(mkdir(path_of("sub"), 0700), 0);
	snprintf(paths[0], sizeof paths[0], "%s", path_of("a"));
	snprintf(paths[1], sizeof paths[1], "%s", path_of("b"));
	cr_assert_eq(add(0, top), 0);
	cr_assert_eq(add(1, path_of("sub")), 0);
	/* Each is an event of its own, because the names differ. */
	create("a");
	for (unsigned long i = 0; i < max; i++)
		cr_assert_eq(rename(paths[i % 2], paths[(i + 1) % 2]), 0);
	deliver();
	cr_assert_eq(watchers[0].lost, 1);
	cr_assert_eq(watchers[1].lost, 1);
	cr_assert_eq(watchers[1].told, 1);
	create("x.sock");
	cr_assert_eq(deliver(), 1);
	cr_assert_str_eq(watchers[0].name, "x.sock");
	end();
}

static void remove_next(struct watcher *watcher)
{
	struct watcher *next = &watchers[(watcher - watchers + 1) % WATCHES];

	watcher->then = NULL;
	directories_remove(&directories, &next->watch);
}

static void remove_all(struct watcher *watcher)
{
	watcher->then = NULL;
	for (unsigned i = 0; i < WATCHES; i++)
		directories_remove(&directories, &watchers[i].watch);
}

static void add_last(struct watcher *watcher)
{
	watcher->then = NULL;
	cr_assert_eq(add(WATCHES - 1, top), 0);
}

Test(directories, a_handler_may_remove_another_watch)
{
	begin();
	for (unsigned i = 0; i < WATCHES; i++)
		cr_assert_eq(add(i, top), 0);
	watchers[1].then = remove_next;
	create("one");
	cr_assert_eq(deliver(), WATCHES - 1);
	cr_assert_eq(watchers[2].told, 0);
	watchers[3].then = remove_next; /* who has been told already */
	create("two");
	cr_assert_eq(deliver(), WATCHES - 1);
	cr_assert_eq(watchers[0].told, 2);
	create("three");
	cr_assert_eq(deliver(), 2);
	end();
}

Test(directories, a_handler_may_remove_all)
{
	begin();
	for (unsigned i = 0; i < WATCHES; i++)
		cr_assert_eq(add(i, top), 0);
	watchers[1].then = remove_all;
	create("one");
	create("two");
	cr_assert_eq(deliver(), 2);
	end();
}

Test(directories, a_handler_may_add_a_watch)
{
	begin();
	cr_assert_eq(add(0, top), 0);
	watchers[0].then = add_last;
	create("one");
	cr_assert_eq(deliver(), 1);
	cr_assert_eq(watchers[WATCHES - 1].told, 0);
	create("two");
	cr_assert_eq(deliver(), 2);
	cr_assert_str_eq(watchers[WATCHES - 1].name, "two");
	end();
}
