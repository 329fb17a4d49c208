/* SPDX-License-Identifier: MIT
 *
 * The running host: listeners, epoll, timers and signals.
 */
#ifndef HAWSER_HOST_SERVER_H
#define HAWSER_HOST_SERVER_H

#include "options.h"

/* Serves until SIGTERM, SIGINT or --exit-after-ms. -errno: it could not start or listen; stderr said why. */
int server_run(const struct options *options);

#endif
