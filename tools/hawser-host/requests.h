/* SPDX-License-Identifier: MIT
 *
 * From a frame to its answer.
 */
#ifndef HAWSER_HOST_REQUESTS_H
#define HAWSER_HOST_REQUESTS_H

#include "connection.h"

void requests_serve(
    struct connection *connection, struct codec_bytes payload, struct descriptors *descriptors);

/* The time of a delayed call has come. */
void requests_delayed_answer(struct connection *connection, uint64_t request_id);

/* Makes replies of the streams in turn, until enough is queued. */
void requests_streams_produce(struct connection *connection);
void requests_streams_free(struct connection *connection);

#endif
