/* SPDX-License-Identifier: MIT
 *
 * A protocol of the user's own: "perfetto" behind a handshake, in which the host speaks first (one empty
 * frame).
 */
#ifndef TESTS_SIM_PROTOCOL_H
#define TESTS_SIM_PROTOCOL_H

#include <hawser/protocol.h>

const struct hawser_protocol *protocol_greeted(void);

#endif
