/* SPDX-License-Identifier: MIT
 *
 * Targets: "unix:/path", "unix:@abstract", "tcp:host:port", "tcp:[::1]:port", "fd:N", as text and as what it
 * means.
 */
#ifndef HAWSER_NET_TARGET_H
#define HAWSER_NET_TARGET_H

#include "net/address.h"
#include <stddef.h>
#include <stdint.h>

enum { TARGET_TEXT_MAX = 512, TARGET_HOST_MAX = 255 };

enum target_kind {
	TARGET_UNIX,    /* address */
	TARGET_NUMERIC, /* tcp with a numeric address: address */
	TARGET_NAME,    /* tcp with a name: host (in the text) and port */
	TARGET_FD,      /* fd */
};

struct target {
	enum target_kind kind;
	struct address address;
	uint16_t port;
	uint16_t host_at; /* of TARGET_NAME: where the host stands in the text */
	uint16_t host_size;
	int fd;
};

/* 0, or -EINVAL with a sentence in why (size bytes; may be NULL with 0) that says which part is wrong and
 * what is expected: an unknown scheme (and which there are), an empty host, a bad port (1..65535), a path too
 * long (the limit and its length), an empty path, a missing ']', ... */
int target_parse(const char *text, struct target *ret_target, char *why, size_t why_size);

/* The directory of a unix path, for the watch: "/run" of "/run/x.sock", "." of "x.sock", "/" of "/x". 0;
 * -ENOENT for targets without one (abstract, tcp, fd); -ENAMETOOLONG. */
int target_directory(const struct target *target, char *directory, size_t size);

/* The last part of a unix path ("x.sock"), or NULL. */
const char *target_file(const struct target *target);

#endif
