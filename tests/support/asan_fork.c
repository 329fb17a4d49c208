/* SPDX-License-Identifier: MIT
 *
 * Makes fork safe under AddressSanitizer. Criterion forks each test from a process whose other thread may be
 * in malloc at that moment; the sanitizers of gcc 12 and clang 14 leave their locks as they are, and the
 * child waits for ever in its first malloc. So the locks are taken before a fork and let go after it on both
 * sides, in the order in which the leak checker takes them. The sanitizer must be linked statically
 * (-static-libasan), because its shared library does not export them.
 */
#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif

#ifdef WITH_ASAN
#include <pthread.h>

void threads_lock(void) __asm__("_ZN6__lsan18LockThreadRegistryEv");
void threads_unlock(void) __asm__("_ZN6__lsan20UnlockThreadRegistryEv");
void allocator_lock(void) __asm__("_ZN6__lsan13LockAllocatorEv");
void allocator_unlock(void) __asm__("_ZN6__lsan15UnlockAllocatorEv");
void stacks_lock(void) __asm__("_ZN11__sanitizer17StackDepotLockAllEv");
void stacks_unlock(void) __asm__("_ZN11__sanitizer19StackDepotUnlockAllEv");

static void lock_all(void)
{
	threads_lock();
	allocator_lock();
	stacks_lock();
}

static void unlock_all(void)
{
	stacks_unlock();
	allocator_unlock();
	threads_unlock();
}

__attribute__((constructor)) static void guard_forks(void)
{
	pthread_atfork(lock_all, unlock_all, unlock_all);
}
#endif
