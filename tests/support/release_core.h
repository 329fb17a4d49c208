/* SPDX-License-Identifier: MIT
 *
 * The two state machines once more, compiled as a release build has them: a pair that is not in the table
 * does not abort, it is told to `missing`.
 */
#ifndef TESTS_SUPPORT_RELEASE_CORE_H
#define TESTS_SUPPORT_RELEASE_CORE_H

#include "core/binding.h"
#include "core/connection.h"

void release_connection_fire(struct connection *connection, enum connection_event event);
void release_binding_fire(struct binding *binding, enum binding_event event);

#endif
