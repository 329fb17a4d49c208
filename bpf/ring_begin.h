/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * How a connect of io_uring begins: its submission is the begin of its flight, and that of a timeout which
 * is linked to it tells its deadline. The rest is in ring.h.
 */
#ifndef HAWSER_BPF_RING_BEGIN_H
#define HAWSER_BPF_RING_BEGIN_H

#include "submission.h"

static __always_inline struct sock *sock_of_submission(struct io_ring_ctx *context, uint64_t flags, int fd)
{
	return flags & REQUEST_FIXED_FILE ? sock_of_fixed(context, (uint32_t)fd) : sock_of_descriptor(fd);
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

	record->user_data = request->cqe.user_data;
#if KEEPS_RECORDS
	record->layer = HAWSER_TRACE_RING;
#endif
	flight->context = (uint64_t)request->ctx;
	flight->skips_success = request->flags & REQUEST_SKIP_SUCCESS;
	if (owner_fill(record))
		record->flags |= HAWSER_TRACE_SQPOLL;
	if (KEEPS_RECORDS || !sk || routes_filtered())
		address_read(record, (uint64_t)BPF_CORE_READ(connect, addr),
		    (uint32_t)BPF_CORE_READ(connect, addr_len));
}

/* Of a unix socket, no one would ever tell that it was connected: it is done at once, and says nothing. */
static __always_inline bool is_silent(const struct io_kiocb *request, const struct sock *sk)
{
	return request->flags & REQUEST_SKIP_SUCCESS && sk &&
	       BPF_CORE_READ(sk, __sk_common.skc_family) == AF_UNIX;
}

/* The row of this request: that of its socket, if it is known. A connect(2) that is under way there goes on
 * as the ring's, which is what its program waits for; a second request is answered by itself, under its own
 * name. A request that has a row already had it in an earlier life: the end of that was not seen. */
static __always_inline struct flight *flight_take(
    const struct io_kiocb *request, const struct sock *sk, uint64_t *ret_key)
{
	struct flight *flight = sk ? flight_find((uint64_t)sk) : NULL;
	bool under_way =
	    flight && flight->request != (uint64_t)request && !(flight->record.flags & HAWSER_TRACE_ANSWERED);

	*ret_key = sk && !(under_way && flight->request) ? (uint64_t)sk : (uint64_t)request;
	if (under_way && !flight->request) {
		flight->was_call = true;
		return flight;
	}
	if (*ret_key == (uint64_t)request)
		flight = flight_find(*ret_key);
	if (flight)
		flight_leave(flight);
	flight = flight_insert(*ret_key);
	if (flight)
		flight->record.start_ns = bpf_ktime_get_ns();
	return flight;
}

/* Key of the flight; 0: it has none. */
static __always_inline uint64_t flight_begin(struct io_kiocb *request)
{
	const struct sock *sk = sock_of_submission(request->ctx, request->flags, request->cqe.fd);
	struct flight *flight;
	uint64_t key;

	if (sk && (!is_stream(sk) || is_silent(request, sk) || !admits_sample(sk)))
		return 0;
	flight = flight_take(request, sk, &key);
	if (!flight)
		return 0;
	request_fill(flight, request, sk);
	if (!request_admitted(flight, sk)) {
		flight_forget(key);
		return 0;
	}
	flight->request = (uint64_t)request;
	hint_take(flight);
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

/* Its file is not looked up yet, but it was submitted just now: most likely it is this processor's latest. */
static __always_inline struct flight *flight_of_submission(
    struct io_ring_ctx *context, const struct io_kiocb *request)
{
	uint32_t zero = 0;
	const struct latest *last = bpf_map_lookup_elem(&latest, &zero);
	const struct sock *sk;
	struct flight *flight;

	if (last && last->request == (uint64_t)request)
		return last->key ? flight_find(last->key) : NULL;
	sk = sock_of_submission(context, BPF_CORE_READ(request, flags), BPF_CORE_READ(request, cqe.fd));
	flight = sk ? flight_find((uint64_t)sk) : NULL;
	if (flight && flight->request == (uint64_t)request)
		return flight;
	return flight_find((uint64_t)request);
}

/* A linked timeout is submitted right after the request that it guards, and points to it. */
static __always_inline int deadline_begin(struct io_kiocb *request)
{
	const struct io_timeout *timeout =
	    (const void *)request + bpf_core_field_offset(struct io_kiocb, cmd);
	const struct io_timeout_data *data = request->async_data;
	struct timespec64 time = {};
	struct io_kiocb *guarded;
	struct flight *flight;

	/* It is submitted by whom the connect is. */
	if (!admits_owner((uint32_t)(bpf_get_current_pid_tgid() >> 32)))
		return 0;
	guarded = BPF_CORE_READ(timeout, head);
	if (!guarded || BPF_CORE_READ(guarded, opcode) != OPERATION_CONNECT)
		return 0;
	flight = flight_of_submission(request->ctx, guarded);
	if (!flight || bpf_core_read(&time, sizeof(time), &data->ts))
		return 0;
	flight->record.deadline_ns = (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
	flight->record.flags |= HAWSER_TRACE_HAS_DEADLINE;
	return 0;
}

static __always_inline int request_submitted(struct io_kiocb *request)
{
	if (request->opcode == OPERATION_CONNECT)
		return request_begin(request);
	return request->opcode == OPERATION_LINK_TIMEOUT ? deadline_begin(request) : 0;
}

#if BUILT_FOR(604, 9999)
OPTIONAL("tp_btf/io_uring_submit_req")
int BPF_PROG(ring_submit, struct io_kiocb *request)
{
	return request_submitted(request);
}
#endif

#if BUILT_FOR(0, 603)
/* Before 6.4 or so it has another name. */
OPTIONAL("tp_btf/io_uring_submit_sqe")
int BPF_PROG(ring_submit_sqe, struct io_kiocb *request)
{
	return request_submitted(request);
}
#endif

#endif
