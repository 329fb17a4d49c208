/* SPDX-License-Identifier: MIT
 *
 * Names looked up by getaddrinfo in threads of their own. It has no cache (each round asks anew, and the
 * system's own caches count) and no deadline (whoever asked abandons).
 *
 * Happy path: resolver_ask queues a lookup and sees that a worker is there; the worker takes it, looks up,
 * puts the answer down and notifies; resolver_take hands it over. A worker that finds nothing to do for
 * IDLE_S ends. Failures: no memory for a lookup, too many waiting, or no thread is the errno of resolver_ask,
 * and the resolver is as before; a lookup that fails is an answer like another; one that hangs holds its
 * worker (which goes on counting as one of threads_max) until the system gives up, and keeps the block alive
 * if the resolver has gone.
 *
 * Memory comes from malloc and not from the loop's allocator: it is used by several threads, and by a hanging
 * worker after the loop has gone.
 */
#include "net/resolver.h"

#include "core/list.h"
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { IDLE_S = 5, STACK_SIZE = 256 * 1024, HOST_MAX = 255 };

struct lookup {
	struct list link;
	bool abandoned;
	char host[HOST_MAX + 1];
	char port[6];
	/* Made with the question: an answer cannot fail for lack of memory. */
	struct resolver_answer answer;
};

struct resolver {
	pthread_mutex_t mutex;
	pthread_cond_t asked;
	unsigned references; /* workers, and the loop's until resolver_destroy */
	uint32_t threads;
	uint32_t threads_max;
	uint32_t idle;
	uint32_t waiting_count;
	bool destroyed;
	void (*notify)(void *user);
	void *notify_user;
	struct list waiting;
	struct list running;
	struct list answers;
};

int (*resolver_lookup)(
    const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **ret) = getaddrinfo;

static struct lookup *lookup_of(struct list *link)
{
	return container_of(link, struct lookup, link);
}

static int lookup_error(int code, int number)
{
	switch (code) {
	case EAI_NONAME:
	case EAI_NODATA:
		return -ENOENT;
	case EAI_AGAIN:
		return -EAGAIN;
	case EAI_MEMORY:
		return -ENOMEM;
	case EAI_SYSTEM:
		return number > 0 ? -number : -EIO;
	default:
		return -EIO;
	}
}

static void lookup_run(struct lookup *lookup)
{
	/* No AI_ADDRCONFIG: it hides the loopback addresses of a family that has no other ones, as in a
	 * container or on a machine without a network; an address that cannot be reached costs its round no
	 * time. */
	const struct addrinfo hints = {
	    .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct resolver_answer *answer = &lookup->answer;
	struct addrinfo *found = NULL;
	int count = 0;
	int code;

	errno = 0;
	code = resolver_lookup(lookup->host, lookup->port, &hints, &found);
	if (code != 0) {
		answer->result = lookup_error(code, errno);
		return;
	}
	for (const struct addrinfo *at = found; at && count < ADDRESSES_MAX; at = at->ai_next) {
		struct address *address = &answer->addresses[count];

		if (at->ai_family != AF_INET && at->ai_family != AF_INET6)
			continue;
		memset(address, 0, sizeof *address);
		address->size = at->ai_addrlen;
		memcpy(&address->any, at->ai_addr, at->ai_addrlen);
		count++;
	}
	if (found)
		freeaddrinfo(found);
	answer->result = count ? count : -ENOENT;
}

static void lookups_free(struct list *lookups)
{
	struct list *next;

	for (struct list *link = lookups->next; link != lookups; link = next) {
		next = link->next;
		free(lookup_of(link));
	}
	list_init(lookups);
}

/* Called with the mutex held, which it gives up. */
static void resolver_drop(struct resolver *resolver)
{
	bool last = --resolver->references == 0;

	pthread_mutex_unlock(&resolver->mutex);
	if (!last)
		return;
	pthread_cond_destroy(&resolver->asked);
	pthread_mutex_destroy(&resolver->mutex);
	free(resolver);
}

/* The next lookup, or NULL when the worker is to end. */
static struct lookup *worker_wait(struct resolver *resolver)
{
	struct timespec until;
	int result = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += IDLE_S;
	resolver->idle++;
	while (list_empty(&resolver->waiting) && !resolver->destroyed && result != ETIMEDOUT)
		result = pthread_cond_timedwait(&resolver->asked, &resolver->mutex, &until);
	resolver->idle--;
	if (list_empty(&resolver->waiting))
		return NULL;
	resolver->waiting_count--;
	return lookup_of(list_take(&resolver->waiting));
}

static void worker_answer(struct resolver *resolver, struct lookup *lookup)
{
	bool first = list_empty(&resolver->answers);

	list_remove(&lookup->link);
	if (lookup->abandoned || resolver->destroyed) {
		free(lookup);
		return;
	}
	list_append(&resolver->answers, &lookup->link);
	/* With the mutex held, so that none comes after resolver_destroy has returned. */
	if (first)
		resolver->notify(resolver->notify_user);
}

static void *worker_main(void *user)
{
	struct resolver *resolver = user;
	struct lookup *lookup;

	pthread_mutex_lock(&resolver->mutex);
	while ((lookup = worker_wait(resolver))) {
		list_append(&resolver->running, &lookup->link);
		pthread_mutex_unlock(&resolver->mutex);
		lookup_run(lookup);
		pthread_mutex_lock(&resolver->mutex);
		worker_answer(resolver, lookup);
	}
	resolver->threads--;
	resolver_drop(resolver);
	return NULL;
}

/* A worker runs the system's code, not the program's: it takes none of the program's signals. */
static int thread_start(struct resolver *resolver)
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all;
	sigset_t before;
	int error;

	pthread_attr_init(&attributes);
	sigfillset(&all);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, &attributes, worker_main, resolver);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return -error;
}

/* With the mutex held. A worker that was called but has not yet come counts as idle, so what counts is how
 * many wait. 0, or -EAGAIN when nobody would ever come. */
static int worker_call(struct resolver *resolver)
{
	if (resolver->waiting_count > resolver->idle && resolver->threads < resolver->threads_max) {
		resolver->threads++;
		resolver->references++;
		if (thread_start(resolver) < 0) {
			resolver->threads--;
			resolver->references--;
		}
	}
	if (!resolver->threads)
		return -EAGAIN;
	pthread_cond_signal(&resolver->asked);
	return 0;
}

int resolver_create(
    uint32_t threads_max, void (*notify)(void *user), void *user, struct resolver **ret_resolver)
{
	struct resolver *resolver = calloc(1, sizeof *resolver);
	pthread_condattr_t attributes;

	if (!resolver)
		return -ENOMEM;
	resolver->references = 1;
	resolver->threads_max = threads_max ? threads_max : 1;
	resolver->notify = notify;
	resolver->notify_user = user;
	list_init(&resolver->waiting);
	list_init(&resolver->running);
	list_init(&resolver->answers);
	pthread_mutex_init(&resolver->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&resolver->asked, &attributes);
	pthread_condattr_destroy(&attributes);
	*ret_resolver = resolver;
	return 0;
}

void resolver_destroy(struct resolver *resolver)
{
	pthread_mutex_lock(&resolver->mutex);
	resolver->destroyed = true;
	lookups_free(&resolver->waiting);
	lookups_free(&resolver->answers);
	resolver->waiting_count = 0;
	pthread_cond_broadcast(&resolver->asked);
	resolver_drop(resolver);
}

int resolver_ask(struct resolver *resolver, uint64_t id, const char *host, uint16_t port)
{
	struct lookup *lookup;
	int result = 0;

	if (strlen(host) > HOST_MAX)
		return -ENOENT; /* there is no such name */
	lookup = malloc(sizeof *lookup);
	if (!lookup)
		return -ENOMEM;
	lookup->abandoned = false;
	lookup->answer.id = id;
	memcpy(lookup->host, host, strlen(host) + 1);
	snprintf(lookup->port, sizeof lookup->port, "%u", (unsigned)port);
	pthread_mutex_lock(&resolver->mutex);
	if (resolver->waiting_count >= RESOLVER_WAITING_MAX) {
		result = -ENOBUFS;
	} else {
		list_append(&resolver->waiting, &lookup->link);
		resolver->waiting_count++;
		result = worker_call(resolver);
		if (result < 0) {
			list_remove(&lookup->link);
			resolver->waiting_count--;
		}
	}
	pthread_mutex_unlock(&resolver->mutex);
	if (result < 0)
		free(lookup);
	return result;
}

static struct lookup *lookup_find(struct list *lookups, uint64_t id)
{
	for (struct list *link = lookups->next; link != lookups; link = link->next)
		if (lookup_of(link)->answer.id == id)
			return lookup_of(link);
	return NULL;
}

void resolver_abandon(struct resolver *resolver, uint64_t id)
{
	struct lookup *running;
	struct lookup *lookup;

	pthread_mutex_lock(&resolver->mutex);
	running = lookup_find(&resolver->running, id);
	if (running)
		running->abandoned = true;
	lookup = lookup_find(&resolver->waiting, id);
	if (lookup)
		resolver->waiting_count--;
	else
		lookup = lookup_find(&resolver->answers, id);
	if (lookup)
		list_remove(&lookup->link);
	pthread_mutex_unlock(&resolver->mutex);
	free(lookup);
}

struct resolver_answer *resolver_take(struct resolver *resolver)
{
	struct list *link;

	pthread_mutex_lock(&resolver->mutex);
	link = list_take(&resolver->answers);
	pthread_mutex_unlock(&resolver->mutex);
	return link ? &lookup_of(link)->answer : NULL;
}

void resolver_answer_free(struct resolver_answer *answer)
{
	if (answer)
		free(container_of(answer, struct lookup, answer));
}
