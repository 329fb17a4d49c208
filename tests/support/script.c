/* SPDX-License-Identifier: MIT
 *
 * See script.h.
 */
#include "script.h"
#include "sockets.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

void script_open(struct script *script, struct bed *bed)
{
	script->listener = sockets_listen_path(bed->target, 8);
	script->fd = -1;
}

void script_accept(struct script *script, struct bed *bed)
{
	for (int i = 0; i < 500 && script->fd < 0; i++) {
		cr_assert_eq(hawser_loop_run_once(bed->loop, 10), 0);
		script->fd = accept4(script->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	}
	cr_assert_geq(script->fd, 0, "nobody connected; told was:\n%s", bed->log);
}

void script_send_bytes(struct script *script, const void *bytes, size_t size)
{
	cr_assert_eq(send(script->fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

void script_send(struct script *script, const char *hex)
{
	unsigned char bytes[4096];
	size_t size = 0;

	for (; hex[0] && hex[1]; hex += 2) {
		unsigned byte;

		cr_assert_eq(sscanf(hex, "%2x", &byte), 1);
		bytes[size++] = (unsigned char)byte;
	}
	script_send_bytes(script, bytes, size);
}

void script_read(struct script *script, struct bed *bed, void *ret_bytes, size_t size)
{
	char *bytes = ret_bytes;
	unsigned silent_ms = 0;

	while (size > 0 && silent_ms < bed_patience_ms()) {
		ssize_t got = recv(script->fd, bytes, size, MSG_DONTWAIT);

		if (got > 0) {
			bytes += got;
			size -= (size_t)got;
			cr_assert_eq(hawser_loop_run_once(bed->loop, 0), 0);
		} else {
			cr_assert(got < 0 && errno == EAGAIN, "the client has gone");
			cr_assert_eq(hawser_loop_run_once(bed->loop, 5), 0);
			silent_ms += 5;
		}
	}
	cr_assert_eq(size, 0, "%zu bytes did not come", size);
}

void script_swallow(struct script *script, struct bed *bed, size_t size)
{
	char bytes[65536];

	while (size > 0) {
		size_t part = size < sizeof(bytes) ? size : sizeof(bytes);

		script_read(script, bed, bytes, part);
		size -= part;
	}
}

void script_hang_up(struct script *script)
{
	close(script->fd);
	script->fd = -1;
}

void script_close(struct script *script)
{
	if (script->fd >= 0)
		close(script->fd);
	close(script->listener);
}

hawser_client *script_ready(
    struct script *script, struct bed *bed, const struct hawser_client_options *options)
{
	hawser_client *client;

	script_open(script, bed);
	client = bed_client(bed, options);
	script_accept(script, bed);
	bed_wait(bed, "client ready");
	return client;
}

hawser_binding *script_bound(
    struct script *script, struct bed *bed, const struct hawser_client_options *options)
{
	hawser_binding *binding;

	script_open(script, bed);
	binding = bed_bind(bed, bed_client(bed, options), "Greeter");
	script_accept(script, bed);
	script_swallow(script, bed, 17);
	script_send(script, SCRIPT_BIND_REPLY);
	bed_wait(bed, "Greeter bound");
	return binding;
}
