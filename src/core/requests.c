/* SPDX-License-Identifier: MIT
 *
 * Requests: a hash table whose entries live in their owners. It has twice its buckets as soon as there are
 * more entries than buckets, half when there are fewer than an eighth, and none when it is empty.
 *
 * Happy path: requests_add when a request is sent, requests_find and requests_remove when it is answered.
 *
 * Failures: no memory for the first buckets (-ENOMEM). A table that cannot be resized stays as it is: longer
 * chains, or more memory than needed, but the same answers.
 */
#include "core/requests.h"
#include <assert.h>
#include <errno.h>

enum { BUCKETS_MIN = 8 };

/* Ids are counted up, but those that stay for long may be any subset: every eighth, for one. */
static struct request **request_bucket(struct request **buckets, uint32_t bucket_count, uint64_t id)
{
	int bits = __builtin_ctz(bucket_count);

	return &buckets[(id * UINT64_C(0x9E3779B97F4A7C15)) >> (64 - bits)];
}

static void requests_resize(struct requests *requests, uint32_t bucket_count)
{
	struct request **buckets = memory_allocate(requests->memory, bucket_count * sizeof(struct request *));

	if (!buckets)
		return;
	for (uint32_t i = 0; i < requests->bucket_count; i++) {
		while (requests->buckets[i]) {
			struct request *request = requests->buckets[i];
			struct request **bucket = request_bucket(buckets, bucket_count, request->id);

			requests->buckets[i] = request->next;
			request->next = *bucket;
			*bucket = request;
		}
	}
	memory_release(
	    requests->memory, requests->buckets, requests->bucket_count * sizeof(struct request *));
	requests->buckets = buckets;
	requests->bucket_count = bucket_count;
}

void requests_init(struct requests *requests, struct memory *memory)
{
	*requests = (struct requests){.memory = memory};
}

void requests_destroy(struct requests *requests)
{
	memory_release(
	    requests->memory, requests->buckets, requests->bucket_count * sizeof(struct request *));
	requests_init(requests, requests->memory);
}

int requests_add(struct requests *requests, struct request *request, uint64_t id)
{
	struct request **bucket;

	assert(id && !request->id && !requests_find(requests, id));
	if (!requests->buckets)
		requests_resize(requests, BUCKETS_MIN);
	else if (requests->count >= requests->bucket_count && requests->bucket_count <= UINT32_MAX / 2)
		requests_resize(requests, 2 * requests->bucket_count);
	if (!requests->buckets)
		return -ENOMEM;
	bucket = request_bucket(requests->buckets, requests->bucket_count, id);
	request->id = id;
	request->next = *bucket;
	*bucket = request;
	requests->count++;
	return 0;
}

struct request *requests_find(const struct requests *requests, uint64_t id)
{
	struct request *request;

	if (!requests->buckets || !id)
		return NULL;
	request = *request_bucket(requests->buckets, requests->bucket_count, id);
	while (request && request->id != id)
		request = request->next;
	return request;
}

static void requests_shrink(struct requests *requests)
{
	if (!requests->count)
		requests_destroy(requests);
	else if (requests->bucket_count > BUCKETS_MIN && requests->count < requests->bucket_count / 8)
		requests_resize(requests, requests->bucket_count / 2);
}

void requests_remove(struct requests *requests, struct request *request)
{
	struct request **link;

	if (!request->id || !requests->buckets)
		return;
	link = request_bucket(requests->buckets, requests->bucket_count, request->id);
	while (*link && *link != request)
		link = &(*link)->next;
	if (!*link)
		return;
	*link = request->next;
	request->id = 0;
	request->next = NULL;
	requests->count--;
	requests_shrink(requests);
}
