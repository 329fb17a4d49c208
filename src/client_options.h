/* SPDX-License-Identifier: MIT
 *
 * From the options that a user gives to the settings of a client.
 */
#ifndef HAWSER_CLIENT_OPTIONS_H
#define HAWSER_CLIENT_OPTIONS_H

#include "client.h"

/* Checks everything, copies what has to live. On failure what was allocated is released with the client. */
int client_configure(hawser_client *client, const struct hawser_client_options *options);

#endif
