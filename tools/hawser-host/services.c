/* SPDX-License-Identifier: MIT
 *
 * Echo, Counter, Files and Slow. Ids count from 1 in the order of the tables, as a real host gives them.
 * This file decides; it does not send, wait or know connections.
 *
 * Happy path: services_invoke() finds the method by ids and lets it fill in a result.
 * Failures: unknown ids and args that are not a decimal number are SERVICE_UNROUTABLE, like unparsable args
 * in a real host; a number out of bounds, a missing or unreadable descriptor or an exhausted kernel are
 * SERVICE_REJECT. Take() reads only regular files, so that no client can make the host wait on a pipe or a
 * terminal; a file system that itself hangs (FUSE) still could.
 */
#include "services.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

typedef struct service_result (*service_handler)(const struct service_call *call);

static struct service_result echo_run(const struct service_call *call)
{
	descriptors_close(call->descriptors);
	return (struct service_result){.outcome = SERVICE_REPLY, .reply = call->invoke.args};
}

static struct service_result echo_fds_run(const struct service_call *call)
{
	return (struct service_result){.outcome = SERVICE_REPLY, .reply = call->invoke.args};
}

static struct service_result sink_run(const struct service_call *call)
{
	descriptors_close(call->descriptors);
	return (struct service_result){.outcome = SERVICE_REPLY};
}

static int number_parse(struct codec_bytes text, uint64_t *ret_number)
{
	uint64_t number = 0;
	if (text.length == 0)
		return -EINVAL;
	for (size_t i = 0; i < text.length; i++) {
		uint64_t digit = (uint64_t)text.data[i] - '0';
		if (digit > 9 || __builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, digit, &number))
			return -EINVAL;
	}
	*ret_number = number;
	return 0;
}

static struct service_result count_run(const struct service_call *call)
{
	struct service_result result = {.outcome = SERVICE_STREAM};
	if (number_parse(call->invoke.args, &result.stream_count) < 0)
		result.outcome = SERVICE_UNROUTABLE;
	return result;
}

static int memfd_fill(int fd, struct codec_bytes text)
{
	while (text.length > 0) {
		ssize_t written = write(fd, text.data, text.length);
		if (written < 0)
			return -errno;
		text.data += written;
		text.length -= (size_t)written;
	}
	return 0;
}

static struct service_result open_run(const struct service_call *call)
{
	descriptors_close(call->descriptors);
	if (!call->descriptors_possible)
		return (struct service_result){.outcome = SERVICE_REJECT};
	int fd = memfd_create("hawser-host", MFD_CLOEXEC);
	if (fd < 0)
		return (struct service_result){.outcome = SERVICE_REJECT};
	if (memfd_fill(fd, call->invoke.args) < 0) {
		close(fd);
		return (struct service_result){.outcome = SERVICE_REJECT};
	}
	call->descriptors->fds[0] = fd;
	call->descriptors->count = 1;
	return (struct service_result){.outcome = SERVICE_REPLY};
}

static struct service_result take_run(const struct service_call *call)
{
	static uint8_t content[SERVICES_TAKE_BYTES_MAX];
	struct stat status;
	struct service_result result = {.outcome = SERVICE_REJECT};
	if (call->descriptors->count == 0)
		return result;
	int fd = call->descriptors->fds[0];
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
		ssize_t length = pread(fd, content, sizeof(content), 0);
		if (length >= 0) {
			result.outcome = SERVICE_REPLY;
			result.reply = (struct codec_bytes){.data = content, .length = (size_t)length};
		}
	}
	descriptors_close(call->descriptors);
	return result;
}

static struct service_result wait_run(const struct service_call *call)
{
	uint64_t delay_ms;
	if (number_parse(call->invoke.args, &delay_ms) < 0)
		return (struct service_result){.outcome = SERVICE_UNROUTABLE};
	if (delay_ms > SERVICES_DELAY_MS_MAX)
		return (struct service_result){.outcome = SERVICE_REJECT};
	return (struct service_result){.outcome = SERVICE_DELAY, .delay_ms = (uint32_t)delay_ms};
}

static struct service_result never_run(const struct service_call *call)
{
	(void)call;
	return (struct service_result){.outcome = SERVICE_SILENT};
}

static struct service_result drop_run(const struct service_call *call)
{
	(void)call;
	return (struct service_result){.outcome = SERVICE_REJECT};
}

static const struct codec_method echo_methods[] = {{1, "Echo"}, {2, "EchoFds"}, {3, "Sink"}};
static const service_handler echo_handlers[] = {echo_run, echo_fds_run, sink_run};
static const struct codec_method counter_methods[] = {{1, "Count"}};
static const service_handler counter_handlers[] = {count_run};
static const struct codec_method files_methods[] = {{1, "Open"}, {2, "Take"}};
static const service_handler files_handlers[] = {open_run, take_run};
static const struct codec_method slow_methods[] = {{1, "Wait"}, {2, "Never"}, {3, "Drop"}};
static const service_handler slow_handlers[] = {wait_run, never_run, drop_run};

static const struct service services[] = {
    {1, "Echo", echo_methods, 3},
    {2, "Counter", counter_methods, 1},
    {3, "Files", files_methods, 2},
    {4, "Slow", slow_methods, 3},
};
static const service_handler *const handlers[] = {
    echo_handlers, counter_handlers, files_handlers, slow_handlers};

enum { SERVICES_COUNT = sizeof(services) / sizeof(services[0]) };

const struct service *services_find(const char *name, size_t name_length)
{
	for (size_t i = 0; i < SERVICES_COUNT; i++)
		if (strlen(services[i].name) == name_length &&
		    memcmp(services[i].name, name, name_length) == 0)
			return &services[i];
	return NULL;
}

const struct service *services_get(uint32_t id)
{
	return id >= 1 && id <= SERVICES_COUNT ? &services[id - 1] : NULL;
}

struct service_result services_invoke(const struct service_call *call)
{
	const struct service *service = services_get(call->invoke.service_id);
	uint32_t method_id = call->invoke.method_id;
	if (service == NULL || method_id < 1 || method_id > service->methods_count)
		return (struct service_result){.outcome = SERVICE_UNROUTABLE};
	return handlers[service->id - 1][method_id - 1](call);
}
