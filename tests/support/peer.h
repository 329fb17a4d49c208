/* SPDX-License-Identifier: MIT
 *
 * A bare client for tests of hosts: one blocking socket with a time limit, frames in hexadecimal. It knows
 * how requests are laid out and nothing else; replies are compared as text.
 */
#ifndef HAWSER_TESTS_PEER_H
#define HAWSER_TESTS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PEER_FRAME_BYTES_MAX = 131072,
	PEER_TIMEOUT_MS = 10000, /* a bound on hangs */
	PEER_SILENCE_MS = 150,   /* how long silence is listened to */
};

/* unix:PATH, unix:@NAME, tcp:IPV4:PORT or tcp:[IPV6]:PORT. -errno; -EAGAIN: not within timeout_ms. */
int peer_connect_within(const char *target, int timeout_ms);
int peer_connect(const char *target); /* within PEER_TIMEOUT_MS */

/* All bytes, or -errno. */
int peer_send(int fd, const void *bytes, size_t length);
int peer_send_hex(int fd, const char *hex);

int peer_bind(int fd, uint64_t request_id, const char *service);
int peer_invoke(int fd, uint64_t request_id, uint32_t service_id, uint32_t method_id, const char *args);

/* Everything an invoke can carry; passed_fd -1 passes none. */
struct peer_call {
	uint64_t request_id;
	uint32_t service_id;
	uint32_t method_id;
	const void *args;
	size_t args_length;
	bool drop_reply;
	int passed_fd;
};
int peer_call(int fd, const struct peer_call *call);

/*
 * The next frame, header included, in hexadecimal; or "EOF", "RESET" or "SILENCE" (nothing within
 * timeout_ms), or "PARTIAL" (the stream ended inside a frame) or "OVERSIZE" (a header above the limit). Valid
 * until the next call.
 */
const char *peer_receive_within(int fd, int timeout_ms);
const char *peer_receive(int fd); /* within PEER_TIMEOUT_MS */

/* The descriptor that came with the last frame, for the caller to close, or -1. */
int peer_passed_fd(void);

/* The same notation for the reply that Echo would give: success, has_more and text. */
const char *peer_reply_hex(uint64_t request_id, bool more, const char *text);

#endif
