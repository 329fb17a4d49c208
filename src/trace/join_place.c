/* SPDX-License-Identifier: MIT
 *
 * Where an attempt went, in the same bytes whether its client says it by a socket address or the kernel by a
 * record: what only one of them knows (scope, flow, the end of a long path) is left out.
 */
#include "join_table.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

bool place_of_step(const struct step *step, struct place *ret_place)
{
	const struct sockaddr_in6 *six = (const void *)step->address;
	const size_t path = offsetof(struct sockaddr_un, sun_path);
	struct place place = {0};
	uint16_t family;

	memcpy(&family, step->address, sizeof(family));
	memcpy(place.bytes, &family, sizeof(family));
	if (family == AF_INET) {
		memcpy(place.bytes, step->address, 8);
	} else if (family == AF_INET6) {
		memcpy(place.bytes, step->address, 4);
		memcpy(place.bytes + 8, &six->sin6_addr, 16);
	} else if (family == AF_UNIX && step->address_size > path) {
		size_t length =
		    (step->address_size < STEP_ADDRESS_BYTES ? step->address_size : STEP_ADDRESS_BYTES) -
		    path;

		if (step->address[path])
			length = strnlen((const char *)step->address + path, length);
		memcpy(place.bytes + path, step->address + path, length);
	} else {
		return false;
	}
	*ret_place = place;
	return true;
}

bool place_of_record(const struct hawser_trace_record *record, struct place *ret_place)
{
	const size_t path = offsetof(struct sockaddr_un, sun_path);
	size_t length = sizeof(struct place) - path;
	uint16_t port = htons(record->destination_port);
	struct place place = {0};

	memcpy(place.bytes, &record->family, sizeof(record->family));
	if (record->family == AF_UNIX) {
		/* What follows the end of a path is whatever lay there. */
		if (record->path[0] != '@')
			length = strnlen(record->path, length);
		memcpy(place.bytes + path, record->path, length);
		if (record->path[0] == '@')
			place.bytes[path] = '\0';
	} else if (record->family == AF_INET || record->family == AF_INET6) {
		memcpy(place.bytes + 2, &port, sizeof(port));
		memcpy(place.bytes + (record->family == AF_INET ? 4 : 8), record->destination,
		    record->family == AF_INET ? 4 : 16);
	} else {
		return false;
	}
	*ret_place = place;
	return true;
}
