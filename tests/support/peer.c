/* SPDX-License-Identifier: MIT
 *
 * The bare client. Requests are written field by field here, so that no codec under test has a hand in it.
 *
 * Happy path: peer_connect(), peer_bind() or peer_call(), peer_receive() and a comparison of texts.
 * Failures: whatever ends the stream is a word in the place of a frame, so that a test can expect it.
 */
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "golden.h"

enum { HEADER_BYTES = 4 };

static int passed_fd = -1;

static int connect_to(const struct sockaddr *address, socklen_t length, int timeout_ms)
{
	const struct timeval limit = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000L};
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, address, length) < 0) {
		int error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

static int unix_connect(const char *path, int timeout_ms)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(path);
	if (length >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, length);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	else
		length++;
	return connect_to((struct sockaddr *)&address,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length), timeout_ms);
}

int peer_connect_within(const char *target, int timeout_ms)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	char host[64] = "";
	const char *port = strrchr(target, ':');
	if (strncmp(target, "unix:", 5) == 0)
		return unix_connect(target + 5, timeout_ms);
	if (strncmp(target, "tcp:", 4) != 0 || port <= target + 4 || (size_t)(port - target) > sizeof(host))
		return -EINVAL;
	in_port_t number = htons((uint16_t)strtoul(port + 1, NULL, 10));
	bool bracketed = target[4] == '[';
	memcpy(host, target + 4 + bracketed, (size_t)(port - target) - 4 - 2 * (size_t)bracketed);
	v4.sin_port = number;
	v6.sin6_port = number;
	if (inet_pton(AF_INET, host, &v4.sin_addr) == 1)
		return connect_to((struct sockaddr *)&v4, sizeof(v4), timeout_ms);
	if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1)
		return connect_to((struct sockaddr *)&v6, sizeof(v6), timeout_ms);
	return -EINVAL;
}

int peer_connect(const char *target)
{
	return peer_connect_within(target, PEER_TIMEOUT_MS);
}

struct writing {
	size_t length;
	uint8_t bytes[PEER_FRAME_BYTES_MAX + 64];
};

static void varint_write(struct writing *writing, uint64_t value)
{
	for (; value > 0x7f; value >>= 7)
		writing->bytes[writing->length++] = (uint8_t)(value | 0x80);
	writing->bytes[writing->length++] = (uint8_t)value;
}

static void number_write(struct writing *writing, unsigned field, uint64_t value)
{
	varint_write(writing, field << 3);
	varint_write(writing, value);
}

static void bytes_write(struct writing *writing, unsigned field, const void *bytes, size_t length)
{
	varint_write(writing, field << 3 | 2);
	varint_write(writing, length);
	if (length > 0)
		memcpy(writing->bytes + writing->length, bytes, length);
	writing->length += length;
}

static void frame_write(
    struct writing *frame, uint64_t request_id, unsigned field, const struct writing *message)
{
	frame->length = HEADER_BYTES;
	number_write(frame, 2, request_id);
	bytes_write(frame, field, message->bytes, message->length);
	uint32_t length = (uint32_t)(frame->length - HEADER_BYTES);
	for (size_t i = 0; i < HEADER_BYTES; i++)
		frame->bytes[i] = (uint8_t)(length >> (8 * i));
}

static int bytes_send(int fd, const uint8_t *bytes, size_t length, int fd_to_pass)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = {
	    .header = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	memcpy(CMSG_DATA(&control.header), &fd_to_pass, sizeof(int));
	for (size_t done = 0; done < length;) {
		struct iovec rest = {.iov_base = (void *)(uintptr_t)(bytes + done), .iov_len = length - done};
		struct msghdr message = {.msg_iov = &rest, .msg_iovlen = 1};
		if (done == 0 && fd_to_pass >= 0) {
			message.msg_control = &control;
			message.msg_controllen = sizeof(control.bytes);
		}
		ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
		if (sent < 0)
			return -errno;
		done += (size_t)sent;
	}
	return 0;
}

int peer_send(int fd, const void *bytes, size_t length)
{
	return bytes_send(fd, bytes, length, -1);
}

int peer_send_hex(int fd, const char *hex)
{
	static uint8_t bytes[PEER_FRAME_BYTES_MAX];
	int length = hex_decode(hex, bytes, sizeof(bytes));
	return length < 0 ? -EINVAL : peer_send(fd, bytes, (size_t)length);
}

int peer_bind(int fd, uint64_t request_id, const char *service)
{
	static struct writing message, frame;
	message.length = 0;
	bytes_write(&message, 1, service, strlen(service));
	frame_write(&frame, request_id, 3, &message);
	return peer_send(fd, frame.bytes, frame.length);
}

int peer_call(int fd, const struct peer_call *call)
{
	static struct writing message, frame;
	message.length = 0;
	number_write(&message, 1, call->service_id);
	number_write(&message, 2, call->method_id);
	bytes_write(&message, 3, call->args, call->args_length);
	if (call->drop_reply)
		number_write(&message, 4, 1);
	frame_write(&frame, call->request_id, 5, &message);
	return bytes_send(fd, frame.bytes, frame.length, call->passed_fd);
}

int peer_invoke(int fd, uint64_t request_id, uint32_t service_id, uint32_t method_id, const char *args)
{
	struct peer_call call = {request_id, service_id, method_id, args, strlen(args), false, -1};
	return peer_call(fd, &call);
}

static void passed_fd_keep(struct msghdr *message)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	if (header == NULL || header->cmsg_type != SCM_RIGHTS)
		return;
	memcpy(&passed_fd, CMSG_DATA(header), sizeof(int));
}

/* Returns NULL when all bytes came, else the word for what came instead. */
static const char *bytes_receive(int fd, uint8_t *bytes, size_t length, int timeout_ms)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control;
	for (size_t done = 0; done < length;) {
		struct pollfd readable = {.fd = fd, .events = POLLIN};
		if (poll(&readable, 1, timeout_ms) == 0)
			return "SILENCE";
		struct iovec rest = {.iov_base = bytes + done, .iov_len = length - done};
		struct msghdr message = {
		    .msg_iov = &rest,
		    .msg_iovlen = 1,
		    .msg_control = &control,
		    .msg_controllen = sizeof(control),
		};
		ssize_t received = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
		if (received < 0)
			return errno == ECONNRESET ? "RESET" : "ERROR";
		if (received == 0)
			return done == 0 ? "EOF" : "PARTIAL";
		passed_fd_keep(&message);
		done += (size_t)received;
	}
	return NULL;
}

const char *peer_receive_within(int fd, int timeout_ms)
{
	static uint8_t frame[PEER_FRAME_BYTES_MAX];
	static char hex[2 * PEER_FRAME_BYTES_MAX + 1];
	passed_fd = -1;
	const char *ended = bytes_receive(fd, frame, HEADER_BYTES, timeout_ms);
	if (ended != NULL)
		return ended;
	size_t length = frame[0] | (size_t)frame[1] << 8 | (size_t)frame[2] << 16 | (size_t)frame[3] << 24;
	if (length > sizeof(frame) - HEADER_BYTES)
		return "OVERSIZE";
	ended = bytes_receive(fd, frame + HEADER_BYTES, length, timeout_ms);
	if (ended != NULL)
		return strcmp(ended, "EOF") == 0 ? "PARTIAL" : ended;
	hex_encode(frame, HEADER_BYTES + length, hex);
	return hex;
}

const char *peer_receive(int fd)
{
	return peer_receive_within(fd, PEER_TIMEOUT_MS);
}

int peer_passed_fd(void)
{
	return passed_fd;
}

const char *peer_reply_hex(uint64_t request_id, bool more, const char *text)
{
	static struct writing message, frame;
	static char hex[2 * PEER_FRAME_BYTES_MAX + 1];
	message.length = 0;
	number_write(&message, 1, 1);
	number_write(&message, 2, more);
	bytes_write(&message, 3, text, strlen(text));
	frame_write(&frame, request_id, 6, &message);
	hex_encode(frame.bytes, frame.length, hex);
	return hex;
}
