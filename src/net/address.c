/* SPDX-License-Identifier: MIT
 *
 * Addresses as text. Nothing here looks a name up; a zone ("%eth0") is the one thing the system is asked for.
 *
 * Happy path: an address becomes what a log line, a status or a target can show. Failures: text that does not
 * fit is cut between characters; a numeric address that is none, or whose zone names no interface, is
 * -EINVAL.
 */
#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void un_format(const struct address *address, char *text, size_t size)
{
	const unsigned char *path = (const unsigned char *)address->un.sun_path;
	size_t length = address->size - offsetof(struct sockaddr_un, sun_path);
	size_t at = 0;
	size_t i = 0;

	if (length && path[0] == '\0') {
		i = 1;
		if (at + 1 < size)
			text[at++] = '@';
	} else {
		length = strnlen(address->un.sun_path, length);
	}
	for (; i < length; i++) {
		char character[5] = {(char)path[i]};

		if (path[i] < 0x20 || path[i] > 0x7e)
			snprintf(character, sizeof character, "\\x%02x", path[i]);
		if (at + strlen(character) >= size)
			break;
		memcpy(text + at, character, strlen(character));
		at += strlen(character);
	}
	text[at] = '\0';
}

static void in6_format(const struct address *address, char *text, size_t size)
{
	char number[INET6_ADDRSTRLEN];
	char zone[IF_NAMESIZE + 1] = "";

	inet_ntop(AF_INET6, &address->in6.sin6_addr, number, sizeof number);
	if (address->in6.sin6_scope_id) {
		zone[0] = '%';
		if (!if_indextoname(address->in6.sin6_scope_id, zone + 1))
			snprintf(zone + 1, sizeof zone - 1, "%u", (unsigned)address->in6.sin6_scope_id);
	}
	snprintf(text, size, "[%s%s]:%u", number, zone, (unsigned)ntohs(address->in6.sin6_port));
}

const char *address_format(const struct address *address, char *text, size_t size)
{
	char number[INET_ADDRSTRLEN];

	if (!size)
		return text;
	text[0] = '\0';
	if (!address->size)
		return text;
	switch (address->any.sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &address->in.sin_addr, number, sizeof number);
		snprintf(text, size, "%s:%u", number, (unsigned)ntohs(address->in.sin_port));
		break;
	case AF_INET6:
		in6_format(address, text, size);
		break;
	case AF_UNIX:
		un_format(address, text, size);
		break;
	default:
		snprintf(text, size, "family %u", (unsigned)address->any.sa_family);
	}
	return text;
}

/* "eth0" or "2"; 0: no such interface. */
static uint32_t zone_parse(const char *zone)
{
	char *end;
	unsigned long number;
	uint32_t index = if_nametoindex(zone);

	if (index || zone[0] < '0' || zone[0] > '9')
		return index;
	errno = 0;
	number = strtoul(zone, &end, 10);
	return errno || *end || number > UINT32_MAX ? 0 : (uint32_t)number;
}

static int in6_parse(const char *text, unsigned short port, struct address *ret_address)
{
	struct address address = {.size = sizeof address.in6, .in6 = {.sin6_family = AF_INET6}};
	const char *zone = strchr(text, '%');
	size_t length = zone ? (size_t)(zone - text) : strlen(text);
	char number[INET6_ADDRSTRLEN];

	if (length >= sizeof number)
		return -EINVAL;
	memcpy(number, text, length);
	number[length] = '\0';
	if (inet_pton(AF_INET6, number, &address.in6.sin6_addr) != 1)
		return -EINVAL;
	if (zone) {
		address.in6.sin6_scope_id = zone_parse(zone + 1);
		if (!address.in6.sin6_scope_id)
			return -EINVAL;
	}
	address.in6.sin6_port = htons(port);
	*ret_address = address;
	return 0;
}

int address_parse_numeric(const char *text, unsigned short port, struct address *ret_address)
{
	struct address address = {.size = sizeof address.in, .in = {.sin_family = AF_INET}};

	if (inet_pton(AF_INET, text, &address.in.sin_addr) != 1)
		return in6_parse(text, port, ret_address);
	address.in.sin_port = htons(port);
	*ret_address = address;
	return 0;
}

bool address_equal(const struct address *a, const struct address *b)
{
	if (a->size != b->size)
		return false;
	if (!a->size)
		return true;
	if (a->any.sa_family != b->any.sa_family)
		return false;
	switch (a->any.sa_family) {
	case AF_INET: /* field by field: the padding does not count */
		return a->in.sin_port == b->in.sin_port && a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	case AF_INET6:
		return a->in6.sin6_port == b->in6.sin6_port && a->in6.sin6_scope_id == b->in6.sin6_scope_id &&
		       memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof a->in6.sin6_addr) == 0;
	default:
		return memcmp(&a->any, &b->any, a->size) == 0;
	}
}

void address_brief(const struct address *address, struct brief_address *ret_brief)
{
	memset(ret_brief, 0, sizeof(*ret_brief));
	if (address->size == 0)
		return;
	ret_brief->family = (uint8_t)address->any.sa_family;
	if (ret_brief->family == AF_INET) {
		ret_brief->port = address->in.sin_port;
		memcpy(ret_brief->bytes, &address->in.sin_addr, sizeof(address->in.sin_addr));
	} else if (ret_brief->family == AF_INET6) {
		ret_brief->port = address->in6.sin6_port;
		memcpy(ret_brief->bytes, &address->in6.sin6_addr, sizeof(address->in6.sin6_addr));
	}
}

struct address address_unbrief(const struct brief_address *brief, const struct address *of_target)
{
	struct address address = {.size = 0};

	if (brief->family == AF_INET) {
		address.size = sizeof(address.in);
		address.in.sin_family = AF_INET;
		address.in.sin_port = brief->port;
		memcpy(&address.in.sin_addr, brief->bytes, sizeof(address.in.sin_addr));
	} else if (brief->family == AF_INET6) {
		address.size = sizeof(address.in6);
		address.in6.sin6_family = AF_INET6;
		address.in6.sin6_port = brief->port;
		memcpy(&address.in6.sin6_addr, brief->bytes, sizeof(address.in6.sin6_addr));
	} else if (brief->family != AF_UNSPEC) {
		address = *of_target;
	}
	return address;
}
