/* SPDX-License-Identifier: MIT
 *
 * What the two halves of a wire (wire.c and wire_send.c) know of each other.
 */
#ifndef HAWSER_WIRE_SEND_H
#define HAWSER_WIRE_SEND_H

#include "wire.h"

void wire_send_start(struct task *task);
void wire_chunks_drop(struct wire *wire);

/* Tells the owner of the end, once. */
void wire_end(struct wire *wire, int code, enum hawser_stage stage);

#endif
