/* SPDX-License-Identifier: MIT
 *
 * System calls of the calling thread that fail on purpose, by seccomp: always, every nth time, or as a
 * function says. A filter stays until the thread ends.
 */
#ifndef TESTS_SUPPORT_SYSCALL_FAULT_H
#define TESTS_SUPPORT_SYSCALL_FAULT_H

#include <limits.h>

enum { SYSCALL_FAULT_ANY = -1 };

/* `number` fails with `error`; with an `operation`, only when its second argument is that
 * (io_uring_register). */
void syscall_fault_always(int number, int operation, int error);

struct syscall_fault;
/* Every nth call fails. */
struct syscall_fault *syscall_fault_every(int number, unsigned nth, int error);

/* `decide` gets a call's arguments and answers what it returns (a negative errno for a failure), or
 * SYSCALL_GOES_ON. It runs in a thread of the helper's own, where the call is not watched: it may make it
 * itself. */
#define SYSCALL_GOES_ON LONG_MIN
struct syscall_fault *syscall_fault_decide(
    int number, long (*decide)(const unsigned long long *arguments, void *user), void *user);

/* Nothing is decided any more; how many calls were. From then on `number` fails with ENOSYS. */
unsigned syscall_fault_end(struct syscall_fault *fault);

#endif
