/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * What processes linked with hawser say of their attempts: a step for each USDT probe that fires
 * (src/probes.h), into a ring buffer of their own. They run in those processes, which are free to say
 * anything: nothing but the time and the numbers of process and thread is the kernel's word.
 */
#include <linux/types.h>

typedef __u8 uint8_t;
typedef __u16 uint16_t;
typedef __s32 int32_t;
typedef __u32 uint32_t;
typedef __u64 uint64_t;
typedef _Bool bool;
#define NULL ((void *)0)

#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/usdt.bpf.h>

#include "step.h"

enum { STEPS_BYTES = 1 << 20, WAKE_BYTES = 64 << 10 };

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, STEPS_BYTES);
} steps SEC(".maps");

struct step_config config = {.wake_bytes = WAKE_BYTES};
uint64_t steps_lost; /* the ring buffer was full */

static __always_inline bool is_wanted(uint64_t process_and_thread)
{
	return !((config.filters & HAWSER_TRACE_FILTER_TGID) && process_and_thread >> 32 != config.tgid) &&
	       !((config.filters & HAWSER_TRACE_FILTER_UID) &&
		   (uint32_t)bpf_get_current_uid_gid() != config.uid);
}

static __always_inline uint64_t argument(struct pt_regs *context, uint64_t number)
{
	long value = 0;

	bpf_usdt_arg(context, number, &value);
	return (uint64_t)value;
}

/* NULL: nobody asked for it, or it is lost and counted. */
static __always_inline struct step *step_begin(uint8_t kind)
{
	uint64_t now = bpf_ktime_get_ns(); /* before anything here costs time */
	uint64_t process_and_thread = bpf_get_current_pid_tgid();
	struct step *step;

	if (!is_wanted(process_and_thread))
		return NULL;
	step = bpf_ringbuf_reserve(&steps, sizeof(*step), 0);
	if (!step) {
		__sync_fetch_and_add(&steps_lost, 1);
		return NULL;
	}
	__builtin_memset(step, 0, sizeof(*step));
	step->time_ns = now;
	step->tgid = process_and_thread >> 32;
	step->pid = (uint32_t)process_and_thread;
	step->kind = kind;
	return step;
}

/* The first two arguments of each. */
static __always_inline void step_name(struct step *step, struct pt_regs *context)
{
	step->client = argument(context, 0);
	/* Empty if it is not in memory: a probe waits for no page. */
	bpf_probe_read_user_str(step->name, sizeof(step->name), (const void *)argument(context, 1));
}

static __always_inline void step_end(struct step *step)
{
	bool wake = bpf_ringbuf_query(&steps, BPF_RB_AVAIL_DATA) >= config.wake_bytes;

	bpf_ringbuf_submit(step, wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

SEC("usdt")
int attempt_begin(struct pt_regs *context)
{
	struct step *step = step_begin(STEP_ATTEMPT_BEGIN);

	if (!step)
		return 0;
	step_name(step, context);
	step->round = (uint32_t)argument(context, 2);
	step->attempt = (uint32_t)argument(context, 3);
	/* The client has room for the longest. */
	bpf_probe_read_user(step->address, sizeof(step->address), (const void *)argument(context, 4));
	step->address_size = (uint32_t)argument(context, 5);
	step_end(step);
	return 0;
}

SEC("usdt")
int attempt_end(struct pt_regs *context)
{
	struct step *step = step_begin(STEP_ATTEMPT_END);

	if (!step)
		return 0;
	step_name(step, context);
	step->attempt = (uint32_t)argument(context, 2);
	step->result = (int32_t)argument(context, 3);
	step_end(step);
	return 0;
}

SEC("usdt")
int backoff(struct pt_regs *context)
{
	struct step *step = step_begin(STEP_BACKOFF);

	if (!step)
		return 0;
	step_name(step, context);
	step->round = (uint32_t)argument(context, 2);
	step->result = (int32_t)argument(context, 3);
	step->delay_ns = argument(context, 5);
	step_end(step);
	return 0;
}

SEC("usdt")
int told(struct pt_regs *context)
{
	struct step *step = step_begin(STEP_TOLD);

	if (!step)
		return 0;
	step_name(step, context);
	step->from = (uint8_t)argument(context, 2);
	step->to = (uint8_t)argument(context, 3);
	step->round = (uint32_t)argument(context, 4);
	step->attempt = (uint32_t)argument(context, 5);
	step_end(step);
	return 0;
}

/* Whoever attaches to it must not be late: this one wakes. */
SEC("tp_btf/sched_process_exec")
int program(void *context)
{
	struct step *step = step_begin(STEP_PROGRAM);

	if (step)
		bpf_ringbuf_submit(step, BPF_RB_FORCE_WAKEUP);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
