/* SPDX-License-Identifier: MIT
 *
 * Engine contract: directories that are watched, and names that are looked up.
 */
#include "../support/engine_rig.h"
#include "net/resolver.h"
#include <dirent.h>
#include <errno.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool has_name(const struct rig_operation *operation, const char *name)
{
	for (unsigned i = 0; i < operation->names_count; i++)
		if (strcmp(operation->names[i], name) == 0)
			return true;
	return false;
}

static void end_by_cancel(struct rig *rig, struct rig_operation *operation)
{
	rig_cancel(rig, operation);
	cr_assert_not(operation->ended);
	rig_until(rig, operation->ended);
	cr_assert_eq(operation->result, -ECANCELED);
}

ENGINE_TEST(watch, a5_tells_what_is_created_and_moved_there)
{
	struct rig_operation watch = {0};
	char directory[RIG_DIRECTORY_SIZE];
	char elsewhere[RIG_DIRECTORY_SIZE];
	char from[128];
	char to[128];

	rig_directory_make(directory);
	rig_directory_make(elsewhere);
	rig_file_make(elsewhere, "moved");
	rig_watch(rig, &watch, directory);
	rig_file_make(directory, "created");
	snprintf(from, sizeof(from), "%s/moved", elsewhere);
	snprintf(to, sizeof(to), "%s/moved", directory);
	cr_assert_eq(rename(from, to), 0);
	rig_until(rig, has_name(&watch, "created") && has_name(&watch, "moved"));
	cr_assert_not(watch.ended);
	/* It goes on. */
	rig_file_make(directory, "later");
	rig_until(rig, has_name(&watch, "later"));
	end_by_cancel(rig, &watch);
	cr_assert_eq(watch.names_count, 3);
	rig_directory_remove(directory);
	rig_directory_remove(elsewhere);
}

ENGINE_TEST(watch, two_of_one_directory_are_both_told)
{
	struct rig_operation first = {0};
	struct rig_operation second = {0};
	char directory[RIG_DIRECTORY_SIZE];

	rig_directory_make(directory);
	rig_watch(rig, &first, directory);
	rig_watch(rig, &second, directory);
	rig_file_make(directory, "one");
	rig_until(rig, has_name(&first, "one") && has_name(&second, "one"));
	end_by_cancel(rig, &first);
	rig_file_make(directory, "two");
	rig_until(rig, has_name(&second, "two"));
	cr_assert_not(has_name(&first, "two"));
	end_by_cancel(rig, &second);
	rig_directory_remove(directory);
}

ENGINE_TEST(watch, many_names_are_all_told)
{
	struct rig_operation watch = {0};
	char directory[RIG_DIRECTORY_SIZE];
	char name[24];

	rig_directory_make(directory);
	rig_watch(rig, &watch, directory);
	for (int i = 0; i < RIG_NAMES_MAX; i++) {
		snprintf(name, sizeof(name), "name-%d", i);
		rig_file_make(directory, name);
	}
	rig_until(rig, watch.names_count == RIG_NAMES_MAX);
	for (int i = 0; i < RIG_NAMES_MAX; i++) {
		snprintf(name, sizeof(name), "name-%d", i);
		cr_assert_str_eq(watch.names[i], name);
	}
	end_by_cancel(rig, &watch);
	rig_directory_remove(directory);
}

ENGINE_TEST(watch, of_a_directory_that_goes_ends)
{
	struct rig_operation first = {0};
	struct rig_operation second = {0};
	char directory[RIG_DIRECTORY_SIZE];

	rig_directory_make(directory);
	rig_watch(rig, &first, directory);
	rig_watch(rig, &second, directory);
	rig_directory_remove(directory);
	rig_until(rig, first.ended && second.ended);
	cr_assert_eq(first.result, -ENOENT);
	cr_assert_eq(second.result, -ENOENT);
	rig_cancel(rig, &first);
	rig_turn(rig, 0);
}

ENGINE_TEST(watch, of_what_is_no_directory_ends_at_once)
{
	struct rig_operation missing = {0};
	struct rig_operation file = {0};

	rig_watch(rig, &missing, "/tmp/hawser-there-is-no-such-directory");
	rig_watch(rig, &file, "/dev/null");
	cr_assert_eq(missing.completions + file.completions, 0);
	rig_until(rig, missing.ended && file.ended);
	cr_assert_eq(missing.result, -ENOENT);
	cr_assert_eq(file.result, -ENOTDIR);
}

static void cancel_other(struct rig_operation *operation, const struct completion *completion)
{
	if (completion->more)
		rig_cancel(operation->rig, operation->user);
}

/* Each cancels the other: whoever is told first wins, and the other is told no more names. */
ENGINE_TEST(watch, handlers_may_end_watches)
{
	struct rig_operation first = {.then = cancel_other};
	struct rig_operation second = {.then = cancel_other};
	char directory[RIG_DIRECTORY_SIZE];

	rig_directory_make(directory);
	first.user = &second;
	second.user = &first;
	rig_watch(rig, &first, directory);
	rig_watch(rig, &second, directory);
	rig_file_make(directory, "one");
	rig_until(rig, first.ended || second.ended);
	rig_turn(rig, 0);
	cr_assert_eq(rig->ended, 1);
	cr_assert_eq(first.names_count + second.names_count, 1);
	end_by_cancel(rig, first.ended ? &second : &first);
	rig_directory_remove(directory);
}

static void cancel_itself(struct rig_operation *operation, const struct completion *completion)
{
	if (completion->more)
		rig_cancel(operation->rig, operation);
}

ENGINE_TEST(watch, a_handler_may_end_its_own)
{
	struct rig_operation watch = {.then = cancel_itself};
	char directory[RIG_DIRECTORY_SIZE];

	rig_directory_make(directory);
	rig_watch(rig, &watch, directory);
	rig_file_make(directory, "one");
	rig_file_make(directory, "two");
	rig_until(rig, watch.ended);
	cr_assert_eq(watch.result, -ECANCELED);
	cr_assert_eq(watch.names_count, 1);
	rig_directory_remove(directory);
}

ENGINE_TEST(watch, without_memory_starts_nothing)
{
	struct handler handler = {0};
	uint64_t id;

	rig->memory.fail_at = rig->memory.allocations + 1;
	cr_assert_eq(rig->is->watch(rig->engine, "/tmp", handler, &id), -ENOMEM);
	rig->memory.fail_at = rig->memory.allocations + 1;
	cr_assert_eq(rig->is->resolve(rig->engine, "localhost", 1, handler, &id), -ENOMEM);
	rig_turn(rig, 0);
}

ENGINE_TEST(watch, destroy_leaves_it_without_a_completion)
{
	struct rig_operation watch = {0};
	char directory[RIG_DIRECTORY_SIZE];

	rig_directory_make(directory);
	rig_watch(rig, &watch, directory);
	rig_turn(rig, 0);
	rig_destroy(rig, 1);
	cr_assert_eq(watch.completions, 0);
	rig_directory_remove(directory);
}

ENGINE_TEST(resolve, localhost_is_found)
{
	struct rig_operation resolve = {0};
	struct addrinfo *found = NULL;

	if (getaddrinfo("localhost", NULL, NULL, &found) != 0)
		cr_skip_test("localhost has no address here");
	freeaddrinfo(found);
	rig_resolve(rig, &resolve, "localhost");
	cr_assert_not(resolve.ended);
	rig_until(rig, resolve.ended);
	cr_assert_gt(resolve.result, 0, "%s", strerror(-resolve.result));
	cr_assert(
	    resolve.addresses[0].any.sa_family == AF_INET || resolve.addresses[0].any.sa_family == AF_INET6);
	/* The port stands at the same place in both. */
	cr_assert_eq(ntohs(resolve.addresses[0].in.sin_port), 4711);
}

/* Has an address on every machine, also where /etc/hosts has no localhost. */
static const char anywhere[] = "127.0.0.1";

static sem_t asked;
static sem_t answer;
static int slow_error; /* 0: look up in earnest */

static int lookup_nobody(
    const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **ret)
{
	(void)host;
	(void)port;
	(void)hints;
	(void)ret;
	return EAI_NONAME;
}

static int lookup_slowly(
    const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **ret)
{
	sem_post(&asked);
	while (sem_wait(&answer) < 0)
		continue;
	return slow_error ? slow_error : getaddrinfo(host, port, hints, ret);
}

static void look_up_slowly(void)
{
	sem_init(&asked, 0, 0);
	sem_init(&answer, 0, 0);
	resolver_lookup = lookup_slowly;
}

static unsigned threads(void)
{
	DIR *directory = opendir("/proc/self/task");
	unsigned count = 0;

	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

/* The worker goes by itself; until it has, its memory is in use. */
static void wait_for_threads(unsigned count)
{
	for (int i = 0; threads() > count; i++) {
		cr_assert_lt(i, 10000, "a worker stays");
		usleep(1000);
	}
}

ENGINE_TEST(resolve, an_unknown_name_is_not_found)
{
	struct rig_operation resolve = {0};

	resolver_lookup = lookup_nobody;
	rig_resolve(rig, &resolve, "nobody.invalid");
	rig_until(rig, resolve.ended);
	cr_assert_eq(resolve.result, -ENOENT);
}

ENGINE_TEST(resolve, d19_a_cancelled_lookup_ends_at_once_and_its_answer_is_dropped)
{
	struct rig_operation cancelled = {0};
	struct rig_operation other = {0};

	look_up_slowly();
	rig_resolve(rig, &cancelled, anywhere);
	sem_wait(&asked);
	end_by_cancel(rig, &cancelled);
	rig_resolve(rig, &other, anywhere);
	sem_wait(&asked);
	sem_post(&answer);
	sem_post(&answer);
	rig_until(rig, other.ended);
	cr_assert_gt(other.result, 0);
	cr_assert_eq(cancelled.completions, 1);
}

ENGINE_TEST(resolve, an_answer_that_waits_can_be_cancelled)
{
	struct rig_operation resolve = {0};

	look_up_slowly();
	sem_post(&answer);
	rig_resolve(rig, &resolve, "localhost");
	sem_wait(&asked);
	usleep(20000); /* the answer is there in most runs, and on its way in the others: both must do */
	end_by_cancel(rig, &resolve);
	rig_turn(rig, 0);
}

ENGINE_TEST(resolve, destroy_does_not_wait_for_a_lookup_that_hangs)
{
	struct rig_operation resolve = {0};
	unsigned before = threads();

	look_up_slowly();
	rig_resolve(rig, &resolve, "localhost");
	sem_wait(&asked);
	rig_turn(rig, 0);
	rig_destroy(rig, 1);
	cr_assert_eq(resolve.completions, 0);
	sem_post(&answer);
	wait_for_threads(before);
}

ENGINE_TEST(resolve, many_at_once_are_all_answered)
{
	static struct rig_operation lookups[40];

	for (unsigned i = 0; i < 40; i++)
		rig_resolve(rig, &lookups[i], anywhere);
	rig->completions_max = 3;
	rig_until(rig, rig->ended == 40);
	for (unsigned i = 0; i < 40; i++)
		cr_assert_gt(lookups[i].result, 0);
}

/* More than the resolver lets wait is refused by a completion, not by the call. */
ENGINE_TEST(resolve, too_many_at_once_are_refused_from_wait)
{
	static struct rig_operation lookups[RESOLVER_WAITING_MAX + 8];
	unsigned count = sizeof(lookups) / sizeof(lookups[0]);
	unsigned refused = 0;

	slow_error = EAI_AGAIN;
	look_up_slowly();
	for (unsigned i = 0; i < count; i++)
		rig_resolve(rig, &lookups[i], "localhost");
	rig_turn(rig, 0);
	for (unsigned i = 0; i < count; i++)
		refused += lookups[i].ended && lookups[i].result == -ENOBUFS;
	cr_assert_gt(refused, 0);
	resolver_lookup = lookup_nobody;
	for (unsigned i = 0; i < count; i++)
		rig_cancel(rig, &lookups[i]);
	rig_until(rig, rig->ended == count);
	sem_post(&answer);
	sem_post(&answer);
}
