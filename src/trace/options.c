/* SPDX-License-Identifier: MIT
 *
 * Options of programs that were compiled with an older or newer header: what an older one does not have keeps
 * its default (-EINVAL: no version is so small), what a newer one has must be zero, for this library does not
 * know what it asks for (-E2BIG).
 */
#include "trace.h"

#include <errno.h>
#include <string.h>

enum { GROWTH_MAX = 4096, FIRST_SIZE = sizeof(struct hawser_trace_options) };

static int refuse(struct hawser_trace_sentence *why, int error)
{
	trace_say(why, "options of another version of the library");
	return error;
}

int trace_options_take(struct hawser_trace_options *known, const struct hawser_trace_options *given,
    struct hawser_trace_sentence *why)
{
	const unsigned char *bytes = (const unsigned char *)given;

	if (!given)
		return 0;
	if (given->size < FIRST_SIZE || given->size > sizeof(*known) + GROWTH_MAX)
		return refuse(why, -EINVAL);
	for (size_t i = sizeof(*known); i < given->size; i++)
		if (bytes[i])
			return refuse(why, -E2BIG);
	memcpy(known, given, given->size < sizeof(*known) ? given->size : sizeof(*known));
	return 0;
}
