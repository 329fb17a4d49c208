/* SPDX-License-Identifier: MIT
 *
 * A host that the test plays itself, byte by byte, on the bed's path: for what no sane host would send.
 */
#ifndef TESTS_SUPPORT_SCRIPT_H
#define TESTS_SUPPORT_SCRIPT_H

#include "bed.h"

/* The recorded answer to the first bind of a connection: service 1 with SayHello = 1 and WaveGoodbye = 2. */
#define SCRIPT_BIND_REPLY \
	"2700000010012223080110011a0c0801120853617948656c6c6f1a0f0802120b57617665476f6f64627965"

struct script {
	int listener;
	int fd;
};

void script_open(struct script *script, struct bed *bed);
/* Turns the loop until somebody has connected. */
void script_accept(struct script *script, struct bed *bed);
void script_send(struct script *script, const char *hex);
void script_send_bytes(struct script *script, const void *bytes, size_t size);
/* Turns the loop until so many bytes have come. */
void script_read(struct script *script, struct bed *bed, void *ret_bytes, size_t size);
/* The same; they are thrown away. */
void script_swallow(struct script *script, struct bed *bed, size_t size);
/* Closes the connection, and opens for the next one. */
void script_hang_up(struct script *script);
void script_close(struct script *script);

/* A client that is ready, and its connection accepted. */
hawser_client *script_ready(
    struct script *script, struct bed *bed, const struct hawser_client_options *options);

/* All of it: a client, a binding of "Greeter", bound. */
hawser_binding *script_bound(
    struct script *script, struct bed *bed, const struct hawser_client_options *options);

#endif
