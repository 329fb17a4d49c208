/* SPDX-License-Identifier: MIT
 *
 * The resolver and the system: names from the /etc/hosts of a namespace of the test's own, and what happens
 * when the system gives neither threads nor memory.
 */
#include "../support/resolver_rig.h"
#include "engine/shared.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

TestSuite(resolver_system, .timeout = 60);

/* Every test's work is done by a child of its own: a namespace is entered by a process with one thread, which
 * the test framework's need not be, and what the system refuses from then on it would refuse the framework,
 * too. */
enum { REFUSED = 77 };

#define CHECK(condition)                                                                \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			return 1;                                                       \
		}                                                                       \
	} while (0)

static void in_child(int (*body)(void), const char *without)
{
	int status;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0)
		_exit(body());
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == REFUSED)
		cr_skip_test("%s are refused here", without);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child says why above");
}

static bool file_mount(const char *target, const char *text)
{
	char path[] = "/tmp/hawser-resolver-XXXXXX";
	int fd = mkstemp(path);
	bool mounted = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
		       mount(path, target, NULL, MS_BIND, NULL) == 0;

	if (fd >= 0) {
		close(fd);
		unlink(path);
	}
	return mounted;
}

/* Its own files to look names up in, and no network: nothing is asked outside. */
static bool namespace_enter(const char *nsswitch)
{
	return unshare((geteuid() ? CLONE_NEWUSER : 0) | CLONE_NEWNS | CLONE_NEWNET) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       file_mount("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"
					"127.5.6.7 hawser-test-host\n127.5.6.8 hawser-test-host\n") &&
	       file_mount("/etc/nsswitch.conf", nsswitch);
}

static void notified(void *user)
{
	const uint64_t one = 1;

	(void)!write(*(int *)user, &one, sizeof one);
}

/* What the system says about a name; NULL: nothing. */
static struct resolver_answer *looked_up(const char *host, struct resolver **ret_resolver)
{
	resolver_bell = eventfd(0, EFD_NONBLOCK);
	if (resolver_create(1, notified, &resolver_bell, ret_resolver) < 0 ||
	    resolver_ask(*ret_resolver, 7, host, 4711) < 0)
		return NULL;
	return resolver_answer_wait(*ret_resolver);
}

static int localhost(void)
{
	struct resolver *resolver;
	struct resolver_answer *answer;
	bool in = false;
	bool in6 = false;

	if (!namespace_enter("hosts: files\n"))
		return REFUSED;
	answer = looked_up("localhost", &resolver);
	CHECK(answer && answer->id == 7 && answer->result >= 2);
	for (int i = 0; i < answer->result; i++) {
		char text[ADDRESS_TEXT_MAX];

		address_format(&answer->addresses[i], text, sizeof text);
		in |= strcmp(text, "127.0.0.1:4711") == 0;
		in6 |= strcmp(text, "[::1]:4711") == 0;
	}
	CHECK(in);
	CHECK(in6); /* although the namespace has no IPv6 address: no AI_ADDRCONFIG */
	resolver_answer_free(answer);
	resolver_destroy(resolver);
	return 0;
}

Test(resolver_system, localhost_has_both_loopback_addresses)
{
	in_child(localhost, "namespaces");
}

static int hosts(void)
{
	struct resolver *resolver;
	struct resolver_answer *answer;

	if (!namespace_enter("hosts: files\n"))
		return REFUSED;
	answer = looked_up("hawser-test-host", &resolver);
	CHECK(answer && answer->result == 2);
	for (int i = 0; i < 2; i++) {
		CHECK(answer->addresses[i].size == sizeof(struct sockaddr_in));
		CHECK(answer->addresses[i].in.sin_port == htons(4711));
		CHECK(answer->addresses[i].in.sin_addr.s_addr == htonl(0x7f050607u + (unsigned)i));
	}
	resolver_answer_free(answer);
	resolver_destroy(resolver);
	return 0;
}

Test(resolver_system, etc_hosts_counts)
{
	in_child(hosts, "namespaces");
}

static int unknown(void)
{
	struct resolver *resolver;
	struct resolver_answer *answer;

	if (!namespace_enter("hosts: files\n"))
		return REFUSED;
	answer = looked_up("no-such-host.invalid", &resolver);
	CHECK(answer && answer->result == -ENOENT);
	resolver_answer_free(answer);
	resolver_destroy(resolver);
	return 0;
}

Test(resolver_system, d11_an_unknown_name_says_so)
{
	in_child(unknown, "namespaces");
}

static int unreachable(void)
{
	struct resolver *resolver;
	struct resolver_answer *answer;

	if (!namespace_enter("hosts: files dns\n") ||
	    !file_mount("/etc/resolv.conf", "nameserver 192.0.2.1\noptions timeout:1 attempts:1\n"))
		return REFUSED;
	answer = looked_up("host.invalid", &resolver);
	CHECK(answer && answer->result == -EAGAIN);
	resolver_answer_free(answer);
	resolver_destroy(resolver);
	return 0;
}

Test(resolver_system, d11_a_name_server_that_cannot_be_reached_is_a_temporary_failure)
{
	in_child(unreachable, "namespaces");
}

/* Refuses to make threads from now on. */
static bool clone_forbid(void)
{
	struct sock_filter filter[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clone3, 1, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clone, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof filter / sizeof *filter, filter};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static int without_threads(void)
{
	struct resolver *resolver;

	CHECK(resolver_make_fake(2, &resolver) == 0);
	if (!clone_forbid())
		return REFUSED;
	for (uint64_t id = 0; id < 3; id++)
		CHECK(resolver_ask(resolver, id, "host", 80) == -EAGAIN);
	resolver_destroy(resolver);
	return 0;
}

Test(resolver_system, without_any_thread_says_so)
{
	in_child(without_threads, "filters of system calls");
}

/* The one thread there is does the work of those that cannot be made. */
static int with_one_thread(void)
{
	struct resolver *resolver;

	CHECK(resolver_make_fake(2, &resolver) == 0);
	CHECK(resolver_ask(resolver, 0, "hang", 80) == 0);
	while (!atomic_load(&resolver_hanging))
		usleep(1000);
	if (!clone_forbid())
		return REFUSED;
	for (uint64_t id = 1; id < 3; id++)
		CHECK(resolver_ask(resolver, id, "host", 80) == 0);
	resolver_gate_open();
	for (unsigned answers = 0; answers < 3; answers++) {
		struct resolver_answer *answer = resolver_answer_wait(resolver);

		CHECK(answer && answer->result == 1);
		resolver_answer_free(answer);
	}
	resolver_destroy(resolver);
	return 0;
}

Test(resolver_system, without_a_second_thread_the_first_does_all)
{
	in_child(with_one_thread, "filters of system calls");
}

/* Takes what memory there is. */
static int without_memory(void)
{
	const struct rlimit none = {0, 0};
	struct resolver *resolver;
	struct resolver *second = NULL;
	struct lookups lookups = {.threads_max = 1, .notify = notified};
	void *taken;

	CHECK(resolver_make_fake(2, &resolver) == 0);
	CHECK(setrlimit(RLIMIT_AS, &none) == 0);
	for (size_t size = 65536; size >= 16; size /= 2)
		while ((taken = malloc(size)))
			*(void *volatile *)taken = taken;
	CHECK(resolver_ask(resolver, 1, "host", 80) == -ENOMEM);
	CHECK(resolver_create(2, notified, NULL, &second) == -ENOMEM && !second);
	CHECK(lookups_ask(&lookups, 1, "host", 80) == -ENOMEM && !lookups.resolver);
	CHECK(!resolver_take(resolver));
	resolver_destroy(resolver);
	return 0;
}

Test(resolver_system, without_memory_says_so)
{
#if defined(__SANITIZE_ADDRESS__)
	cr_skip_test("AddressSanitizer cannot run out of memory");
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
	cr_skip_test("AddressSanitizer cannot run out of memory");
#endif
#endif
	in_child(without_memory, "limits");
}
