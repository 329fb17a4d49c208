/* SPDX-License-Identifier: MIT
 *
 * Tests that are run once for every way to connect.
 */
#ifndef TESTS_TRACE_WAYS_H
#define TESTS_TRACE_WAYS_H

#include "tracing.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>

/* A test for every way to connect. */
#define WAY_TEST(suite, name, ...)                                                          \
	static void suite##_##name(enum way way);                                           \
	ParameterizedTestParameters(suite, name)                                            \
	{                                                                                   \
		static enum way ways[] = {__VA_ARGS__};                                     \
		return cr_make_param_array(enum way, ways, sizeof(ways) / sizeof(ways[0])); \
	}                                                                                   \
	ParameterizedTest(enum way *way, suite, name, .timeout = 60)                        \
	{                                                                                   \
		if (way_is_ring(*way))                                                      \
			tracing_needs("io_uring submissions");                              \
		tracing_begin();                                                            \
		suite##_##name(*way);                                                       \
		tracing_end();                                                              \
	}                                                                                   \
	static void suite##_##name(enum way way)

#define EVERY_WAY WAY_BLOCKING, WAY_NONBLOCKING, WAY_RING, WAY_RING_ASYNC, WAY_RING_SQPOLL, WAY_RING_FIXED
#define RINGS WAY_RING, WAY_RING_ASYNC, WAY_RING_SQPOLL, WAY_RING_FIXED

#endif
