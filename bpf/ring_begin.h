/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * How a connect of io_uring begins: its submission is the begin of its flight. The rest is in ring.h.
 */
#ifndef HAWSER_BPF_RING_BEGIN_H
#define HAWSER_BPF_RING_BEGIN_H

#include "submission.h"

static __always_inline struct sock *sock_of_request(struct io_kiocb *request)
{
	int fd = request->cqe.fd;

	if (request->flags & REQUEST_FIXED_FILE)
		return sock_of_fixed(request->ctx, (uint32_t)fd);
	return sock_of_descriptor(fd);
}

static __always_inline uint32_t netns_of_request(const struct sock *sk)
{
	return sk ? BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum) : netns_of_task();
}

/* False: the filters leave it out. */
static __always_inline bool request_admitted(struct flight *flight, const struct sock *sk)
{
	struct flight_record *record = &flight->record;

	if (!config.filters) /* TCP will tell the namespace, or the completion */
		return true;
	if (!KEEPS_RECORDS && !routes_filtered())
		return true;
	record->netns = netns_of_request(sk);
	return admits_route(record->netns, record->family, record->destination_port, record->destination);
}

static __always_inline void request_fill(
    struct flight *flight, struct io_kiocb *request, const struct sock *sk)
{
	const struct io_connect *connect =
	    (const void *)request + bpf_core_field_offset(struct io_kiocb, cmd);
	struct flight_record *record = &flight->record;

	record->start_ns = bpf_ktime_get_ns();
	record->user_data = request->cqe.user_data;
#if KEEPS_RECORDS
	record->layer = HAWSER_TRACE_RING;
#endif
	flight->request = (uint64_t)request;
	flight->context = (uint64_t)request->ctx;
	flight->skips_success = request->flags & REQUEST_SKIP_SUCCESS;
	if (owner_fill(record))
		record->flags |= HAWSER_TRACE_SQPOLL;
	if (KEEPS_RECORDS || !sk || routes_filtered())
		address_read(record, (uint64_t)BPF_CORE_READ(connect, addr),
		    (uint32_t)BPF_CORE_READ(connect, addr_len));
}

/* Key of the flight; 0: it has none. */
static __always_inline uint64_t flight_begin(struct io_kiocb *request)
{
	uint64_t thread = bpf_get_current_pid_tgid(), key, name = (uint64_t)request;
	const struct flight *other;
	struct flight *flight;
	const struct sock *sk;

	sk = sock_of_request(request);
	if (!admits_sample(sk))
		return 0;
	key = sk ? (uint64_t)sk : name;
	/* A second connect of a socket that is connecting is answered by itself. */
	other = sk ? flight_find(key) : NULL;
	if (other && !(other->record.flags & HAWSER_TRACE_ANSWERED))
		key = name;
	flight = flight_insert(key);
	if (!flight)
		return 0;
	request_fill(flight, request, sk);
	if (!request_admitted(flight, sk)) {
		flight_forget(key);
		return 0;
	}
	hint_take(flight);
	if (!sk && !bpf_map_update_elem(&unresolved, &thread, &name, BPF_ANY))
		unresolved_seen = 1;
	return key;
}

static __always_inline int request_begin(struct io_kiocb *request)
{
	uint32_t zero = 0;
	struct latest *last;
	uint64_t key;

	if (!admits_owner((uint32_t)(bpf_get_current_pid_tgid() >> 32)))
		return 0;
	key = flight_begin(request);
	last = bpf_map_lookup_elem(&latest, &zero);
	if (last) {
		last->request = (uint64_t)request;
		last->key = key;
	}
	return 0;
}

#if BUILT_FOR(604, 9999)
OPTIONAL("tp_btf/io_uring_submit_req")
int BPF_PROG(ring_submit, struct io_kiocb *request)
{
	return request->opcode == OPERATION_CONNECT ? request_begin(request) : 0;
}
#endif

#if BUILT_FOR(0, 603)
/* Before 6.4 or so it has another name. */
OPTIONAL("tp_btf/io_uring_submit_sqe")
int BPF_PROG(ring_submit_sqe, struct io_kiocb *request)
{
	return request->opcode == OPERATION_CONNECT ? request_begin(request) : 0;
}
#endif

#endif
