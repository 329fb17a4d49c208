/* SPDX-License-Identifier: MIT
 *
 * See release_core.h. All that is external gets another name, because the library's own is linked, too.
 */
#undef HAWSER_DEBUG
#define connection_machine release_connection_machine
#define connection_fire release_connection_fire
#define connection_can release_connection_can
#define connection_round_begins release_connection_round_begins
#define connection_was_useful release_connection_was_useful
#define connection_ladder_begins release_connection_ladder_begins
#define connection_failed release_connection_failed

#include "../../src/core/connection.c" /* NOLINT(bugprone-suspicious-include) */
