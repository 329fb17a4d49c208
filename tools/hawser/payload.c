/* SPDX-License-Identifier: MIT
 *
 * Reads the payload of a call, before anything is connected to.
 */
#include "payload.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int refuse_size(const struct options *options)
{
	return usage_refuse(options->command,
	    "the payload has more than %d bytes, the most that a call can carry", PAYLOAD_MAX);
}

static int text_read(const struct options *options, struct payload *payload)
{
	payload->size = strlen(TEXT(options));
	if (payload->size > PAYLOAD_MAX)
		return refuse_size(options);
	memcpy(payload->bytes, TEXT(options), payload->size);
	return 0;
}

static int hex_read(const struct options *options, struct payload *payload)
{
	const char *at = options->hex + strspn(options->hex, " ");

	for (; *at; at += strspn(at, " ")) {
		char digits[3] = {at[0], at[1]};

		if (!isxdigit((unsigned char)digits[0]) || !isxdigit((unsigned char)digits[1]))
			return usage_refuse(options->command,
			    "--hex: \"%.16s\" does not begin with the two digits of a byte", at);
		if (payload->size == PAYLOAD_MAX)
			return refuse_size(options);
		payload->bytes[payload->size++] = (unsigned char)strtoul(digits, NULL, 16);
		at += 2;
	}
	return 0;
}

static int fd_read(const struct options *options, int fd, struct payload *payload)
{
	for (;;) {
		unsigned char beyond;
		bool full = payload->size == PAYLOAD_MAX;
		ssize_t got = full ? read(fd, &beyond, 1)
				   : read(fd, payload->bytes + payload->size, PAYLOAD_MAX - payload->size);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return usage_refuse(
			    options->command, "--file %s: %s", options->file, strerror(errno));
		if (got == 0)
			return 0;
		if (full)
			return refuse_size(options);
		payload->size += (size_t)got;
	}
}

static int file_read(const struct options *options, struct payload *payload)
{
	int fd = STDIN_FILENO;
	int result;

	if (strcmp(options->file, "-") == 0)
		return fd_read(options, fd, payload);
	fd = open(options->file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return usage_refuse(options->command, "--file %s: %s", options->file, strerror(errno));
	result = fd_read(options, fd, payload);
	close(fd);
	return result;
}

int payload_read(const struct options *options, struct payload *ret_payload)
{
	ret_payload->size = 0;
	if (TEXT(options))
		return text_read(options, ret_payload);
	if (options->hex)
		return hex_read(options, ret_payload);
	return options->file ? file_read(options, ret_payload) : 0;
}
