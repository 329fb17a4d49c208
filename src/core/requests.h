/* SPDX-License-Identifier: MIT
 *
 * What is awaited under which request id: a chained hash that grows and shrinks with use and costs an idle
 * connection nothing.
 */
#ifndef HAWSER_CORE_REQUESTS_H
#define HAWSER_CORE_REQUESTS_H

#include "core/memory.h"
#include <stdint.h>

/* Lives in its owner (a binding or a call). id 0 is "not in the table". */
struct request {
	uint64_t id;
	struct request *next;
	uint8_t kind; /* the owner's: what it is part of */
};

struct requests {
	struct memory *memory;
	struct request **buckets;
	uint32_t bucket_count;
	uint32_t count;
};

void requests_init(struct requests *requests, struct memory *memory);
void requests_destroy(struct requests *requests);

/* -ENOMEM: the first bucket array could not be made (a failure to grow is none). The id is not in the table.
 */
int requests_add(struct requests *requests, struct request *request, uint64_t id);
struct request *requests_find(const struct requests *requests, uint64_t id);
/* Harmless when it is not in the table. Frees the bucket array with the last one. */
void requests_remove(struct requests *requests, struct request *request);

#endif
