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

/* NULL: nobody asked for it, or it is lost and counted. */
static __always_inline struct step *step_begin(uint8_t kind, uint64_t client, const char *name)
{
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
	step->time_ns = bpf_ktime_get_ns();
	step->client = client;
	step->tgid = process_and_thread >> 32;
	step->pid = (uint32_t)process_and_thread;
	step->kind = kind;
	/* Empty if it is not in memory: a probe waits for no page. */
	if (name)
		bpf_probe_read_user_str(step->name, sizeof(step->name), name);
	return step;
}

static __always_inline int step_end(struct step *step)
{
	bool wake = bpf_ringbuf_query(&steps, BPF_RB_AVAIL_DATA) >= config.wake_bytes;

	bpf_ringbuf_submit(step, wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
	return 0;
}

SEC("usdt")
int BPF_USDT(attempt_begin, uint64_t client, const char *name, uint32_t round, uint32_t attempt,
    const void *address, uint32_t address_size)
{
	struct step *step = step_begin(STEP_ATTEMPT_BEGIN, client, name);

	if (!step)
		return 0;
	step->round = round;
	step->attempt = attempt;
	step->address_size = address_size;
	/* The client has room for the longest. */
	bpf_probe_read_user(step->address, sizeof(step->address), address);
	return step_end(step);
}

SEC("usdt")
int BPF_USDT(attempt_end, uint64_t client, const char *name, uint32_t attempt, int result)
{
	struct step *step = step_begin(STEP_ATTEMPT_END, client, name);

	if (!step)
		return 0;
	step->attempt = attempt;
	step->result = result;
	return step_end(step);
}

SEC("usdt")
int BPF_USDT(
    backoff, uint64_t client, const char *name, uint32_t round, int code, int cause, uint64_t delay_ns)
{
	struct step *step = step_begin(STEP_BACKOFF, client, name);

	if (!step)
		return 0;
	step->round = round;
	step->result = code;
	step->delay_ns = delay_ns;
	return step_end(step);
}

SEC("usdt")
int BPF_USDT(told, uint64_t client, const char *name, int from, int to, uint32_t round, uint32_t attempt)
{
	struct step *step = step_begin(STEP_TOLD, client, name);

	if (!step)
		return 0;
	step->from = (uint8_t)from;
	step->to = (uint8_t)to;
	step->round = round;
	step->attempt = attempt;
	return step_end(step);
}

/* Whoever attaches to it must not be late: this one wakes. */
SEC("tp_btf/sched_process_exec")
int program(void *context)
{
	struct step *step = step_begin(STEP_PROGRAM, 0, NULL);

	if (step)
		bpf_ringbuf_submit(step, BPF_RB_FORCE_WAKEUP);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
