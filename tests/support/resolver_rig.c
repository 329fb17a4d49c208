/* SPDX-License-Identifier: MIT
 *
 * The rig of the resolver's tests. It asserts in the test's thread alone: what a worker finds wrong it keeps
 * until resolver_done.
 */
#include "resolver_rig.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

int resolver_bell = -1;
atomic_uint resolver_rung;
atomic_uint resolver_hanging;
atomic_uint resolver_hanging_most;
atomic_uint resolver_finished;
int resolver_gate[2] = {-1, -1};
static atomic_bool signals_open;
static int threads_before; /* the test framework may have some */

static void ring(void *user)
{
	const uint64_t one = 1;

	(void)user;
	atomic_fetch_add(&resolver_rung, 1);
	(void)!write(resolver_bell, &one, sizeof one); /* fails only when it is full, and then it rings */
}

struct resolver_answer *resolver_answer_wait(struct resolver *resolver)
{
	struct pollfd pollfd = {.fd = resolver_bell, .events = POLLIN};
	struct resolver_answer *answer;
	uint64_t count;

	while (!(answer = resolver_take(resolver))) {
		if (poll(&pollfd, 1, RESOLVER_PATIENCE_MS) != 1)
			return NULL;
		(void)!read(resolver_bell, &count, sizeof count);
	}
	return answer;
}

int resolver_result_wait(struct resolver *resolver, uint64_t id)
{
	struct resolver_answer *answer = resolver_answer_wait(resolver);
	int result = answer && answer->id == id ? answer->result : INT_MIN;

	resolver_answer_free(answer);
	return result;
}

/* -1: there is no /proc. */
static int threads_count(void)
{
	DIR *tasks = opendir("/proc/self/task");
	int count = -2; /* "." and ".." */

	if (!tasks)
		return -1;
	while (readdir(tasks))
		count++;
	closedir(tasks);
	return count;
}

unsigned resolver_threads(void)
{
	return (unsigned)(threads_count() - threads_before);
}

static struct addrinfo *numeric(const char *host, const char *port)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
	struct addrinfo *info = NULL;

	cr_assert_eq(getaddrinfo(host, port, &hints, &info), 0);
	return info;
}

static int lookup_many(const char *port, unsigned count, struct addrinfo **ret)
{
	struct addrinfo **last = ret;

	for (unsigned i = 0; i < count; i++) {
		char host[32];

		snprintf(host, sizeof host, i % 2 ? "10.9.%u.%u" : "fd00::%u:%u", i / 100, i % 100);
		*last = numeric(host, port);
		last = &(*last)->ai_next;
	}
	return 0;
}

static void lookup_hang(void)
{
	unsigned now = atomic_fetch_add(&resolver_hanging, 1) + 1;
	unsigned most = atomic_load(&resolver_hanging_most);
	char byte;

	while (now > most && !atomic_compare_exchange_weak(&resolver_hanging_most, &most, now))
		;
	cr_assert_eq(read(resolver_gate[0], &byte, 1), 0);
	atomic_fetch_sub(&resolver_hanging, 1);
}

/* The host says what happens: "hang", "many", "none", "foreign", "error N" (errno of EAI_SYSTEM: "system N").
 */
static int lookup_fake(
    const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **ret)
{
	sigset_t blocked;

	if (pthread_sigmask(SIG_SETMASK, NULL, &blocked) || !sigismember(&blocked, SIGTERM) ||
	    !sigismember(&blocked, SIGCHLD) || !sigismember(&blocked, SIGALRM))
		atomic_store(&signals_open, true);
	if (hints->ai_family != AF_UNSPEC || hints->ai_socktype != SOCK_STREAM ||
	    hints->ai_flags != AI_NUMERICSERV)
		return EAI_BADFLAGS;
	if (strncmp(host, "error ", 6) == 0)
		return (int)strtol(host + 6, NULL, 10);
	if (strncmp(host, "system ", 7) == 0) {
		errno = (int)strtol(host + 7, NULL, 10);
		return EAI_SYSTEM;
	}
	if (strcmp(host, "none") == 0)
		return 0;
	if (strcmp(host, "many") == 0)
		return lookup_many(port, 100, ret);
	if (strcmp(host, "hang") == 0)
		lookup_hang();
	*ret = numeric("10.0.0.1", port);
	if (strcmp(host, "foreign") == 0)
		(*ret)->ai_family = AF_APPLETALK;
	atomic_fetch_add(&resolver_finished, 1);
	return 0;
}

struct resolver *resolver_made(uint32_t threads_max)
{
	struct resolver *resolver = NULL;

	threads_before = threads_count();
	resolver_bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	cr_assert_eq(resolver_create(threads_max, ring, NULL, &resolver), 0);
	return resolver;
}

int resolver_make_fake(uint32_t threads_max, struct resolver **ret_resolver)
{
	threads_before = threads_count();
	resolver_bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (resolver_bell < 0 || pipe2(resolver_gate, O_CLOEXEC) < 0)
		return -errno;
	resolver_lookup = lookup_fake;
	return resolver_create(threads_max, ring, NULL, ret_resolver);
}

struct resolver *resolver_made_fake(uint32_t threads_max)
{
	struct resolver *resolver = NULL;

	cr_assert_eq(resolver_make_fake(threads_max, &resolver), 0);
	return resolver;
}

void resolver_gate_open(void)
{
	close(resolver_gate[1]);
	resolver_gate[1] = -1;
}

void resolver_done(struct resolver *resolver)
{
	if (resolver_gate[1] >= 0)
		resolver_gate_open();
	resolver_destroy(resolver);
	wait_until(resolver_threads() == 0);
	close(resolver_bell);
	close(resolver_gate[0]);
	cr_assert_not(signals_open, "a worker takes signals");
}
