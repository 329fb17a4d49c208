/* SPDX-License-Identifier: MIT
 *
 * The making of a ring: refused, lacking something, without descriptors, and made smaller where memory may
 * not be locked. Refusals are made by seccomp filters in this test's own process, which needs no privilege.
 */
#include "../support/engine_rig.h"
#include "../support/syscall_fault.h"
#include <errno.h>
#include <liburing.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OWN_USERS = 1000000 };

static const struct rig_kind tiny = {.tiny = true};
static const struct rig_kind ordinary = {.tiny = false};

TestSuite(uring_setup, .timeout = 60);

/* An engine that cannot be made: what was said, and that nothing is left. */
static int refused(const char **ret_missing)
{
	struct rig rig = {.kind = &tiny};
	struct engine_options options;
	struct engine *engine = NULL;
	unsigned before = rig_descriptors();
	int r;

	test_memory_init(&rig.memory);
	options = rig_options(&rig);
	r = uring_create(&options, &engine, ret_missing);
	cr_assert_null(engine);
	cr_assert_eq(rig.memory.live, 0);
	cr_assert_eq(rig_descriptors(), before);
	return r;
}

static void expect_refusal(int syscall_number, int first_argument, int error, int result, const char *what)
{
	const char *missing = NULL;

	syscall_fault_always(syscall_number, first_argument, error);
	cr_assert_eq(refused(&missing), result);
	if (what)
		cr_assert_not_null(strstr(missing ? missing : "", what), "%s", missing ? missing : "nothing");
	else
		cr_assert_null(missing);
}

Test(uring_setup, forbidden_is_what_the_kernel_said)
{
	expect_refusal(SYS_io_uring_setup, SYSCALL_FAULT_ANY, EPERM, -EPERM, NULL);
}

Test(uring_setup, absent_is_what_the_kernel_said)
{
	expect_refusal(SYS_io_uring_setup, SYSCALL_FAULT_ANY, ENOSYS, -ENOSYS, NULL);
}

Test(uring_setup, an_old_kernel_is_told_by_the_flags_it_lacks)
{
	expect_refusal(SYS_io_uring_setup, SYSCALL_FAULT_ANY, EINVAL, -EOPNOTSUPP, "DEFER_TASKRUN");
}

Test(uring_setup, without_a_probe_it_is_not_used)
{
	expect_refusal(SYS_io_uring_register, IORING_REGISTER_PROBE, EINVAL, -EOPNOTSUPP, "PROBE");
}

Test(uring_setup, without_buffer_rings_it_is_not_used)
{
	expect_refusal(SYS_io_uring_register, IORING_REGISTER_PBUF_RING, EINVAL, -EOPNOTSUPP, "PBUF_RING");
}

/* An older kernel's answers: the system call is made, and what it says is made less. */
static long set_up_without_skip(const unsigned long long *arguments, void *user)
{
	struct io_uring_params *parameters = (void *)(uintptr_t)arguments[1];
	long fd = syscall(SYS_io_uring_setup, arguments[0], parameters);

	(void)user;
	parameters->features &= ~IORING_FEAT_CQE_SKIP;
	return fd;
}

static long probe_without_connect(const unsigned long long *arguments, void *user)
{
	struct io_uring_probe *probe = (void *)(uintptr_t)arguments[2];
	long result;

	(void)user;
	if (arguments[1] != IORING_REGISTER_PROBE)
		return SYSCALL_GOES_ON;
	result = syscall(SYS_io_uring_register, arguments[0], arguments[1], arguments[2], arguments[3]);
	probe->ops[IORING_OP_CONNECT].flags = 0;
	return result;
}

static void expect_missing(
    int number, long (*decide)(const unsigned long long *arguments, void *user), const char *name)
{
	const char *missing = NULL;
	struct syscall_fault *fault = syscall_fault_decide(number, decide, NULL);

	cr_assert_eq(refused(&missing), -EOPNOTSUPP);
	cr_assert_str_eq(missing, name);
	cr_assert_eq(syscall_fault_end(fault), 1);
}

Test(uring_setup, a_feature_that_is_missing_is_named)
{
	expect_missing(SYS_io_uring_setup, set_up_without_skip, "IORING_FEAT_CQE_SKIP");
}

Test(uring_setup, an_operation_that_is_missing_is_named)
{
	expect_missing(SYS_io_uring_register, probe_without_connect, "IORING_OP_CONNECT");
}

Test(uring_setup, without_descriptors_it_is_not_made)
{
	struct rlimit limit;
	struct rlimit none;
	struct rig rig = {.kind = &tiny};
	struct engine_options options;
	struct engine *engine = NULL;
	const char *missing = NULL;

	test_memory_init(&rig.memory);
	options = rig_options(&rig);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	/* None for the wake descriptor, then one for it and none for the ring. */
	for (rlim_t left = 0; left < 2; left++) {
		int lowest = dup(STDERR_FILENO);
		int r;

		close(lowest);
		none = (struct rlimit){(rlim_t)lowest + left, limit.rlim_max};
		cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
		r = uring_create(&options, &engine, &missing);
		cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
		cr_assert_eq(r, -EMFILE, "%s", strerror(-r));
		cr_assert_eq(rig.memory.live, 0);
	}
}

Test(uring_setup, buffers_beyond_the_address_space_are_refused)
{
	struct rig rig = {.kind = &tiny};
	struct engine_options options;
	struct engine *engine = NULL;
	const char *missing = NULL;

	test_memory_init(&rig.memory);
	options = rig_options(&rig);
	options.receive_buffers = 32768;
	options.receive_buffer_size = UINT32_MAX; /* 128 TiB in all */
	cr_assert_eq(uring_create(&options, &engine, &missing), -ENOMEM);
	cr_assert_eq(rig.memory.live, 0);
}

/* Locked memory is counted for each user, and only without CAP_IPC_LOCK: root becomes a user of this
 * process's own, so that what other tests lock does not count. */
static void limit_locked_memory(rlim_t bytes)
{
	struct rlimit limit;
	uid_t user = (uid_t)(OWN_USERS + getpid());

	cr_assert_eq(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
	limit.rlim_cur = bytes;
	cr_assert_eq(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	if (geteuid() == 0)
		cr_assert_eq(setresuid(user, user, user), 0);
}

static void unlimit_locked_memory(void)
{
	struct rlimit limit;

	cr_assert_eq(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	cr_assert_eq(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
}

/* The kernel gives back what another process of the same user had locked a little after its end. */
static void create_patiently(struct rig *rig)
{
	struct engine_options options;
	uint64_t began_ns = rig_now_ns();
	int r;

	*rig = (struct rig){.kind = &ordinary, .completions_max = 64, .descriptors = rig_descriptors()};
	test_memory_init(&rig->memory);
	options = rig_options(rig);
	while ((r = rig_create(rig, &options)) == -ENOMEM) {
		cr_assert_lt(rig_now_ns() - began_ns, RIG_PATIENCE_S * 1000000000ULL);
		usleep(10000);
	}
	cr_assert_eq(r, 0, "%s", strerror(-r));
}

Test(uring_setup, little_locked_memory_makes_smaller_rings)
{
	struct rig rig;
	struct address address;
	int listener;
	size_t size;

	limit_locked_memory(32UL * 1024);
	create_patiently(&rig);
	size = rig.is->memory(rig.engine);
	listener = rig_listen_tcp(4, &address);
	rig.is->close(rig.engine, rig_connected(&rig, &address));
	close(listener);
	rig_close(&rig);
	unlimit_locked_memory();
	create_patiently(&rig);
	cr_assert_gt(rig.is->memory(rig.engine), size);
	rig_close(&rig);
}

Test(uring_setup, no_locked_memory_makes_none)
{
	const char *missing = NULL;

	limit_locked_memory(0);
	cr_assert_eq(refused(&missing), -ENOMEM);
	cr_assert_null(missing);
}
