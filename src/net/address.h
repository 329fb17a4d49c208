/* SPDX-License-Identifier: MIT
 *
 * One address to connect to, and its text.
 */
#ifndef HAWSER_NET_ADDRESS_H
#define HAWSER_NET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { ADDRESS_TEXT_MAX = 128, ADDRESSES_MAX = 32 /* of one name; more are ignored, said in the log */ };

struct address {
	socklen_t size; /* 0: none (fd: targets) */
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	};
};

/* "10.0.0.1:80", "[fe80::1%eth0]:80", "/run/x.sock", "@abstract" (bytes that do not print as \xNN); always
 * ended by NUL, cut at size. Returns text. */
const char *address_format(const struct address *address, char *text, size_t size);

/* A numeric IPv4 or IPv6 address (without brackets, with a %zone if need be). 0 or -EINVAL. */
int address_parse_numeric(const char *text, unsigned short port, struct address *ret_address);

/* An address of a network in 19 bytes, without its zone. Of others only the family is kept: they are the one
 * address of their target. */
struct brief_address {
	uint16_t port;  /* network byte order */
	uint8_t family; /* AF_UNSPEC: none */
	uint8_t bytes[16];
};
void address_brief(const struct address *address, struct brief_address *ret_brief);
struct address address_unbrief(const struct brief_address *brief, const struct address *of_target);

bool address_equal(const struct address *a, const struct address *b);

#endif
