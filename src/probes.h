/* SPDX-License-Identifier: MIT
 *
 * USDT probes of provider "hawser", for hawser-trace, bpftrace and perf. Where nobody listens each is a nop:
 * the arguments are what lies there anyway, and nothing is formatted for them. client is the client's number
 * in its loop, as in logs and in the tag of a connect (loops and processes number their own); name is its
 * name, by default the target; binding and call are addresses, good as keys while the object lives; attempt
 * counts the client's attempts from 1; code is negative errno or 0; strings end with NUL.
 *
 *	attempt_begin  client name round attempt sockaddr sockaddr_size
 *	attempt_end    client name attempt result stage        the connect alone; result: fd or negative errno
 *	failed         client name attempt code stage cause    what status counts: a lookup's too, or a loss
 *	backoff        client name round code cause delay_ns   code, cause: of the failed round
 *	change         client name from to attempt why         when it happens; enum hawser_state
 *	told           client name from to round attempt       when its owner's on_change is about to run
 *	bind           client binding service                  asked for: queued from here on
 *	binding        client binding service from to why      each move; enum hawser_binding_state
 *	call_begin     client binding call method
 *	call_end       client call code fate                   before its owner's callback runs
 *
 * At most six arguments: bpftrace reads no more on x86-64. Without <sys/sdt.h> (Debian: systemtap-sdt-dev) at
 * build time, or with -DHAWSER_NO_PROBES, there are none.
 */
#ifndef HAWSER_PROBES_H
#define HAWSER_PROBES_H

#if !defined(HAWSER_NO_PROBES) && __has_include(<sys/sdt.h>)
#define SDT_USE_VARIADIC 1
#include <sys/sdt.h>
#define PROBE(name, ...) STAP_PROBEV(hawser, name, __VA_ARGS__)
#else
#define PROBE(name, ...) ((void)0)
#endif

#endif
