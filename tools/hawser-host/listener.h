/* SPDX-License-Identifier: MIT
 *
 * Targets as text, and the listening sockets made from them.
 */
#ifndef HAWSER_HOST_LISTENER_H
#define HAWSER_HOST_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "host.h"

struct listener {
	enum source source;
	const char *target; /* as given */
	struct sockaddr_storage address;
	socklen_t address_length;
	int fd;
	bool path_made; /* a socket file of ours, to be unlinked */
	dev_t path_device;
	ino_t path_inode;
};

/* Judges the text alone. -EINVAL: a sentence on stderr said which part is wrong. */
int listener_parse(const char *target, struct listener *ret_listener);

/* What is done with a socket file that is at the path already. */
enum listener_existing { EXISTING_STAYS, EXISTING_GOES_IF_STALE, EXISTING_GOES };

/* Makes the socket and binds it. -errno, with a sentence: -EADDRINUSE for a socket file that stays. */
int listener_bind(struct listener *listener, enum listener_existing existing);
int listener_listen(struct listener *listener, int backlog);
void listener_print_ready(const struct listener *listener);

/* Closes, and unlinks the socket file if it is still the one that was made. */
void listener_close(struct listener *listener);

#endif
