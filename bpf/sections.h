/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * Who chooses the programs. In the object that the library carries all are optional ("?"), and its loader
 * takes those that the running kernel has the tracepoints for. bpftool takes every program of an object or
 * none: hawser_trace_plain.bpf.c is therefore compiled once for each range of kernels, named by the first of
 * them, HAWSER_BPF_PLAIN (6.14 is 614).
 */
#ifndef HAWSER_BPF_SECTIONS_H
#define HAWSER_BPF_SECTIONS_H

#ifdef HAWSER_BPF_PLAIN
#define OPTIONAL(section) SEC(section)
#define BUILT_FOR(first, last) (HAWSER_BPF_PLAIN >= (first) && HAWSER_BPF_PLAIN <= (last))
#define PLAIN_HAS_RING BUILT_FOR(601, 9999)
#define RECORDS_AT_FIRST 0 /* pinned, nobody may read them */
#else
#define OPTIONAL(section) SEC("?" section)
#define BUILT_FOR(first, last) 1
#define PLAIN_HAS_RING false
#define RECORDS_AT_FIRST 1
#endif

/* The same programs once more, for histogram mode: nothing is kept of a connect but what its row in the
 * histograms depends on. */
#ifdef HAWSER_BPF_HISTOGRAMS
#define KEEPS_RECORDS 0
#else
#define KEEPS_RECORDS 1
#endif

/* For kernels before 5.15: without the helpers that tracing programs were given from 5.11 on, which are those
 * for the current task, for socket cookies, for going through a map, and for the ancestors of a cgroup. */
#ifdef HAWSER_BPF_OLDEST
#define HAS_NEW_HELPERS 0
#else
#define HAS_NEW_HELPERS 1
#endif

#endif
