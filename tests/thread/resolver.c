/* SPDX-License-Identifier: MIT
 *
 * The resolver under ThreadSanitizer: several loops' worth of threads ask, abandon, take and destroy, while
 * lookups take a moment, fail, or hang until their resolver has gone. Prints "ok".
 */
#include "net/resolver.h"
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { ASKERS = 3, RESOLVERS = 24, LOOKUPS = 150, PATIENCE_MS = 60000 };

static atomic_int lookups; /* running now, of all resolvers */

#define EXPECT(condition)                                                               \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			exit(1);                                                        \
		}                                                                       \
	} while (0)

static void pause_us(long us)
{
	nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

/* "slow" outlives its resolver; the others take up to 300 us. */
static int lookup(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **ret)
{
	struct addrinfo numeric = *hints;
	int code = EAI_NONAME;

	atomic_fetch_add(&lookups, 1);
	numeric.ai_flags |= AI_NUMERICHOST;
	pause_us(strcmp(host, "slow") == 0 ? 20000 : (long)(strtoul(port, NULL, 10) % 300));
	if (strcmp(host, "unknown") != 0)
		code = getaddrinfo("10.0.0.1", port, &numeric, ret);
	atomic_fetch_sub(&lookups, 1);
	return code;
}

/* Outlives its resolver, to see who rings too late. */
struct bell {
	int fd;
	bool gone; /* plain: whoever rings after the destruction, or without an order to it, is a race */
};

static void ring(void *user)
{
	const struct bell *bell = user;
	const uint64_t one = 1;

	pause_us(50); /* so that a destruction may come in between */
	EXPECT(!bell->gone);
	EXPECT(write(bell->fd, &one, sizeof one) == sizeof one);
}

enum fate { ASKED, ABANDONED, ANSWERED };

static unsigned answers_take(struct resolver *resolver, enum fate *fates)
{
	struct resolver_answer *answer;
	unsigned count = 0;

	while ((answer = resolver_take(resolver))) {
		EXPECT(answer->id < LOOKUPS && fates[answer->id] == ASKED);
		EXPECT(answer->result == (answer->id % 7 ? 1 : -ENOENT));
		fates[answer->id] = ANSWERED;
		resolver_answer_free(answer);
		count++;
	}
	return count;
}

/* Asks for all, abandons every fifth, and waits for the rest. */
static void answers_wait(struct resolver *resolver, int bell)
{
	enum fate fates[LOOKUPS];
	struct pollfd pollfd = {.fd = bell, .events = POLLIN};
	unsigned left = 0;
	uint64_t count;

	for (uint64_t id = 0; id < LOOKUPS; id++) {
		fates[id] = ASKED;
		EXPECT(resolver_ask(resolver, id, id % 7 ? "host" : "unknown", (uint16_t)(id + 1)) == 0);
		left++;
		if (id % 5 == 4 && fates[id - 2] == ASKED) {
			resolver_abandon(resolver, id - 2);
			fates[id - 2] = ABANDONED;
			left--;
		}
		if (id % 11 == 0)
			left -= answers_take(resolver, fates);
	}
	while (left) {
		EXPECT(poll(&pollfd, 1, PATIENCE_MS) == 1);
		EXPECT(read(bell, &count, sizeof count) > 0);
		left -= answers_take(resolver, fates);
	}
	EXPECT(!resolver_take(resolver));
}

static void *asker_main(void *user)
{
	struct bell *bells = user;

	for (int i = 0; i < RESOLVERS; i++) {
		struct bell *bell = &bells[i];
		struct resolver *resolver;

		bell->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		EXPECT(bell->fd >= 0 && resolver_create(4, ring, bell, &resolver) == 0);
		answers_wait(resolver, bell->fd);
		/* It goes while lookups wait, hang, and answer. */
		for (uint64_t id = 0; id < 6; id++)
			EXPECT(resolver_ask(resolver, id, id % 2 ? "slow" : "host", 100) == 0);
		pause_us(20L * i);
		resolver_destroy(resolver);
		bell->gone = true;
		close(bell->fd);
	}
	return NULL;
}

int main(void)
{
	static struct bell bells[ASKERS][RESOLVERS];
	pthread_t askers[ASKERS];

	resolver_lookup = lookup;
	for (int i = 0; i < ASKERS; i++)
		EXPECT(pthread_create(&askers[i], NULL, asker_main, bells[i]) == 0);
	for (int i = 0; i < ASKERS; i++)
		EXPECT(pthread_join(askers[i], NULL) == 0);
	for (int ms = 0; atomic_load(&lookups) > 0; ms++) {
		EXPECT(ms < PATIENCE_MS);
		pause_us(1000);
	}
	puts("ok");
	return 0;
}
