/* SPDX-License-Identifier: MIT
 *
 * Host names, by getaddrinfo on a few worker threads, so that the loop never blocks and /etc/hosts and
 * nsswitch count.
 *
 * A lookup that hangs holds its worker, never the loop: it can be abandoned (its answer is then dropped), and
 * the resolver can be destroyed meanwhile; worker and resolver share a counted block that the last one frees.
 */
#ifndef HAWSER_NET_RESOLVER_H
#define HAWSER_NET_RESOLVER_H

#include "net/address.h"
#include <stdint.h>

struct resolver;

struct resolver_answer {
	uint64_t id; /* what resolver_ask was given */
	int result;  /* number of addresses, or -ENOENT (no such name), -EAGAIN (temporary failure), -ENOMEM,
			-EIO, or what a system call said (-EMFILE, ...) */
	struct address addresses[ADDRESSES_MAX];
};

enum { RESOLVER_WAITING_MAX = 4096 };

/* notify is called by a worker when an answer is there and the list of answers was empty. */
int resolver_create(
    uint32_t threads_max, void (*notify)(void *user), void *user, struct resolver **ret_resolver);
/* Returns at once, lookups that hang notwithstanding; notify is not called any more when it has returned. */
void resolver_destroy(struct resolver *resolver);

/* 0, -ENOMEM, -ENOBUFS (RESOLVER_WAITING_MAX), -EAGAIN (no thread could be started and none is there). */
int resolver_ask(struct resolver *resolver, uint64_t id, const char *host, uint16_t port);
void resolver_abandon(struct resolver *resolver, uint64_t id);
/* The next answer (free with resolver_answer_free), or NULL. */
struct resolver_answer *resolver_take(struct resolver *resolver);
void resolver_answer_free(struct resolver_answer *answer);

/* getaddrinfo, replaceable by tests (a lookup that hangs, fails, answers many). Process-wide; set before any
 * lookup. */
struct addrinfo;
extern int (*resolver_lookup)(
    const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **ret);

#endif
