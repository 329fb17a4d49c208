/* SPDX-License-Identifier: MIT
 *
 * The table of methods of one binding, in one piece of memory that is as large as the reply makes it: at
 * most twice a frame.
 *
 * Happy path: perfetto_service_new copies the names and sorts, perfetto_service_method searches by halves.
 *
 * Failures: no memory (NULL). A reply without methods makes an empty table.
 */
#include "protocol/perfetto_service.h"
#include "protocol/perfetto_wire.h"
#include <string.h>

struct method {
	uint32_t id;
	uint32_t name_at; /* in the names */
	uint32_t name_size;
};

/* The methods in the order of their names, then the names. */
struct perfetto_service {
	size_t size;
	uint32_t id;
	uint32_t methods_count;
	struct method methods[];
};

static char *service_names(const struct perfetto_service *service)
{
	return (char *)(uintptr_t)&service->methods[service->methods_count];
}

static struct hawser_bytes method_name(const struct perfetto_service *service, const struct method *method)
{
	return (struct hawser_bytes){
	    .data = service_names(service) + method->name_at, .size = method->name_size};
}

static int bytes_compare(const struct hawser_bytes *left, const struct hawser_bytes *right)
{
	size_t shared = left->size < right->size ? left->size : right->size;
	int result = memcmp(left->data, right->data, shared);

	return result ? result : (left->size > right->size) - (left->size < right->size);
}

/* By name, then as the host listed them. */
static bool method_before(
    const struct perfetto_service *service, const struct method *left, const struct method *right)
{
	struct hawser_bytes left_name = method_name(service, left);
	struct hawser_bytes right_name = method_name(service, right);
	int result = bytes_compare(&left_name, &right_name);

	return result ? result < 0 : left->name_at < right->name_at;
}

static void method_sink(struct perfetto_service *service, uint32_t index, uint32_t count)
{
	struct method *methods = service->methods;

	for (;;) {
		uint32_t child = 2 * index + 1;
		struct method method = methods[index];

		if (child >= count)
			return;
		if (child + 1 < count && method_before(service, &methods[child], &methods[child + 1]))
			child++;
		if (!method_before(service, &method, &methods[child]))
			return;
		methods[index] = methods[child];
		methods[child] = method;
		index = child;
	}
}

/* Heapsort: a frame has room for 18,000 methods, and no order of them may take the loop's time. */
static void methods_sort(struct perfetto_service *service)
{
	for (uint32_t i = service->methods_count / 2; i-- > 0;)
		method_sink(service, i, service->methods_count);
	for (uint32_t last = service->methods_count; last-- > 1;) {
		struct method method = service->methods[0];

		service->methods[0] = service->methods[last];
		service->methods[last] = method;
		method_sink(service, 0, last);
	}
}

struct perfetto_service *perfetto_service_new(
    hawser_connection *connection, uint32_t id, const struct hawser_bytes *payload)
{
	struct perfetto_methods methods;
	struct perfetto_service *service;
	struct hawser_bytes name;
	size_t size = sizeof(*service);
	uint32_t count = 0;
	uint32_t names_size = 0;
	uint32_t method_id;

	perfetto_methods_begin(&methods, payload->data, payload->size);
	for (; perfetto_methods_next(&methods, &method_id, &name); count++)
		size += sizeof(struct method) + name.size;
	service = hawser_connection_allocate(connection, size);
	if (!service)
		return NULL;
	*service = (struct perfetto_service){.size = size, .id = id, .methods_count = count};
	perfetto_methods_begin(&methods, payload->data, payload->size);
	for (uint32_t i = 0; perfetto_methods_next(&methods, &method_id, &name); i++) {
		service->methods[i] = (struct method){method_id, names_size, (uint32_t)name.size};
		memcpy(service_names(service) + names_size, name.data, name.size);
		names_size += (uint32_t)name.size;
	}
	methods_sort(service);
	return service;
}

void perfetto_service_free(hawser_connection *connection, struct perfetto_service *service)
{
	hawser_connection_release(connection, service, service->size);
}

uint32_t perfetto_service_id(const struct perfetto_service *service)
{
	return service->id;
}

uint32_t perfetto_service_method(const struct perfetto_service *service, const char *name)
{
	struct hawser_bytes wanted = {.data = name, .size = strlen(name)};
	struct hawser_bytes found;
	uint32_t low = 0;
	uint32_t high = service->methods_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		found = method_name(service, &service->methods[middle]);
		if (bytes_compare(&found, &wanted) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return 0;
	found = method_name(service, &service->methods[low - 1]);
	return bytes_compare(&found, &wanted) ? 0 : service->methods[low - 1].id;
}
