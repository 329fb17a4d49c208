/* SPDX-License-Identifier: MIT
 *
 * A protocol of lines of text, for tests of hawser/protocol.h.
 */
#ifndef HAWSER_TESTS_LINES_H
#define HAWSER_TESTS_LINES_H

#include "bed.h"
#include "script.h"

#include <hawser/protocol.h>

extern const struct hawser_protocol lines_protocol;
/* How many connections the protocol was told are closed. */
extern int lines_closed;

/* For tables that differ in one of these. */
int lines_bind(hawser_connection *connection, void *state, uint64_t id, const char *service);
int lines_invoke(hawser_connection *connection, void *state, uint64_t id, void *service,
    const struct hawser_protocol_call *call);

/* Turns the loop until the client has sent exactly this. */
void lines_expect(struct script *script, struct bed *bed, const char *text);
void lines_answer(struct script *script, const char *text);

#endif
