/* SPDX-License-Identifier: MIT
 *
 * What a binding of protocol "perfetto" was bound to: the id of the service, and of its methods by name.
 */
#ifndef HAWSER_PROTOCOL_PERFETTO_SERVICE_H
#define HAWSER_PROTOCOL_PERFETTO_SERVICE_H

#include <hawser/protocol.h>

struct perfetto_service;

/* From the bind replies in a frame that perfetto_decode has read. NULL: no memory. */
struct perfetto_service *perfetto_service_new(
    hawser_connection *connection, uint32_t id, const struct hawser_bytes *payload);
void perfetto_service_free(hawser_connection *connection, struct perfetto_service *service);

uint32_t perfetto_service_id(const struct perfetto_service *service);

/* The id of a method, 0: the host does not list it. Of several with one name it is the last one listed. */
uint32_t perfetto_service_method(const struct perfetto_service *service, const char *name);

#endif
