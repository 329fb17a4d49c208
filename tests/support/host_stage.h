/* SPDX-License-Identifier: MIT
 *
 * A hawser-host to be started by a test, with a folder and a unix target of its own.
 */
#ifndef HAWSER_TESTS_HOST_STAGE_H
#define HAWSER_TESTS_HOST_STAGE_H

#include "host.h"

#include <stdbool.h>

extern struct host host;
extern char directory[HOST_PATH_BYTES];
extern char target[HOST_TARGET_BYTES];
extern const char *path; /* of the target */

/* For a TestSuite's init and fini. */
void host_stage_set_up(void);
void host_stage_tear_down(void);

#define START(...) cr_assert_eq(host_start(&host, HOST_ARGUMENTS(__VA_ARGS__)), 0, "%s", host_errors(&host))

/* Asserts that it answers there. */
void serves(const char *where);
bool exists(const char *name);

#endif
