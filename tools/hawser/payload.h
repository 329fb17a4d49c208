/* SPDX-License-Identifier: MIT
 *
 * The bytes that a call carries, as the command line gives them: text as it stands, hexadecimal digits, a
 * file or standard input.
 */
#ifndef HAWSER_TOOL_PAYLOAD_H
#define HAWSER_TOOL_PAYLOAD_H

#include "options.h"

enum { PAYLOAD_MAX = 131072 }; /* a frame; what fits beside its header is told by hawser_invoke */

struct payload {
	unsigned char bytes[PAYLOAD_MAX];
	size_t size;
};

/* Reads all of it. 0, or EXIT_USAGE after one sentence: bad digits, an unreadable file, too many bytes. */
int payload_read(const struct options *options, struct payload *ret_payload);

#endif
