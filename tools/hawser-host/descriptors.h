/* SPDX-License-Identifier: MIT
 *
 * Descriptors that travel with a frame. Whoever holds the struct owns them.
 */
#ifndef HAWSER_HOST_DESCRIPTORS_H
#define HAWSER_HOST_DESCRIPTORS_H

#include <stddef.h>
#include <unistd.h>

enum { DESCRIPTORS_MAX = 253 }; /* the kernel's SCM_MAX_FD */

struct descriptors {
	size_t count;
	int fds[DESCRIPTORS_MAX];
};

static inline void descriptors_close(struct descriptors *descriptors)
{
	for (size_t i = 0; i < descriptors->count; i++)
		close(descriptors->fds[i]);
	descriptors->count = 0;
}

/* Closes what `to` held before. */
static inline void descriptors_move(struct descriptors *from, struct descriptors *to)
{
	descriptors_close(to);
	for (size_t i = 0; i < from->count; i++)
		to->fds[i] = from->fds[i];
	to->count = from->count;
	from->count = 0;
}

#endif
