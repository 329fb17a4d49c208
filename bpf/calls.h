/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * connect(2) itself, on request: unix sockets, and connects that fail before TCP begins. Whatever reaches TCP
 * is left to tcp.h, but for a failure that only the return value tells. Where the kernel lets its functions
 * be traced, the programs sit at those that connect a stream; elsewhere at the entry and exit of every system
 * call of the machine, which costs each of them a little.
 */
#ifndef HAWSER_BPF_CALLS_H
#define HAWSER_BPF_CALLS_H

#include "submission.h"

#if defined(__TARGET_ARCH_x86)
enum { CALL_CONNECT = 42, TASK_IS_COMPAT = 2 };

/* A 32-bit program numbers its calls otherwise. */
static __always_inline bool is_connect(const struct pt_regs *registers)
{
	uint32_t status;

	if (CALL_NUMBER(registers) != CALL_CONNECT)
		return false;
	if (HAS_NEW_HELPERS)
		status = bpf_get_current_task_btf()->thread_info.status;
	else /* as in is_worker */
		status =
		    BPF_CORE_READ((const struct task_struct *)bpf_get_current_task(), thread_info.status);
	return !(status & TASK_IS_COMPAT);
}

#define CALL_FD(registers) ((int)(registers)->di)
#define CALL_ADDRESS(registers) ((uint64_t)(registers)->si)
#define CALL_SIZE(registers) ((uint32_t)(registers)->dx)
#elif defined(__TARGET_ARCH_arm64)
enum { CALL_CONNECT = 203, THREAD_IS_32_BIT = 1 << 22 };

static __always_inline bool is_connect(const struct pt_regs *registers)
{
	const struct task_struct *task = bpf_get_current_task_btf();

	return CALL_NUMBER(registers) == CALL_CONNECT && !(task->thread_info.flags & THREAD_IS_32_BIT);
}

#define CALL_FD(registers) ((int)(registers)->orig_x0)
#define CALL_ADDRESS(registers) ((uint64_t)(registers)->regs[1])
#define CALL_SIZE(registers) ((uint32_t)(registers)->regs[2])
#else
#error "say where this machine keeps the arguments of a system call"
#endif

static __always_inline int call_begin(const struct pt_regs *registers)
{
	uint64_t thread = bpf_get_current_pid_tgid();
	struct call call = {};

	if (!is_connect(registers) || !admits_owner((uint32_t)(thread >> 32)))
		return 0;
	call.start_ns = bpf_ktime_get_ns();
	call.user_address = CALL_ADDRESS(registers);
	if (bpf_map_update_elem(&calls, &thread, &call, BPF_ANY))
		count(&counters.inflight_full);
	return 0;
}

/* These are not the end of a connect: it goes on, or the kernel calls it again, or there was one before. */
static __always_inline bool goes_on(long result)
{
	return result == -EINPROGRESS || result == -EALREADY || result == -EISCONN || result == -EINTR ||
	       (result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK);
}

static __always_inline void call_end(struct flight *flight, uint64_t key, long result)
{
	uint32_t cause = result ? cause_of_errno(flight, (int32_t)-result) : HAWSER_TRACE_OK;

	flight_end(flight, bpf_ktime_get_ns(), HAWSER_TRACE_SYSCALL, cause, (int32_t)-result);
	flight_forget(key);
}

/* A connect that TCP never saw; the flight lasts only for as long as it takes to report it. */
static __always_inline void call_report(const struct pt_regs *registers, const struct call *call, long result)
{
	const struct sock *sk = sock_of_descriptor(CALL_FD(registers));
	uint64_t key = (uint64_t)call; /* no socket has it: one may be in flight already */
	struct flight_record *record;
	struct flight *flight;

	if (!sk || !is_stream(sk) || !admits_sample(sk))
		return;
	flight = flight_insert(key);
	if (!flight)
		return;
	record = &flight->record;
	record->start_ns = call->start_ns;
	record->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
#if KEEPS_RECORDS
	record->cookie = (uint64_t)BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
#endif
	owner_fill(record);
	address_read(record, call->user_address, CALL_SIZE(registers));
	/* AF_UNSPEC disconnects. */
	if (!record->family ||
	    !admits_route(record->netns, record->family, record->destination_port, record->destination))
		flight_forget(key);
	else
		call_end(flight, key, result);
}

static __always_inline int call_returned(const struct pt_regs *registers, long result)
{
	uint64_t thread, key;
	struct flight *flight;
	struct call *call;

	if (!is_connect(registers))
		return 0;
	thread = bpf_get_current_pid_tgid();
	call = bpf_map_lookup_elem(&calls, &thread);
	if (!call)
		return 0;
	if (!call->reached_network) {
		if (!goes_on(result))
			call_report(registers, call, result);
	} else if (result < 0 && !goes_on(result)) {
		/* Left in flight by tcp_end: the socket did not say what this value says. */
		key = (uint64_t)sock_of_descriptor(CALL_FD(registers));
		flight = flight_find(key);
		if (flight && flight->awaits_return)
			call_end(flight, key, result);
	}
	bpf_map_delete_elem(&calls, &thread);
	return 0;
}

/* ---- by every system call ---- */

SEC("?tp_btf/sys_enter")
int BPF_PROG(call_enter, struct pt_regs *registers, long number)
{
	return number == CALL_CONNECT ? call_begin(registers) : 0;
}

SEC("?tp_btf/sys_exit")
int BPF_PROG(call_exit, struct pt_regs *registers, long result)
{
	return call_returned(registers, result);
}

/* ---- by the functions that connect, which rings and the kernel itself call as well ---- */

SEC("?fentry/inet_stream_connect")
int BPF_PROG(call_enter_inet)
{
	return call_begin(registers_of_thread());
}

SEC("?fexit/inet_stream_connect")
int BPF_PROG(call_exit_inet, struct socket *socket, void *address, int address_size, int flags, int result)
{
	return call_returned(registers_of_thread(), result);
}

SEC("?fentry/unix_stream_connect")
int BPF_PROG(call_enter_unix)
{
	return call_begin(registers_of_thread());
}

SEC("?fexit/unix_stream_connect")
int BPF_PROG(call_exit_unix, struct socket *socket, void *address, int address_size, int flags, int result)
{
	return call_returned(registers_of_thread(), result);
}

#endif
