/* SPDX-License-Identifier: MIT
 *
 * What the options make go wrong on purpose. Without such options everything passes through.
 */
#ifndef HAWSER_HOST_FAULTS_H
#define HAWSER_HOST_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "connection.h"

/* True if the socket was dealt with: it is closed. */
bool faults_on_accept(const struct options *options, int fd);

/* True if the request is not to be answered as usual; the wrong answer, if any, is queued. */
bool faults_on_request(struct connection *connection, const struct codec_request *request);

/* After a bind or an invoke was dealt with, answered or not. May end the connection or the process. */
void faults_after_bind(struct connection *connection);
void faults_after_call(struct connection *connection);

/* Sends a whole answer, held back or doubled if the options say so. Descriptors may be NULL; they are taken
 * over. */
void faults_answer_send(
    struct connection *connection, const struct codec_frame *answer, struct descriptors *descriptors);

/* The time of a group of held answers has come; an older group was sent before. */
void faults_held_release(struct connection *connection, uint64_t group);
void faults_held_free(struct connection *connection);

/* Queues frames of the flood, until enough is queued. */
void faults_flood_produce(struct connection *connection);

#endif
