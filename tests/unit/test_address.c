/* SPDX-License-Identifier: MIT
 *
 * Addresses: their text, cut and escaped; numeric ones read; which are the same.
 */
#include "net/address.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

TestSuite(address, .timeout = 20);

static struct address unix_address(const void *path, size_t size)
{
	struct address address = {.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)};

	address.un.sun_family = AF_UNIX;
	memcpy(address.un.sun_path, path, size);
	return address;
}

static struct address numeric(const char *text, unsigned short port)
{
	struct address address;

	cr_assert_eq(address_parse_numeric(text, port, &address), 0, "%s", text);
	return address;
}

static void expect_text(struct address address, const char *expected)
{
	char text[ADDRESS_TEXT_MAX];

	cr_assert_str_eq(address_format(&address, text, sizeof text), expected);
}

Test(address, of_the_internet_as_text)
{
	expect_text(numeric("10.0.0.1", 80), "10.0.0.1:80");
	expect_text(numeric("255.255.255.255", 65535), "255.255.255.255:65535");
	expect_text(numeric("::1", 80), "[::1]:80");
	expect_text(numeric("2001:db8::1", 443), "[2001:db8::1]:443");
	expect_text(numeric("fe80::1%lo", 1), "[fe80::1%lo]:1");
	expect_text(
	    numeric("fe80::1%4294967295", 1), "[fe80::1%4294967295]:1"); /* an interface that has gone */
}

Test(address, of_a_unix_socket_as_text)
{
	expect_text(unix_address("/run/x.sock", sizeof "/run/x.sock"), "/run/x.sock");
	expect_text(unix_address("/run/x.sock", strlen("/run/x.sock")), "/run/x.sock");
	expect_text(unix_address("\0name", 5), "@name");
	expect_text(unix_address("\0a\0b\n\xff", 6), "@a\\x00b\\x0a\\xff");
	expect_text(unix_address("/a\tb", 5), "/a\\x09b");
	expect_text(unix_address("", 0), ""); /* a socket without a name */
}

Test(address, none_and_unknown_as_text)
{
	struct address address = {.size = 0};

	expect_text(address, "");
	address.size = sizeof address.any;
	address.any.sa_family = AF_APPLETALK;
	expect_text(address, "family 5");
}

Test(address, text_is_cut_between_characters_and_always_ended)
{
	struct address address = unix_address("\0ab\n", 4);
	char text[16];

	for (size_t size = 1; size < sizeof text; size++) {
		const char *expected = size > 7   ? "@ab\\x0a"
				       : size > 3 ? "@ab"
				       : size > 2 ? "@a"
				       : size > 1 ? "@"
						  : "";

		memset(text, 'x', sizeof text);
		address_format(&address, text, size);
		cr_assert_str_eq(text, expected);
		cr_assert_eq(text[size], 'x');
	}
	memset(text, 'x', sizeof text);
	address_format(&address, text, 0);
	cr_assert_eq(text[0], 'x');
}

Test(address, the_longest_text_fits)
{
	struct address address = unix_address("", 0);
	char text[ADDRESS_TEXT_MAX];

	address.size = sizeof address.un;
	memset(address.un.sun_path, 'p', sizeof address.un.sun_path); /* no NUL at all */
	cr_assert_eq(strlen(address_format(&address, text, sizeof text)), sizeof address.un.sun_path);
	memset(address.un.sun_path, '\n', sizeof address.un.sun_path);
	cr_assert_eq(strlen(address_format(&address, text, sizeof text)), 124);
	cr_assert_eq(strlen(address_format(&(struct address){.size = sizeof address.in6,
					       .in6 = {.sin6_family = AF_INET6,
						   .sin6_port = 0xffff,
						   .sin6_scope_id = UINT32_MAX,
						   .sin6_addr.s6_addr = {[0 ... 15] = 0xff}}},
			 text, sizeof text)),
	    strlen("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535"));
}

Test(address, numeric_ones_are_read)
{
	struct address address = numeric("10.1.2.3", 4711);

	cr_assert_eq(address.size, sizeof address.in);
	cr_assert_eq(address.in.sin_family, AF_INET);
	cr_assert_eq(address.in.sin_port, htons(4711));
	cr_assert_eq(address.in.sin_addr.s_addr, htonl(0x0a010203));
	address = numeric("fe80::1%lo", 4711);
	cr_assert_eq(address.size, sizeof address.in6);
	cr_assert_eq(address.in6.sin6_port, htons(4711));
	cr_assert_eq(address.in6.sin6_scope_id, if_nametoindex("lo"));
	cr_assert_eq(numeric("fe80::1%7", 1).in6.sin6_scope_id, 7);
	cr_assert_eq(numeric("::ffff:10.0.0.1", 1).any.sa_family, AF_INET6);
}

Test(address, what_is_not_numeric_is_refused)
{
	const char *texts[] = {"", "localhost", "10.0.0", "10.0.0.256", "10.0.0.1 ", "010.0.0.1", "[::1]",
	    "::g", "1:2", "fe80::1%", "fe80::1%nowhere0", "fe80::1%0", "fe80::1%1x", "fe80::1%4294967296",
	    "fe80::1%99999999999999999999", "10.0.0.1%lo",
	    "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct address address;
		unsigned char *bytes = (unsigned char *)&address;

		memset(bytes, 0x5a, sizeof address);
		cr_assert_eq(address_parse_numeric(texts[i], 80, &address), -EINVAL, "%s", texts[i]);
		for (size_t k = 0; k < sizeof address; k++)
			cr_assert_eq(bytes[k], 0x5a);
	}
}

Test(address, equal_when_they_lead_to_the_same_place)
{
	struct address none = {.size = 0};
	struct address padded = numeric("10.0.0.1", 80);
	struct address flow = numeric("::1", 80);
	const struct address addresses[] = {none, numeric("10.0.0.1", 80), numeric("10.0.0.1", 81),
	    numeric("10.0.0.2", 80), numeric("::1", 80), numeric("::1", 81), numeric("::2", 80),
	    numeric("::1%lo", 80), unix_address("/x", 3), unix_address("/y", 3), unix_address("/x", 2),
	    unix_address("\0x", 2)};
	const size_t count = sizeof addresses / sizeof *addresses;
	struct address mixed = numeric("10.0.0.1", 80);

	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < count; k++)
			cr_assert_eq(address_equal(&addresses[i], &addresses[k]), i == k, "%zu %zu", i, k);
	memset(padded.in.sin_zero, 1, sizeof padded.in.sin_zero);
	cr_assert(address_equal(&padded, &addresses[1]));
	flow.in6.sin6_flowinfo = 1;
	cr_assert(address_equal(&flow, &addresses[4]));
	mixed.any.sa_family = AF_UNIX;
	cr_assert_not(address_equal(&mixed, &addresses[1]));
}
