/* SPDX-License-Identifier: MIT
 *
 * Targets: what each kind becomes, and that every mistake is told by the part that is wrong.
 */
#include "net/target.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MAX_BYTES = 107, UNTOUCHED = 0x5a };

TestSuite(target, .timeout = 20);

static struct target parsed(const char *text)
{
	struct target target;
	char why[256] = "";

	cr_assert_eq(target_parse(text, &target, why, sizeof why), 0, "%s: %s", text, why);
	cr_assert_str_empty(why);
	return target;
}

/* Still every byte as memset left it. */
static bool is_untouched(const void *object, size_t size)
{
	const unsigned char *bytes = object;
	size_t i = 0;

	while (i < size && bytes[i] == UNTOUCHED)
		i++;
	return i == size;
}

/* The sentence says `part`, and the target is as it was. */
static void expect_refused(const char *text, const char *part)
{
	struct target target;
	char why[256];

	memset(&target, UNTOUCHED, sizeof target);
	memset(why, 'w', sizeof why);
	cr_assert_eq(target_parse(text, &target, why, sizeof why), -EINVAL, "%s", text);
	cr_assert(memchr(why, '\0', sizeof why));
	cr_assert_not_null(strstr(why, part), "%s: \"%s\" does not say \"%s\"", text, why, part);
	cr_assert(is_untouched(&target, sizeof target));
	cr_assert_eq(target_parse(text, &target, NULL, 0), -EINVAL);
}

/* prefix, then count times the character, then suffix. */
static const char *repeated(const char *prefix, char character, size_t count, const char *suffix)
{
	static char text[1024];
	char middle[600];

	cr_assert_lt(count, sizeof middle);
	memset(middle, character, count);
	snprintf(text, sizeof text, "%s%.*s%s", prefix, (int)count, middle, suffix);
	return text;
}

Test(target, a_unix_path_becomes_its_address)
{
	struct target target = parsed("unix:/run/x.sock");

	cr_assert_eq(target.kind, TARGET_UNIX);
	cr_assert_eq(target.address.un.sun_family, AF_UNIX);
	cr_assert_str_eq(target.address.un.sun_path, "/run/x.sock");
	cr_assert_eq(target.address.size, offsetof(struct sockaddr_un, sun_path) + sizeof "/run/x.sock");
	cr_assert_eq(target.fd, -1);
}

Test(target, a_unix_path_may_be_relative_and_hold_a_colon)
{
	cr_assert_str_eq(parsed("unix:x:y.sock").address.un.sun_path, "x:y.sock");
}

Test(target, an_abstract_name_is_as_long_as_it_is)
{
	struct target target = parsed("unix:@name");

	cr_assert_eq(target.kind, TARGET_UNIX);
	cr_assert_eq(memcmp(target.address.un.sun_path, "\0name", 5), 0);
	cr_assert_eq(target.address.size, offsetof(struct sockaddr_un, sun_path) + 5);
}

Test(target, unix_names_of_107_bytes_pass)
{
	struct target path = parsed(repeated("unix:", 'p', NAME_MAX_BYTES, ""));
	struct target abstract = parsed(repeated("unix:@", 'p', NAME_MAX_BYTES, ""));

	cr_assert_eq(strlen(path.address.un.sun_path), NAME_MAX_BYTES);
	cr_assert_eq(path.address.size, sizeof(struct sockaddr_un));
	cr_assert_eq(abstract.address.size, sizeof(struct sockaddr_un));
	cr_assert_eq(abstract.address.un.sun_path[NAME_MAX_BYTES], 'p');
}

Test(target, a_unix_name_too_long_is_told_with_its_length)
{
	expect_refused(repeated("unix:", 'p', NAME_MAX_BYTES + 1, ""), "unix: the path has 108 bytes");
	expect_refused(repeated("unix:", 'p', NAME_MAX_BYTES + 1, ""), "the limit is 107");
	expect_refused(repeated("unix:@", 'p', NAME_MAX_BYTES + 1, ""), "abstract name has 108 bytes");
	expect_refused(repeated("unix:/", 'p', 300, ""), "the path has 301 bytes");
}

Test(target, an_empty_unix_name_is_refused)
{
	expect_refused("unix:", "unix: the path is empty");
	expect_refused("unix:@", "unix: the abstract name after '@' is empty");
	expect_refused("unix:/run/", "\"/run/\" names a directory");
}

Test(target, a_numeric_address_needs_no_lookup)
{
	struct target target = parsed("tcp:10.1.2.3:80");

	cr_assert_eq(target.kind, TARGET_NUMERIC);
	cr_assert_eq(target.port, 80);
	cr_assert_eq(target.address.size, sizeof(struct sockaddr_in));
	cr_assert_eq(target.address.in.sin_port, htons(80));
	cr_assert_eq(target.address.in.sin_addr.s_addr, htonl(0x0a010203));
	target = parsed("tcp:[::1]:65535");
	cr_assert_eq(target.kind, TARGET_NUMERIC);
	cr_assert_eq(target.port, 65535);
	cr_assert_eq(target.address.size, sizeof(struct sockaddr_in6));
	cr_assert_eq(target.address.in6.sin6_port, htons(65535));
	cr_assert(IN6_IS_ADDR_LOOPBACK(&target.address.in6.sin6_addr));
	cr_assert_eq(parsed("tcp:[fe80::1%lo]:80").address.in6.sin6_scope_id, 1);
}

Test(target, a_name_is_kept_where_it_stands)
{
	const char *text = "tcp:some-host_1.example.:8080";
	struct target target = parsed(text);

	cr_assert_eq(target.kind, TARGET_NAME);
	cr_assert_eq(target.port, 8080);
	cr_assert_eq(target.host_size, strlen("some-host_1.example."));
	cr_assert_eq(memcmp(text + target.host_at, "some-host_1.example.", target.host_size), 0);
	cr_assert_eq(target.address.size, 0);
	cr_assert_eq(parsed(repeated("tcp:", 'h', TARGET_HOST_MAX, ":1")).host_size, TARGET_HOST_MAX);
}

Test(target, a_host_that_is_none_is_refused)
{
	expect_refused("tcp::80", "tcp: the host is empty");
	expect_refused("tcp:", "tcp: the host is empty");
	expect_refused("tcp:[]:80", "tcp: the host in brackets is empty");
	expect_refused(
	    repeated("tcp:", 'h', TARGET_HOST_MAX + 1, ":1"), "the host has 256 bytes, and the limit is 255");
	expect_refused("tcp:a b:80", "character that no host name has, ' '");
	expect_refused("tcp:http//a:80", "character that no host name has, '/'");
	expect_refused("tcp:a\nb:80", "'?'");
	expect_refused("tcp:256.1.1.1:80", "\"256.1.1.1\" is not an IPv4 address");
	expect_refused("tcp:127.1:80", "\"127.1\" is not an IPv4 address");
}

Test(target, ipv6_needs_brackets_and_both_of_them)
{
	expect_refused("tcp:::1:80", "an IPv6 address needs brackets");
	expect_refused("tcp:a:80:90", "\"a:80:90\" has more than one ':'");
	expect_refused("tcp:[::1:80", "missing ']' after the IPv6 address \"::1:80\"");
	expect_refused("tcp:[::1]80", "trailing characters \"80\" after ']'");
	expect_refused("tcp:[::g]:80", "\"::g\" in brackets is not an IPv6 address");
	expect_refused("tcp:[10.0.0.1]:80", "\"10.0.0.1\" in brackets is not an IPv6 address");
	expect_refused("tcp:[fe80::1%nowhere0]:80", "zone of an interface");
	expect_refused(repeated("tcp:[", ':', TARGET_HOST_MAX + 1, "]:80"), "is not an IPv6 address");
}

Test(target, a_port_is_a_number_from_1_to_65535)
{
	cr_assert_eq(parsed("tcp:h:1").port, 1);
	cr_assert_eq(parsed("tcp:h:65535").port, 65535);
	expect_refused("tcp:h", "tcp: the port is missing");
	expect_refused("tcp:h:", "tcp: the port is missing");
	expect_refused("tcp:[::1]", "tcp: the port is missing");
	expect_refused("tcp:[::1]:", "tcp: the port is missing");
	expect_refused("tcp:h:0", "the port \"0\" is not a number from 1 to 65535");
	expect_refused("tcp:h:65536", "the port \"65536\" is not");
	expect_refused("tcp:h:99999999999999999999999", "is not a number from 1 to 65535");
	expect_refused("tcp:h:-1", "the port \"-1\" is not");
	expect_refused("tcp:h:+1", "the port \"+1\" is not");
	expect_refused("tcp:h:http", "the port \"http\" is not");
	expect_refused("tcp:h:80x", "the port 80 has trailing characters \"x\"");
	expect_refused("tcp:[::1]:80 ", "the port 80 has trailing characters \" \"");
}

Test(target, a_descriptor_is_its_number)
{
	struct target target = parsed("fd:17");

	cr_assert_eq(target.kind, TARGET_FD);
	cr_assert_eq(target.fd, 17);
	cr_assert_eq(target.address.size, 0);
	cr_assert_eq(parsed("fd:0").fd, 0);
	cr_assert_eq(parsed("fd:2147483647").fd, 2147483647);
	expect_refused("fd:", "fd: the descriptor's number is missing");
	expect_refused("fd:x", "fd: \"x\" is not a descriptor's number");
	expect_refused("fd:-1", "fd: \"-1\" is not");
	expect_refused("fd:2147483648", "fd: \"2147483648\" is not");
	expect_refused("fd:3,4", "fd: the number 3 has trailing characters \",4\"");
}

Test(target, an_unknown_scheme_is_told_with_those_there_are)
{
	expect_refused("http://x", "unknown scheme \"http\" (there are unix, tcp and fd)");
	expect_refused("UNIX:/x", "unknown scheme \"UNIX\"");
	expect_refused("tcp6:[::1]:80", "unknown scheme \"tcp6\"");
	expect_refused(":80", "unknown scheme \"\"");
	expect_refused("/run/x.sock", "\"/run/x.sock\" has no scheme (expected unix:, tcp: or fd: first)");
	expect_refused("", "the target is empty");
	expect_refused(
	    repeated("unix:", 'x', TARGET_TEXT_MAX, ""), "the target has 517 bytes, and the limit is 512");
}

Test(target, a_sentence_is_one_line_cut_where_it_must_be)
{
	struct target target;
	char why[12];

	expect_refused("a\nb:c", "unknown scheme \"a?b\"");
	cr_assert_eq(target_parse("http://x", &target, why, sizeof why), -EINVAL);
	cr_assert_str_eq(why, "unknown sch");
}

/* Nothing is read beyond the text, and what is accepted is in bounds: every text of four characters that
 * matter. */
Test(target, every_short_text_is_parsed_or_refused)
{
	static const char characters[] = {
	    '\0', ':', '[', ']', '@', '/', '.', '%', '1', '0', 'a', ' ', (char)0xff};
	const char *schemes[] = {"unix:", "tcp:", "fd:", "tcp:h:", "tcp:[::1", ""};
	const size_t count = sizeof characters;
	unsigned accepted = 0;

	for (size_t scheme = 0; scheme < sizeof schemes / sizeof *schemes; scheme++)
		for (size_t i = 0; i < count * count * count * count; i++) {
			char text[16];
			char why[64] = "";
			struct target target;
			int length = snprintf(text, sizeof text, "%s%c%c%c%c", schemes[scheme],
			    characters[i % count], characters[i / count % count],
			    characters[i / count / count % count], characters[i / count / count / count]);

			cr_assert_lt((size_t)length, sizeof text);
			if (target_parse(text, &target, why, sizeof why) == 0) {
				accepted++;
				cr_assert_leq(target.address.size, sizeof target.address.un);
				cr_assert_leq((size_t)target.host_at + target.host_size, strlen(text));
				cr_assert_eq(target.kind == TARGET_NAME || target.kind == TARGET_NUMERIC,
				    target.port > 0);
			} else {
				cr_assert_neq(why[0], '\0', "%s", text);
			}
		}
	cr_assert_gt(accepted, 1000);
}

static void expect_place(const char *text, const char *directory, const char *file)
{
	struct target target = parsed(text);
	char found[128] = "untouched";

	cr_assert_eq(target_directory(&target, found, sizeof found), 0);
	cr_assert_str_eq(found, directory);
	cr_assert_str_eq(target_file(&target), file);
}

Test(target, the_directory_of_a_path_is_where_its_file_appears)
{
	expect_place("unix:/run/x.sock", "/run", "x.sock");
	expect_place("unix:/run/user/1000/x.sock", "/run/user/1000", "x.sock");
	expect_place("unix:/x.sock", "/", "x.sock");
	expect_place("unix:x.sock", ".", "x.sock");
	expect_place("unix:run/x.sock", "run", "x.sock");
	expect_place("unix:./x.sock", ".", "x.sock");
}

Test(target, what_has_no_directory_says_so)
{
	const char *texts[] = {"unix:@name", "tcp:h:1", "tcp:10.0.0.1:1", "fd:3"};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct target target = parsed(texts[i]);
		char directory[16] = "untouched";

		cr_assert_eq(target_directory(&target, directory, sizeof directory), -ENOENT);
		cr_assert_str_eq(directory, "untouched");
		cr_assert_null(target_file(&target));
	}
}

Test(target, a_directory_that_does_not_fit_says_so)
{
	struct target target = parsed("unix:/run/x.sock");
	char directory[5] = "abcd";

	cr_assert_eq(target_directory(&target, directory, 4), -ENAMETOOLONG);
	cr_assert_str_eq(directory, "abcd");
	cr_assert_eq(target_directory(&target, directory, 5), 0);
	cr_assert_str_eq(directory, "/run");
	target = parsed("unix:x");
	cr_assert_eq(target_directory(&target, directory, 1), -ENAMETOOLONG);
}
