/* SPDX-License-Identifier: MIT
 *
 * The services that hawser-host offers, as pure functions from a call to what shall happen.
 */
#ifndef HAWSER_HOST_SERVICES_H
#define HAWSER_HOST_SERVICES_H

#include <stddef.h>
#include <stdint.h>

#include "codec.h"
#include "descriptors.h"

enum {
	SERVICES_DELAY_MS_MAX = 60000,
	SERVICES_TAKE_BYTES_MAX = 65536,
};

struct service {
	uint32_t id; /* from 1, in order */
	const char *name;
	const struct codec_method *methods; /* ids from 1, in order */
	size_t methods_count;
};

enum service_outcome {
	SERVICE_REPLY,      /* `reply` and, over a unix socket, the call's descriptors */
	SERVICE_REJECT,     /* the method ran and failed */
	SERVICE_UNROUTABLE, /* no such service or method, or args it cannot read */
	SERVICE_STREAM,     /* `stream_count` replies; 0 means one empty reply */
	SERVICE_DELAY,      /* an empty reply after `delay_ms` */
	SERVICE_SILENT,     /* never a reply */
};

struct service_call {
	struct codec_invoke invoke;
	bool descriptors_possible;       /* the connection is a unix socket */
	struct descriptors *descriptors; /* in: passed by the caller; out: to send with the reply */
};

struct service_result {
	enum service_outcome outcome;
	struct codec_bytes reply; /* valid until the next services_invoke() */
	uint64_t stream_count;
	uint32_t delay_ms;
};

const struct service *services_find(const char *name, size_t name_length);
const struct service *services_get(uint32_t id); /* NULL: none */
struct service_result services_invoke(const struct service_call *call);

#endif
