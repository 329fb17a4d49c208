/* SPDX-License-Identifier: MIT
 *
 * Reading targets. It looks no name up and opens nothing: whether the host, the path or the descriptor exists
 * is found out by the attempt.
 *
 * Happy path: text in, kind and address (or host and port, or descriptor) out. Failure: -EINVAL and a
 * sentence that begins with the scheme and says which part is wrong and what is expected there.
 */
#include "net/target.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Of a path with its NUL, or of an abstract name behind its NUL. */
enum { UNIX_NAME_MAX = sizeof(((struct sockaddr_un *)0)->sun_path) - 1, QUOTE_MAX = 64 };

struct reason {
	char *text;
	size_t size;
};

__attribute__((format(printf, 2, 3))) static int refuse(struct reason reason, const char *format, ...)
{
	va_list arguments;

	if (!reason.size)
		return -EINVAL;
	va_start(arguments, format);
	vsnprintf(reason.text, reason.size, format, arguments);
	va_end(arguments);
	/* The sentence quotes the target; a log line must stay one line. */
	for (char *at = reason.text; *at; at++)
		if (iscntrl((unsigned char)*at))
			*at = '?';
	return -EINVAL;
}

static int quoted(size_t size)
{
	return size > QUOTE_MAX ? QUOTE_MAX : (int)size;
}

/* Decimal digits alone, not above max. Answers where they end, or NULL when there is no such number. */
static const char *number_parse(const char *text, uint32_t max, uint32_t *ret_number)
{
	uint64_t number = 0;
	const char *at = text;

	while (*at >= '0' && *at <= '9') {
		number = number * 10 + (uint64_t)(*at++ - '0');
		if (number > max)
			return NULL;
	}
	if (at == text)
		return NULL;
	*ret_number = (uint32_t)number;
	return at;
}

static int unix_parse(const char *path, struct target *target, struct reason reason)
{
	bool abstract = path[0] == '@';
	size_t size = strlen(path) - abstract;
	struct address *address = &target->address;

	if (!size)
		return refuse(reason,
		    abstract ? "unix: the abstract name after '@' is empty" : "unix: the path is empty");
	if (size > UNIX_NAME_MAX)
		return refuse(reason, "unix: the %s has %zu bytes, and the limit is %d",
		    abstract ? "abstract name" : "path", size, UNIX_NAME_MAX);
	if (!abstract && path[size - 1] == '/')
		return refuse(
		    reason, "unix: the path \"%.*s\" names a directory, not a socket", QUOTE_MAX, path);
	target->kind = TARGET_UNIX;
	address->un.sun_family = AF_UNIX;
	memcpy(address->un.sun_path + abstract, path + abstract, size);
	/* An abstract name is as long as the address says; a path is ended by NUL. */
	address->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + 1);
	return 0;
}

static int port_parse(const char *text, struct target *target, struct reason reason)
{
	uint32_t port;
	const char *end = number_parse(text, UINT16_MAX, &port);

	if (!*text)
		return refuse(reason, "tcp: the port is missing (expected host:port)");
	if (!end || !port)
		return refuse(
		    reason, "tcp: the port \"%.*s\" is not a number from 1 to 65535", QUOTE_MAX, text);
	if (*end)
		return refuse(reason, "tcp: the port %u has trailing characters \"%.*s\"", (unsigned)port,
		    QUOTE_MAX, end);
	target->port = (uint16_t)port;
	return 0;
}

/* "[::1]:80", from its first bracket. */
static int bracket_parse(const char *text, struct target *target, struct reason reason)
{
	const char *end = strchr(text, ']');
	char host[TARGET_HOST_MAX + 1];
	size_t size;
	int result;

	if (!end)
		return refuse(
		    reason, "tcp: missing ']' after the IPv6 address \"%.*s\"", QUOTE_MAX, text + 1);
	size = (size_t)(end - text - 1);
	if (!size)
		return refuse(reason, "tcp: the host in brackets is empty");
	if (end[1] && end[1] != ':')
		return refuse(reason, "tcp: trailing characters \"%.*s\" after ']' (expected :port)",
		    QUOTE_MAX, end + 1);
	result = port_parse(end[1] ? end + 2 : "", target, reason);
	if (result < 0)
		return result;
	if (size < sizeof host) {
		memcpy(host, text + 1, size);
		host[size] = '\0';
		if (strchr(host, ':') && address_parse_numeric(host, target->port, &target->address) == 0) {
			target->kind = TARGET_NUMERIC;
			return 0;
		}
	}
	return refuse(reason,
	    strchr(text, '%')
		? "tcp: \"%.*s\" in brackets is not an IPv6 address with the zone of an interface"
		: "tcp: \"%.*s\" in brackets is not an IPv6 address",
	    quoted(size), text + 1);
}

/* What a host name cannot have would only come back as "no such name", later and from somewhere else. Bytes
 * above ASCII may: /etc/hosts has what its owner writes. */
static bool host_has(unsigned char character)
{
	return isalnum(character) || character == '-' || character == '.' || character == '_' ||
	       character >= 0x80;
}

static int host_parse(const char *host, size_t size, struct target *target, struct reason reason)
{
	char text[TARGET_HOST_MAX + 1];

	if (!size)
		return refuse(reason, "tcp: the host is empty (expected host:port)");
	if (size > TARGET_HOST_MAX)
		return refuse(
		    reason, "tcp: the host has %zu bytes, and the limit is %d", size, TARGET_HOST_MAX);
	for (size_t i = 0; i < size; i++)
		if (!host_has((unsigned char)host[i]))
			return refuse(reason,
			    "tcp: the host \"%.*s\" has a character that no host name has, '%c'",
			    quoted(size), host, host[i]);
	memcpy(text, host, size);
	text[size] = '\0';
	if (address_parse_numeric(text, target->port, &target->address) == 0)
		target->kind = TARGET_NUMERIC;
	else if (strspn(text, "0123456789.") == size) /* no name ends in a number */
		return refuse(reason, "tcp: \"%.*s\" is not an IPv4 address", quoted(size), host);
	else
		target->kind = TARGET_NAME;
	return 0;
}

/* begin: where the target's text begins, for the host's place in it. */
static int tcp_parse(const char *text, const char *begin, struct target *target, struct reason reason)
{
	const char *colon = strchr(text, ':');
	size_t size = colon ? (size_t)(colon - text) : strlen(text);
	int result;

	if (text[0] == '[')
		return bracket_parse(text, target, reason);
	if (colon && strchr(colon + 1, ':'))
		return refuse(reason,
		    "tcp: \"%.*s\" has more than one ':' (an IPv6 address needs brackets, as in "
		    "tcp:[::1]:80)",
		    QUOTE_MAX, text);
	if (!size) /* said before the port is looked at */
		return host_parse(text, size, target, reason);
	result = port_parse(colon ? colon + 1 : "", target, reason);
	if (result == 0)
		result = host_parse(text, size, target, reason);
	if (result == 0 && target->kind == TARGET_NAME) {
		target->host_at = (uint16_t)(text - begin);
		target->host_size = (uint16_t)size;
	}
	return result;
}

static int fd_parse(const char *text, struct target *target, struct reason reason)
{
	uint32_t number;
	const char *end = number_parse(text, INT_MAX, &number);

	if (!*text)
		return refuse(reason, "fd: the descriptor's number is missing");
	if (!end)
		return refuse(
		    reason, "fd: \"%.*s\" is not a descriptor's number (0 to %d)", QUOTE_MAX, text, INT_MAX);
	if (*end)
		return refuse(reason, "fd: the number %u has trailing characters \"%.*s\"", (unsigned)number,
		    QUOTE_MAX, end);
	target->kind = TARGET_FD;
	target->fd = (int)number;
	return 0;
}

int target_parse(const char *text, struct target *ret_target, char *why, size_t why_size)
{
	struct reason reason = {why, why_size};
	struct target target = {.fd = -1};
	const char *colon = strchr(text, ':');
	size_t scheme = colon ? (size_t)(colon - text) : 0;
	int result;

	if (!*text)
		return refuse(reason, "the target is empty (expected unix:, tcp: or fd: first)");
	if (strlen(text) > TARGET_TEXT_MAX)
		return refuse(
		    reason, "the target has %zu bytes, and the limit is %d", strlen(text), TARGET_TEXT_MAX);
	if (!colon)
		return refuse(
		    reason, "\"%.*s\" has no scheme (expected unix:, tcp: or fd: first)", QUOTE_MAX, text);
	if (scheme == 4 && memcmp(text, "unix", 4) == 0)
		result = unix_parse(colon + 1, &target, reason);
	else if (scheme == 3 && memcmp(text, "tcp", 3) == 0)
		result = tcp_parse(colon + 1, text, &target, reason);
	else if (scheme == 2 && memcmp(text, "fd", 2) == 0)
		result = fd_parse(colon + 1, &target, reason);
	else
		result = refuse(
		    reason, "unknown scheme \"%.*s\" (there are unix, tcp and fd)", quoted(scheme), text);
	if (result == 0)
		*ret_target = target;
	return result;
}

static const char *target_path(const struct target *target)
{
	return target->kind == TARGET_UNIX && target->address.un.sun_path[0] ? target->address.un.sun_path
									     : NULL;
}

int target_directory(const struct target *target, char *directory, size_t size)
{
	const char *path = target_path(target);
	const char *slash = path ? strrchr(path, '/') : NULL;
	const char *from = slash ? path : ".";
	size_t length = slash ? (size_t)(slash - path) : 1;

	if (!path)
		return -ENOENT;
	if (slash == path)
		length = 1;
	if (length >= size)
		return -ENAMETOOLONG;
	memcpy(directory, from, length);
	directory[length] = '\0';
	return 0;
}

const char *target_file(const struct target *target)
{
	const char *path = target_path(target);
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path;
}
