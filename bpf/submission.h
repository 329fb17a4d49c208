/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * What a submission tells: the socket behind its descriptor, the address it is to be connected to, and the
 * tag that hawser puts in front of that address.
 */
#ifndef HAWSER_BPF_SUBMISSION_H
#define HAWSER_BPF_SUBMISSION_H

#include "flight.h"

/* In front of the socket address, in the memory of the process: version 1, host byte order. */
struct tag {
	uint64_t magic;
	uint32_t version;
	uint32_t attempt;
	uint64_t client;
	char target[HAWSER_TRACE_TARGET_BYTES];
};
#define TAG_MAGIC 0x7267617472777368ULL
enum { TAG_VERSION = 1 };

struct tagged_address {
	struct tag tag;
	struct socket_address address;
};

/* ---- who connects ---- */

#if defined(__TARGET_ARCH_x86)
#define CALL_NUMBER(registers) ((registers)->orig_ax)
/* Within a call the place of its result holds this. */
#define CALL_IS_OVER(registers) ((long)(registers)->orig_ax < 0 || (long)(registers)->ax != -ENOSYS)
#elif defined(__TARGET_ARCH_arm64)
#define CALL_NUMBER(registers) ((registers)->syscallno)
#define CALL_IS_OVER(registers) ((registers)->syscallno < 0)
#else
#error "say where this machine keeps the number of a system call"
#endif
enum { CALL_RING_ENTER = 426 };

static __always_inline const struct pt_regs *registers_of_thread(void)
{
	return (const struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
}

/* A ring's work may be done behind any call of its thread, or behind an interrupt, before the thread goes on.
 * (Only where rings are traced, for that helper is not older.) */
static __always_inline bool is_in_ring(void)
{
	const struct pt_regs *registers = registers_of_thread();
	const struct task_struct *task = bpf_get_current_task_btf();

	if (task->flags & PF_KTHREAD) /* which calls nothing */
		return false;
	return is_worker() || CALL_NUMBER(registers) == CALL_RING_ENTER || CALL_IS_OVER(registers);
}

/* ---- tag and address ---- */

static __always_inline void tag_fill(struct flight_record *record, const struct tag *tag)
{
#if KEEPS_RECORDS
	if (tag->magic != TAG_MAGIC || tag->version != TAG_VERSION)
		return;
	record->client = tag->client;
	record->attempt = tag->attempt;
	__builtin_memcpy(record->target, tag->target, sizeof(record->target));
	record->target[sizeof(record->target) - 1] = 0; /* it is the process's word, not ours */
	record->flags |= HAWSER_TRACE_HAS_TAG;
#endif
}

static __always_inline void tag_read(struct flight_record *record, uint64_t user_address)
{
	struct tag tag;

	if (!KEEPS_RECORDS)
		return;

	if (!bpf_probe_read_user(&tag, sizeof(tag), (const void *)(user_address - sizeof(tag))))
		tag_fill(record, &tag);
}

/* An abstract name has no end but its length: it is shown with '@' for its leading NUL. */
static __always_inline void path_read(struct flight_record *record, uint64_t user_address, uint32_t size)
{
#if KEEPS_RECORDS
	const char *path = (const char *)user_address + sizeof(uint16_t);
	uint32_t length = size - sizeof(uint16_t);

	if (size <= sizeof(uint16_t))
		return;
	if (length > sizeof(record->path) - 1)
		length = sizeof(record->path) - 1;
	/* The verifier wants to see a mask, which the compiler would know to be needless. */
	barrier_var(length);
	if (bpf_probe_read_user(record->path, length & 127, path))
		return;
	if (!record->path[0] && length > 1)
		record->path[0] = '@';
#endif
}

static __always_inline bool is_mapped(const uint32_t words[4])
{
	return !words[0] && !words[1] && words[2] == __builtin_bswap32(0xffff);
}

static __always_inline void destination_read(struct flight_record *record, const void *user_address)
{
	uint32_t words[4] = {};

	bpf_probe_read_user(words, sizeof(words), user_address);
	if (is_mapped(words)) {
		record->family = AF_INET;
		__builtin_memcpy(record->destination, &words[3], 4);
	} else {
		__builtin_memcpy(record->destination, words, sizeof(words));
	}
}

/* Reads both at once, for they are neighbours; the tag's place need not be readable if there is none. */
static __always_inline bool address_read(struct flight_record *record, uint64_t user_address, uint32_t size)
{
	struct tagged_address tagged = {};
	const uint32_t short_size = sizeof(struct tag) + 16; /* of an IPv4 address, the least of TCP */
	uint16_t family = 0;

	if (KEEPS_RECORDS &&
	    !bpf_probe_read_user(&tagged, short_size, (const void *)(user_address - sizeof(struct tag)))) {
		tag_fill(record, &tagged.tag);
	} else if (bpf_probe_read_user(&tagged.address, 16, (const void *)user_address)) {
		/* Shorter than that, or not in memory at all. */
		if (bpf_probe_read_user(&family, sizeof(family), (const void *)user_address)) {
			count(&counters.addresses_unread);
			return false;
		}
		tagged.address.family = family;
	}
	record->family = tagged.address.family;
	if (record->family == AF_UNIX) {
		path_read(record, user_address, size);
		return true;
	}
	record->destination_port = __builtin_bswap16(tagged.address.port);
	if (record->family == AF_INET)
		__builtin_memcpy(record->destination, tagged.address.in.address, 4);
	else if (record->family == AF_INET6)
		destination_read(record,
		    (const void *)(user_address + __builtin_offsetof(struct socket_address, in6.address)));
	return true;
}

/* ---- what ICMP said ---- */

/* False: `skb` of an error queue is of something else. */
static __always_inline bool icmp_read(struct flight *flight, const struct sk_buff *skb)
{
	const struct sock_exterr_skb *error = (const void *)skb + bpf_core_field_offset(struct sk_buff, cb);
	uint8_t origin = BPF_CORE_READ(error, ee.ee_origin);

	if (origin != SO_EE_ORIGIN_ICMP && origin != SO_EE_ORIGIN_ICMP6)
		return false;
	flight->icmp_error = (int32_t)BPF_CORE_READ(error, ee.ee_errno);
#if KEEPS_RECORDS
	struct hawser_trace_record *record = &flight->record;
	const struct iphdr *header;

	record->icmp_type = BPF_CORE_READ(error, ee.ee_type);
	record->icmp_code = BPF_CORE_READ(error, ee.ee_code);
	if (origin == SO_EE_ORIGIN_ICMP) {
		header = (const void *)BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, network_header);
		*(uint32_t *)record->icmp_from = BPF_CORE_READ(header, saddr);
	}
#endif
	barrier(); /* whoever sees the flag sees these */
	return true;
}

/* ---- the socket behind a descriptor ---- */

/* Only streams connect: any other socket is given a default destination. */
static __always_inline bool is_stream(const struct sock *sk)
{
	uint16_t type = BPF_CORE_READ(sk, sk_type), protocol = BPF_CORE_READ(sk, sk_protocol);

	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_UNIX)
		return type == SOCK_STREAM || type == SOCK_SEQPACKET;
	return type == SOCK_STREAM && (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP);
}

/* NULL: not a socket. A socket's file points to it, and it to its file. */
static __always_inline struct sock *sock_of_file(const struct file *file)
{
	const struct socket *socket;

	if (!file)
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	if (!socket || BPF_CORE_READ(socket, file) != file)
		return NULL;
	return BPF_CORE_READ(socket, sk);
}

/* Of the current thread; those that the kernel runs for a ring share the files of their process. NULL: fd is
 * none. */
static __always_inline struct file **place_of_descriptor(int fd)
{
	const struct fdtable *table;
	uint32_t count;

	if (!HAS_NEW_HELPERS) {
		table = BPF_CORE_READ((const struct task_struct *)bpf_get_current_task(), files, fdt);
		count = BPF_CORE_READ(table, max_fds);
		return fd >= 0 && (uint32_t)fd < count ? BPF_CORE_READ(table, fd) + fd : NULL;
	}
	table = bpf_get_current_task_btf()->files->fdt;
	return fd >= 0 && (uint32_t)fd < table->max_fds ? table->fd + fd : NULL;
}

static __always_inline struct sock *sock_of_descriptor(int fd)
{
	struct file **place = place_of_descriptor(fd);
	const struct file *file = NULL;

	if (place)
		bpf_probe_read_kernel(&file, sizeof(file), place);
	return sock_of_file(file);
}

/* A descriptor registered with the ring. The lowest bits of the pointer are flags. */
static __always_inline struct sock *sock_of_fixed(struct io_ring_ctx *context, uint32_t index)
{
	const struct io_ring_ctx___before_6_13 *older = (const void *)context;
	const struct io_rsrc_node **nodes;
	const struct io_rsrc_node *node = NULL;
	const struct io_fixed_file *slots;
	uint64_t file = 0;

	if (bpf_core_field_exists(context->file_table.data)) {
		if (index >= BPF_CORE_READ(context, file_table.data.nr))
			return NULL;
		nodes = (const struct io_rsrc_node **)BPF_CORE_READ(context, file_table.data.nodes);
		bpf_probe_read_kernel(&node, sizeof(node), &nodes[index]);
		file = node ? BPF_CORE_READ(node, file_ptr) : 0;
	} else if (bpf_core_field_exists(older->file_table.files)) {
		slots = BPF_CORE_READ(older, file_table.files);
		bpf_probe_read_kernel(&file, sizeof(file), slots + index);
	}
	return sock_of_file((const struct file *)(file & ~7ULL));
}

#endif
