/* SPDX-License-Identifier: MIT
 *
 * See the header. A filter that answers by itself has no memory, so for the other kinds the kernel asks a
 * supervisor thread, which is not under the filter: it was started before, and filters are not synchronised.
 */
#include "syscall_fault.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int filter_install(struct sock_filter *code, unsigned short count, unsigned flags)
{
	struct sock_fprog program = {.len = count, .filter = code};

	cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, field))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, (unsigned)(value))

void syscall_fault_always(int number, int operation, int error)
{
	struct sock_filter code[] = {
	    LOAD(nr),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 3),
	    LOAD(args[1]),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)operation, 0,
		(unsigned char)(operation == SYSCALL_FAULT_ANY ? 0 : 1)),
	    RETURN(SECCOMP_RET_ERRNO | (unsigned)error),
	    RETURN(SECCOMP_RET_ALLOW),
	};

	cr_assert_eq(filter_install(code, sizeof(code) / sizeof(code[0]), 0), 0);
}

struct syscall_fault {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t told;
	long (*decide)(const unsigned long long *arguments, void *user);
	void *user;
	int listener; /* -1 until the filter is there */
	unsigned decided;
	bool ending;
	unsigned nth; /* of syscall_fault_every */
	int error;
	unsigned calls;
};

static void answer(struct syscall_fault *fault, int listener)
{
	struct seccomp_notif question;
	struct seccomp_notif_resp response = {0};
	unsigned long long arguments[6];
	long result;

	memset(&question, 0, sizeof(question));
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &question) < 0)
		return;
	response.id = question.id;
	memcpy(arguments, question.data.args, sizeof(arguments));
	result = fault->decide(arguments, fault->user);
	if (result == SYSCALL_GOES_ON)
		response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	else if (result < 0)
		response.error = (int)result;
	else
		response.val = result;
	fault->decided += result != SYSCALL_GOES_ON;
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

static void *supervise(void *user)
{
	struct syscall_fault *fault = user;
	struct pollfd watched = {.events = POLLIN};
	bool ending = false;

	pthread_mutex_lock(&fault->mutex);
	while (fault->listener < 0)
		pthread_cond_wait(&fault->told, &fault->mutex);
	watched.fd = fault->listener;
	pthread_mutex_unlock(&fault->mutex);
	while (!ending) {
		if (poll(&watched, 1, 10) == 1)
			answer(fault, watched.fd);
		pthread_mutex_lock(&fault->mutex);
		ending = fault->ending;
		pthread_mutex_unlock(&fault->mutex);
	}
	return NULL;
}

static struct syscall_fault *fault_make(
    long (*decide)(const unsigned long long *arguments, void *user), void *user)
{
	struct syscall_fault *fault = calloc(1, sizeof(*fault));

	cr_assert_not_null(fault);
	pthread_mutex_init(&fault->mutex, NULL);
	pthread_cond_init(&fault->told, NULL);
	fault->listener = -1;
	fault->decide = decide;
	fault->user = user;
	return fault;
}

static void fault_begin(struct syscall_fault *fault, int number)
{
	struct sock_filter code[] = {
	    LOAD(nr),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
	    RETURN(SECCOMP_RET_USER_NOTIF),
	    RETURN(SECCOMP_RET_ALLOW),
	};
	int listener;

	cr_assert_eq(pthread_create(&fault->thread, NULL, supervise, fault), 0);
	listener = filter_install(code, sizeof(code) / sizeof(code[0]), SECCOMP_FILTER_FLAG_NEW_LISTENER);
	cr_assert_geq(listener, 0, "%s", strerror(errno));
	pthread_mutex_lock(&fault->mutex);
	fault->listener = listener;
	pthread_cond_signal(&fault->told);
	pthread_mutex_unlock(&fault->mutex);
}

struct syscall_fault *syscall_fault_decide(
    int number, long (*decide)(const unsigned long long *arguments, void *user), void *user)
{
	struct syscall_fault *fault = fault_make(decide, user);

	fault_begin(fault, number);
	return fault;
}

static long decide_every(const unsigned long long *arguments, void *user)
{
	struct syscall_fault *fault = user;

	(void)arguments;
	return ++fault->calls % fault->nth == 0 ? -fault->error : SYSCALL_GOES_ON;
}

struct syscall_fault *syscall_fault_every(int number, unsigned nth, int error)
{
	struct syscall_fault *fault = fault_make(decide_every, NULL);

	fault->user = fault;
	fault->nth = nth;
	fault->error = error;
	fault_begin(fault, number);
	return fault;
}

unsigned syscall_fault_end(struct syscall_fault *fault)
{
	unsigned decided;

	pthread_mutex_lock(&fault->mutex);
	fault->ending = true;
	pthread_mutex_unlock(&fault->mutex);
	pthread_join(fault->thread, NULL);
	/* From here on the filtered call answers -ENOSYS: nobody listens. */
	close(fault->listener);
	decided = fault->decided;
	pthread_cond_destroy(&fault->told);
	pthread_mutex_destroy(&fault->mutex);
	free(fault);
	return decided;
}
