/* SPDX-License-Identifier: MIT
 *
 * Sockets as hawser makes them: nonblocking, CLOEXEC, TCP_NODELAY, and nothing else unless it was asked for.
 */
#ifndef HAWSER_NET_SOCKET_H
#define HAWSER_NET_SOCKET_H

#include "net/address.h"
#include <hawser/base.h>
#include <stdint.h>
#include <sys/types.h>

/* "Not set" is HAWSER_AUTO everywhere; addresses have size 0, device is "". */
struct socket_options {
	bool tcp_delay;
	uint32_t tcp_user_timeout_ms;
	uint32_t keepalive_idle_s;
	uint32_t keepalive_interval_s;
	uint32_t keepalive_probes;
	uint32_t send_buffer_size;
	uint32_t receive_buffer_size;
	uint32_t mark;
	uint32_t local_port;
	struct address local_address;
	char device[16]; /* IFNAMSIZ */
};

/* Nothing but TCP_NODELAY. */
#define SOCKET_OPTIONS_NONE                                                                               \
	{                                                                                                 \
		.tcp_user_timeout_ms = HAWSER_AUTO, .keepalive_idle_s = HAWSER_AUTO,                      \
		.keepalive_interval_s = HAWSER_AUTO, .keepalive_probes = HAWSER_AUTO,                     \
		.send_buffer_size = HAWSER_AUTO, .receive_buffer_size = HAWSER_AUTO, .mark = HAWSER_AUTO, \
		.local_port = HAWSER_AUTO                                                                 \
	}

struct socket_peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

/* A socket for this address with the options set: the fd, or a negative errno. Binds (with
 * IP_BIND_ADDRESS_NO_PORT when only an address is given) only when a local address or port was asked for. */
int socket_open(const struct address *address, const struct socket_options *options);

/* Is it really connected? 0; else SO_ERROR as a negative errno; else -ENOTCONN. io_uring's connect can
 * complete with 0 although an ICMP error came (README, limits), so only getpeername is believed. AF_UNIX
 * needs no verification after a connect that said 0, but an adopted descriptor does. */
int socket_verify(int fd);

/* An adopted descriptor: a connected stream socket? Makes it nonblocking and CLOEXEC. 0, -EBADF, -ENOTSOCK,
 * -ENOTCONN, -EPROTOTYPE (not a stream). */
int socket_adopt(int fd);

/* Of any descriptor: 0 or -EBADF. */
int socket_check_fd(int fd);

/* Of a unix socket; -EOPNOTSUPP for one that has no credentials. */
int socket_peer_read(int fd, struct socket_peer *ret_peer);
bool socket_is_unix(int fd);

#endif
