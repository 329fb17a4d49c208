/* SPDX-License-Identifier: MIT
 *
 * The resolver and the system: names from the /etc/hosts of a namespace of the test's own, and what happens
 * when the system gives neither threads nor memory.
 */
#include "../support/resolver_rig.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

TestSuite(resolver_system, .timeout = 60);

static void file_mount(const char *target, const char *text)
{
	char path[] = "/tmp/hawser-resolver-XXXXXX";
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	chmod(path, 0644);
	if (mount(path, target, NULL, MS_BIND, NULL) < 0) {
		int error = errno;

		unlink(path);
		cr_skip_test("no %s of the test's own: %s", target, strerror(error));
	}
	unlink(path);
}

/* Its own files to look names up in, and no network: nothing is asked outside. */
static void namespace_enter(void)
{
	if (unshare((geteuid() ? CLONE_NEWUSER : 0) | CLONE_NEWNS | CLONE_NEWNET) < 0)
		cr_skip_test("no namespace of the test's own: %s", strerror(errno));
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		cr_skip_test("no mounts of the test's own: %s", strerror(errno));
	file_mount("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"
				 "127.5.6.7 hawser-test-host\n127.5.6.8 hawser-test-host\n");
	file_mount("/etc/nsswitch.conf", "hosts: files\n");
}

Test(resolver_system, localhost_has_both_loopback_addresses)
{
	struct resolver *resolver;
	struct resolver_answer *answer;
	bool in = false;
	bool in6 = false;

	namespace_enter();
	resolver = resolver_made(1);
	cr_assert_eq(resolver_ask(resolver, 7, "localhost", 4711), 0);
	answer = resolver_answer_wait(resolver);
	cr_assert_eq(answer->id, 7);
	cr_assert_geq(answer->result, 2);
	for (int i = 0; i < answer->result; i++) {
		char text[ADDRESS_TEXT_MAX];

		address_format(&answer->addresses[i], text, sizeof text);
		in |= strcmp(text, "127.0.0.1:4711") == 0;
		in6 |= strcmp(text, "[::1]:4711") == 0;
	}
	cr_assert(in);
	cr_assert(in6); /* although the namespace has no IPv6 address: no AI_ADDRCONFIG */
	resolver_answer_free(answer);
	resolver_done(resolver);
}

Test(resolver_system, etc_hosts_counts)
{
	struct resolver *resolver;
	struct resolver_answer *answer;

	namespace_enter();
	resolver = resolver_made(1);
	cr_assert_eq(resolver_ask(resolver, 1, "hawser-test-host", 80), 0);
	answer = resolver_answer_wait(resolver);
	cr_assert_eq(answer->result, 2);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(answer->addresses[i].size, sizeof(struct sockaddr_in));
		cr_assert_eq(answer->addresses[i].in.sin_port, htons(80));
		cr_assert_eq(answer->addresses[i].in.sin_addr.s_addr, htonl(0x7f050607u + (unsigned)i));
	}
	resolver_answer_free(answer);
	resolver_done(resolver);
}

Test(resolver_system, d11_an_unknown_name_says_so)
{
	struct resolver *resolver;

	namespace_enter();
	resolver = resolver_made(1);
	cr_assert_eq(resolver_ask(resolver, 1, "no-such-host.invalid", 80), 0);
	cr_assert_eq(resolver_result_wait(resolver, 1), -ENOENT);
	resolver_done(resolver);
}

Test(resolver_system, a_name_server_that_cannot_be_asked_is_a_temporary_failure)
{
	struct resolver *resolver;

	namespace_enter();
	file_mount("/etc/nsswitch.conf", "hosts: files dns\n");
	file_mount("/etc/resolv.conf", "nameserver 192.0.2.1\noptions timeout:1 attempts:1\n");
	resolver = resolver_made(1);
	cr_assert_eq(resolver_ask(resolver, 1, "host.invalid", 80), 0);
	cr_assert_eq(resolver_result_wait(resolver, 1), -EAGAIN);
	resolver_done(resolver);
}

/* What the system refuses is tried in a child, which is good for nothing else afterwards. */
static void in_child(int (*body)(void))
{
	int status;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0)
		_exit(body());
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		cr_skip_test("system calls cannot be filtered here");
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "check %d", WEXITSTATUS(status));
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

	if (resolver_make_fake(2, &resolver) < 0)
		return 1;
	if (!clone_forbid())
		return 77;
	for (uint64_t id = 0; id < 3; id++)
		if (resolver_ask(resolver, id, "host", 80) != -EAGAIN)
			return 2;
	resolver_destroy(resolver);
	return 0;
}

Test(resolver_system, without_any_thread_says_so)
{
	in_child(without_threads);
}

/* The one thread there is does the work of those that cannot be made. */
static int with_one_thread(void)
{
	struct resolver *resolver;
	struct pollfd pollfd;
	unsigned answers = 0;

	if (resolver_make_fake(2, &resolver) < 0)
		return 1;
	pollfd = (struct pollfd){.fd = resolver_bell, .events = POLLIN};
	if (resolver_ask(resolver, 0, "hang", 80) < 0)
		return 2;
	while (!atomic_load(&resolver_hanging))
		usleep(1000);
	if (!clone_forbid())
		return 77;
	for (uint64_t id = 1; id < 3; id++)
		if (resolver_ask(resolver, id, "host", 80) != 0)
			return 3;
	resolver_gate_open();
	while (answers < 3 && poll(&pollfd, 1, RESOLVER_PATIENCE_MS) == 1) {
		struct resolver_answer *answer = resolver_take(resolver);

		answers += answer != NULL;
		resolver_answer_free(answer);
	}
	resolver_destroy(resolver);
	return answers == 3 ? 0 : 4;
}

Test(resolver_system, without_a_second_thread_the_first_does_all)
{
	in_child(with_one_thread);
}

static void notified(void *user)
{
	(void)user;
}

/* Takes what memory there is. */
static int without_memory(void)
{
	const struct rlimit none = {0, 0};
	struct resolver *resolver;
	struct resolver *second = NULL;

	if (resolver_make_fake(2, &resolver) < 0 || setrlimit(RLIMIT_AS, &none) < 0)
		return 1;
	for (size_t size = 65536; size >= 16; size /= 2)
		while (malloc(size))
			;
	if (resolver_ask(resolver, 1, "host", 80) != -ENOMEM)
		return 2;
	if (resolver_create(2, notified, NULL, &second) != -ENOMEM || second)
		return 3;
	if (resolver_take(resolver))
		return 4;
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
	in_child(without_memory);
}
