/* SPDX-License-Identifier: MIT
 *
 * See release_core.h. All that is external gets another name, because the library's own is linked, too.
 */
#undef HAWSER_DEBUG
#define binding_machine release_binding_machine
#define binding_fire release_binding_fire

#include "../../src/core/binding.c" /* NOLINT(bugprone-suspicious-include) */
