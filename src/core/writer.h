/* SPDX-License-Identifier: MIT
 *
 * Text written into the room there is, as snprintf does it, in pieces: `length` is what all of them need, and
 * what has no room is left out.
 */
#ifndef HAWSER_CORE_WRITER_H
#define HAWSER_CORE_WRITER_H

#include <stddef.h>

struct writer {
	char *text;
	size_t size;
	size_t length;
};

void writer_put(struct writer *writer, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
