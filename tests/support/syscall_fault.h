/* SPDX-License-Identifier: MIT
 *
 * System calls of the calling thread that fail on purpose, by seccomp: always, or every nth time. A filter
 * stays until the thread ends.
 */
#ifndef TESTS_SUPPORT_SYSCALL_FAULT_H
#define TESTS_SUPPORT_SYSCALL_FAULT_H

enum { SYSCALL_FAULT_ANY = -1 };

/* `number` fails with `error`; with an `operation`, only when its second argument is that
 * (io_uring_register). */
void syscall_fault_always(int number, int operation, int error);

/* Every nth call fails, decided by a thread of the helper's own that the kernel asks. */
struct syscall_fault;
struct syscall_fault *syscall_fault_every(int number, unsigned nth, int error);
/* No more failures; how many there were. */
unsigned syscall_fault_end(struct syscall_fault *fault);

#endif
