/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * The same programs for those who load them with bpftool alone: `prog loadall ... pinmaps ... autoattach`. No
 * program is optional and no variable needs a loader; connects are counted under their names, too, so that
 * `map dump` says what happened. Records are not sent until `config.records` is 1, for a ring buffer that
 * nobody reads fills up. connect(2) itself (calls.h) is left out: it costs at every system call.
 */
#include "tcp.h"

#if PLAIN_HAS_RING
#include "ring.h"
#endif

char LICENSE[] SEC("license") = "Dual MIT/GPL";
