/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * The eBPF programs that watch connects, on BTF tracepoints alone: no kprobe and no fentry is needed. The
 * loader (src/trace) chooses among the optional ones by what the kernel's BTF says it has.
 */
#include "tcp.h"

#include "calls.h"
#include "ring.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";
