/* SPDX-License-Identifier: MIT
 *
 * What destinations are called in metrics: always printable ASCII, for one byte that is no UTF-8 would cost
 * the whole scrape.
 */
#include "../../tools/hawser-trace/metrics.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>

static void expect_name(uint16_t family, const char *address, const char *path, const char *name)
{
	struct hawser_trace_destination_key key = {.family = family, .port = 80, .netns = 5};
	struct hawser_trace_destination destination = {0};
	struct metrics_row row = {0};

	if (address)
		cr_assert_eq(inet_pton(family, address, key.address), 1);
	if (path)
		memcpy(destination.path, path, strlen(path));
	metrics_row_name(&row, &key, &destination);
	cr_expect_str_eq(row.name, name);
	cr_expect_eq(row.netns, 5);
}

Test(trace_destination_names, destinations_have_names)
{
	char longest[HAWSER_TRACE_PATH_BYTES + 1] = "", escaped[METRICS_NAME_BYTES] = "";

	expect_name(AF_INET, "10.0.0.3", NULL, "10.0.0.3:80");
	expect_name(AF_INET6, "::1", NULL, "[::1]:80");
	expect_name(AF_UNIX, NULL, "/run/x.sock", "/run/x.sock");
	expect_name(AF_UNIX, NULL, "", "unnamed");
	expect_name(AF_UNIX, NULL, "/\xff\n\x7f", "/\\xff\\x0a\\x7f");
	memset(longest, 1, HAWSER_TRACE_PATH_BYTES);
	for (unsigned i = 0; i < HAWSER_TRACE_PATH_BYTES; i++)
		memcpy(escaped + i * 4, "\\x01", 5);
	expect_name(AF_UNIX, NULL, longest, escaped);
	expect_name(0, NULL, NULL, "");
}
