/* SPDX-License-Identifier: MIT
 *
 * Protocol "none": hawser connects and verifies, and gives the descriptor away. No byte is read or written,
 * so there is nothing here that could fail.
 */
#include <hawser/protocol.h>

const struct hawser_protocol *hawser_protocol_none(void)
{
	static const struct hawser_protocol protocol = {
	    .size = sizeof(protocol),
	    .name = "none",
	    .flags = HAWSER_PROTOCOL_HANDOVER,
	};

	return &protocol;
}
