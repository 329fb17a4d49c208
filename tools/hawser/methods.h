/* SPDX-License-Identifier: MIT
 *
 * The methods of a service, as the host's answer to a bind lists them. The library finds methods by name and
 * does not list them, so this is a protocol of the tool's own: the library's "perfetto", overheard.
 */
#ifndef HAWSER_TOOL_METHODS_H
#define HAWSER_TOOL_METHODS_H

#include <hawser/protocol.h>

const struct hawser_protocol *methods_protocol(void);

/* What the last bind was answered with. */
size_t methods_count(void);
/* In the host's order; names are the host's own bytes, ended by NUL. NULL: there are no more. */
const char *methods_name(size_t index);

#endif
