/* SPDX-License-Identifier: MIT
 *
 * Options structs begin with their size, so that programs and libraries of different ages understand each
 * other: what an older program does not have keeps its default, what a newer one has must be zero if this
 * library does not know it.
 */
#include "loop.h"

#include <errno.h>
#include <string.h>

int options_copy(void *known, size_t known_size, size_t first_size, const void *given)
{
	const unsigned char *bytes = given;
	size_t size;

	if (!given)
		return 0;
	memcpy(&size, given, sizeof(size));
	if (size < first_size || size > known_size + 4096)
		return -EINVAL;
	for (size_t i = known_size; i < size; i++)
		if (bytes[i])
			return -E2BIG;
	memcpy(known, given, size < known_size ? size : known_size);
	return 0;
}
