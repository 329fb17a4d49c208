/* SPDX-License-Identifier: MIT
 *
 * See bed.h.
 */
#include "bed.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void *bed_allocate(size_t size, void *user)
{
	struct bed *bed = user;
	void *pointer;

	if (bed->refuse_at && --bed->refuse_at == 0)
		return NULL;
	pointer = malloc(size);
	if (pointer)
		bed->memory += size;
	return pointer;
}

static void bed_release(void *pointer, size_t size, void *user)
{
	struct bed *bed = user;

	/* Only noted: assertions belong to the test's own thread. */
	if (atomic_fetch_sub(&bed->memory, size) < size)
		bed->overdrawn = true;
	free(pointer);
}

void bed_open(struct bed *bed, const struct rig_kind *kind)
{
	struct hawser_allocator allocator = {bed_allocate, bed_release, bed};
	struct hawser_loop_options options;

	memset(bed, 0, sizeof(*bed));
	bed->kind = kind;
	bed->log = calloc(1, BED_LOG_MAX);
	bed->descriptors = rig_descriptors();
	cr_assert_eq(host_directory_make(bed->directory), 0);
	snprintf(bed->target, sizeof(bed->target), "unix:%s/x.sock", bed->directory);
	hawser_loop_options_init(&options);
	options.engine = kind->epoll ? HAWSER_ENGINE_EPOLL : HAWSER_ENGINE_URING;
	options.allocator = &allocator;
	options.random_seed = 42;
	if (kind->tiny) {
		options.submission_entries = 4;
		options.completion_entries = 8;
		options.receive_buffers = 2;
		options.receive_buffer_size = 512;
	}
	cr_assert_eq(hawser_loop_new(&options, &bed->loop), 0, "no loop: is io_uring forbidden here?");
}

void bed_close(struct bed *bed)
{
	while (bed->bindings_count)
		hawser_binding_free(bed->bindings[--bed->bindings_count]);
	while (bed->clients_count)
		hawser_client_free(bed->clients[--bed->clients_count]);
	if (!bed->loop_gone)
		hawser_loop_free(bed->loop);
	if (bed->host.pid)
		host_stop(&bed->host);
	host_directory_remove(bed->directory);
	cr_assert(!bed->overdrawn, "more memory was released than there was");
	cr_assert(bed->memory == 0, "%zu bytes of the loop are left over", bed->memory);
	rig_expect_descriptors(bed->descriptors);
	free(bed->log);
}

void bed_host_on(struct bed *bed, const char *target, const char *const *arguments)
{
	const char *all[HOST_ARGUMENTS_MAX + 1];
	size_t count = 0;

	while (arguments && arguments[count] && count < HOST_ARGUMENTS_MAX - 1) {
		all[count] = arguments[count];
		count++;
	}
	all[count++] = target;
	all[count] = NULL;
	cr_assert_eq(
	    host_start(&bed->host, all), 0, "hawser-host did not start: %s", host_errors(&bed->host));
}

void bed_host(struct bed *bed, const char *const *arguments)
{
	bed_host_on(bed, bed->target, arguments);
}

static void told(struct bed *bed, void *handle, const char *format, ...)
{
	char line[512];
	va_list arguments;

	cr_assert(!bed->inside, "a callback ran inside an API call");
	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	bed_note(bed, "%s", line);
	if (bed->told)
		bed->told(bed, line, handle);
}

void bed_note(struct bed *bed, const char *format, ...)
{
	size_t room = BED_LOG_MAX - bed->length - 2;
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(bed->log + bed->length, room, format, arguments);
	va_end(arguments);
	cr_assert((size_t)length < room, "the log is full");
	bed->length += (size_t)length;
	bed->log[bed->length++] = '\n';
	bed->log[bed->length] = '\0';
}

static const char *error_words(const struct hawser_error *error)
{
	static char words[128];

	if (!error)
		return "";
	snprintf(words, sizeof(words), " %s %s %s", hawser_stage_name(error->stage),
	    hawser_errno_name(error->code), hawser_cause_name(error->cause));
	return words;
}

void bed_on_change(hawser_client *client, const struct hawser_change *change, void *user)
{
	told(user, client, "client %s%s", hawser_state_name(change->to), error_words(change->error));
}

void bed_on_binding(
    hawser_binding *binding, enum hawser_binding_event event, const struct hawser_error *error, void *user)
{
	cr_assert_eq(
	    error == NULL, event == HAWSER_BINDING_BOUND, "an error comes with every event but bound");
	told(user, binding, "%s %s%s", hawser_binding_service(binding), hawser_binding_event_name(event),
	    error_words(error));
}

void bed_on_reply(hawser_call *call, const struct hawser_bytes *reply, bool more,
    const struct hawser_error *error, void *user)
{
	if (error)
		told(user, call, "call%s, %s", error_words(error), hawser_fate_name(error->fate));
	else
		told(user, call, "%s %.*s", more ? "more" : "reply",
		    (int)(reply->size < 400 ? reply->size : 400), (const char *)reply->data);
}

void bed_on_data(hawser_client *client, const struct hawser_bytes *data, void *user)
{
	told(user, client, "data %.*s", (int)(data->size < 400 ? data->size : 400), (const char *)data->data);
}

void bed_on_setup(hawser_client *client, const struct hawser_error *error, void *user)
{
	told(user, client, "setup%s", error ? error_words(error) : " done");
}

void bed_on_writable(hawser_client *client, void *user)
{
	told(user, client, "writable");
}

int bed_client_try(struct bed *bed, const struct hawser_client_options *given, hawser_client **ret_client)
{
	struct hawser_client_options options;

	hawser_client_options_init(&options);
	if (given)
		options = *given;
	if (!options.target)
		options.target = bed->target;
	options.user = bed;
	options.on_change = bed_on_change;
	if (!options.on_data)
		options.on_data = bed_on_data;
	options.on_writable = bed_on_writable;
	return bed_call(bed, hawser_client_new(bed->loop, &options, ret_client));
}

hawser_client *bed_client(struct bed *bed, const struct hawser_client_options *options)
{
	hawser_client *client = NULL;

	cr_assert_lt(bed->clients_count, BED_HANDLES_MAX);
	cr_assert_eq(bed_client_try(bed, options, &client), 0);
	bed->clients[bed->clients_count++] = client;
	return client;
}

hawser_binding *bed_bind_with(
    struct bed *bed, hawser_client *client, const struct hawser_bind_options *options)
{
	hawser_binding *binding = NULL;

	cr_assert_lt(bed->bindings_count, BED_HANDLES_MAX);
	cr_assert_eq(bed_call(bed, hawser_bind_with(client, options, bed_on_binding, bed, &binding)), 0);
	bed->bindings[bed->bindings_count++] = binding;
	return binding;
}

hawser_binding *bed_bind(struct bed *bed, hawser_client *client, const char *service)
{
	HAWSER_OPTIONS(hawser_bind_options, options, .service = service);

	return bed_bind_with(bed, client, &options);
}

int bed_invoke(struct bed *bed, hawser_binding *binding, const char *method, const char *arguments)
{
	return bed_call(
	    bed, hawser_invoke(binding, method, arguments, strlen(arguments), bed_on_reply, bed, NULL));
}

static void forget(void **handles, size_t *count, void *handle)
{
	for (size_t i = 0; i < *count; i++)
		if (handles[i] == handle) {
			handles[i] = handles[--*count];
			return;
		}
	cr_assert_fail("the bed does not have this handle");
}

void bed_forget_client(struct bed *bed, hawser_client *client)
{
	forget((void **)bed->clients, &bed->clients_count, client);
}

void bed_forget_binding(struct bed *bed, hawser_binding *binding)
{
	forget((void **)bed->bindings, &bed->bindings_count, binding);
}

static unsigned long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long)now.tv_sec * 1000 + (unsigned long)now.tv_nsec / 1000000;
}

/* Planted bugs are waited for less long. */
unsigned bed_patience_ms(void)
{
	const char *given = getenv("HAWSER_TEST_PATIENCE_MS");

	return given ? (unsigned)strtoul(given, NULL, 10) : BED_PATIENCE_MS;
}

void bed_wait(struct bed *bed, const char *words)
{
	unsigned long end = now_ms() + bed_patience_ms();

	for (;;) {
		const char *found = strstr(bed->log + bed->mark, words);

		if (found) {
			bed->mark = (size_t)(found - bed->log) + strlen(words);
			return;
		}
		cr_assert_lt(now_ms(), end, "\"%s\" was not told; what was:\n%s", words, bed->log);
		cr_assert_eq(hawser_loop_run_once(bed->loop, 100), 0);
	}
}

void bed_run_ms(struct bed *bed, unsigned ms)
{
	unsigned long end = now_ms() + ms;
	unsigned long now;

	while ((now = now_ms()) < end)
		cr_assert_eq(hawser_loop_run_once(bed->loop, (unsigned)(end - now)), 0);
}

void bed_settle(struct bed *bed)
{
	for (int i = 0; i < 3; i++)
		cr_assert_eq(hawser_loop_run_once(bed->loop, 0), 0);
}

unsigned bed_count(const struct bed *bed, const char *words)
{
	unsigned count = 0;

	for (const char *at = bed->log; (at = strstr(at, words)); at += strlen(words))
		count++;
	return count;
}

void bed_expect_order(const struct bed *bed, const char *first, const char *then)
{
	const char *a = strstr(bed->log, first);
	const char *b = strstr(bed->log, then);

	cr_assert(a && b && a < b, "\"%s\" should come before \"%s\" in:\n%s", first, then, bed->log);
}
