/* SPDX-License-Identifier: MIT
 *
 * USDT probes of provider "hawser", for hawser-trace, bpftrace and perf. Where nobody listens each is a nop:
 * the arguments are what lies there anyway, and nothing is formatted for them. client is the client's number
 * in its loop, as in logs and in the tag of a connect; binding and call are addresses, good as keys while the
 * object lives; strings end with NUL.
 *
 *	attempt_begin  client name round attempt sockaddr sockaddr_size
 *	attempt_end    client name round attempt code stage fd    code: 0 or negative errno; fd: -1 unless 0
 *	change         client name from to round attempt why      when it happens; states: enum hawser_state
 *	told           client name from to round attempt          when its owner's on_change is about to run
 *	backoff        client name round code cause delay_ns      code, cause: of the failed round
 *	bind           client binding service                     asked for
 *	binding        client binding service from to why         each move; enum hawser_binding_state
 *	call_begin     client binding call method
 *	call_end       client call code fate                      before its owner's callback runs
 *
 * Without <sys/sdt.h> (Debian: systemtap-sdt-dev) at build time there are none.
 */
#ifndef HAWSER_PROBES_H
#define HAWSER_PROBES_H

#if __has_include(<sys/sdt.h>)
#define SDT_USE_VARIADIC 1
#include <sys/sdt.h>
#define PROBE(name, ...) STAP_PROBEV(hawser, name, __VA_ARGS__)
#else
#define PROBE(name, ...) ((void)0)
#endif

#endif
