/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * io_uring's side of a connect: submitted, perhaps with a timeout linked to it, perhaps polled or given to a
 * worker, and completed once. The completion ends it, for it is what the program learns; what the network
 * said meanwhile (tcp.h) explains it. A completion that overflows the ring names no request: such a connect
 * is looked for by its user_data.
 */
#ifndef HAWSER_BPF_RING_H
#define HAWSER_BPF_RING_H

#include "ring_begin.h"

/* ---- in between ---- */

static __always_inline struct flight *flight_of_request(const struct io_kiocb *request)
{
	const struct sock *sk = sock_of_file(BPF_CORE_READ(request, file));
	struct flight *flight = sk ? flight_find((uint64_t)sk) : NULL;

	if (flight && flight->request == (uint64_t)request)
		return flight;
	return flight_find((uint64_t)request);
}

static __always_inline int request_mark(struct io_kiocb *request, uint32_t flag)
{
	struct flight *flight = request->opcode == OPERATION_CONNECT ? flight_of_request(request) : NULL;

	if (flight)
		flight->ring_flags |= flag;
	return 0;
}

OPTIONAL("tp_btf/io_uring_poll_arm")
int BPF_PROG(ring_poll_arm, struct io_kiocb *request)
{
	return request_mark(request, HAWSER_TRACE_POLLED);
}

/* IOSQE_ASYNC comes here before the file is looked up. */
OPTIONAL("tp_btf/io_uring_queue_async_work")
int BPF_PROG(ring_queue_async_work, struct io_kiocb *request)
{
	struct flight *flight =
	    request->opcode == OPERATION_CONNECT ? flight_of_submission(request->ctx, request) : NULL;

	if (flight)
		flight->ring_flags |= HAWSER_TRACE_WORKER;
	return 0;
}

/* ---- completion ---- */

/* A timeout that fired has left the chain; one that did not is in it still. `link` is 0 where the request
 * cannot be looked at: then the time decides. */
static __always_inline bool deadline_passed(
    const struct flight *flight, const struct io_kiocb *request, uint64_t now)
{
	const struct io_kiocb *link;

	if (!(flight->record.flags & HAWSER_TRACE_HAS_DEADLINE))
		return false;
	if (!request)
		return now - flight->record.start_ns >= flight->record.deadline_ns;
	link = BPF_CORE_READ(request, link);
	return !link || BPF_CORE_READ(link, opcode) != OPERATION_LINK_TIMEOUT;
}

/* What ICMP said may be in the queue before the programs are told: the kernel wakes the owner first. */
static __always_inline void icmp_look(struct flight *flight, const struct sock *sk)
{
	if (!sk || flight->record.flags & HAWSER_TRACE_HAS_ICMP ||
	    BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP || !BPF_CORE_READ(sk, sk_error_queue.qlen))
		return;
	if (icmp_read(flight, BPF_CORE_READ(sk, sk_error_queue.prev)))
		flight->ring_flags |= HAWSER_TRACE_HAS_ICMP;
}

/* io_uring may report success for a socket that an ICMP error has reached while it was connecting. One that
 * has sent no SYN is no such: TCP_FASTOPEN_CONNECT sends it with the first bytes. */
static __always_inline bool really_connected(const struct flight *flight, const struct sock *sk)
{
	const struct tcp_sock *tcp = (const void *)sk;
	uint8_t state;

	if (flight->answer)
		return flight->answer == HAWSER_TRACE_OK + 1;
	if (!sk || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return true;
	state = BPF_CORE_READ(sk, __sk_common.skc_state);
	if (state == TCP_SYN_SENT)
		return BPF_CORE_READ(tcp, snd_nxt) == BPF_CORE_READ(tcp, snd_una);
	return state != TCP_CLOSE;
}

static __always_inline int32_t false_success_error(struct flight *flight, const struct sock *sk)
{
	int32_t error;

	if (flight->answer)
		return flight->answer_error;
	icmp_look(flight, sk);
	if (flight->icmp_error)
		return flight->icmp_error;
	error = sk ? BPF_CORE_READ(sk, sk_err) : 0;
	return error ? error : sk ? BPF_CORE_READ(sk, sk_err_soft) : 0;
}

static __always_inline uint32_t cause_of_result(struct flight *flight, const struct io_kiocb *request,
    const struct sock *sk, int32_t result, uint64_t now, int32_t *error)
{
	*error = -result;
	if (result == 0) {
		if (really_connected(flight, sk))
			return HAWSER_TRACE_OK;
		*error = false_success_error(flight, sk);
		return HAWSER_TRACE_FALSE_SUCCESS;
	}
	if (result == -ECANCELED || result == -EINTR)
		return deadline_passed(flight, request, now) ? HAWSER_TRACE_DEADLINE : HAWSER_TRACE_CANCELLED;
	if (!flight->answer && !(flight->record.flags & HAWSER_TRACE_RESET))
		icmp_look(flight, sk);
	return cause_of_errno(flight, -result);
}

static __always_inline void request_end(struct flight *flight, uint64_t key, const struct io_kiocb *request,
    const struct sock *sk, int32_t result)
{
	uint64_t now = bpf_ktime_get_ns();
	uint32_t cause;
	int32_t error;

	if (!flight->record.family && sk)
		flight->record.family = BPF_CORE_READ(sk, __sk_common.skc_family);
	cause = cause_of_result(flight, request, sk, result, now, &error);
#if KEEPS_RECORDS
	const struct inet_sock *inet = (const void *)sk;
	struct hawser_trace_record *record = &flight->record;

	if (!record->netns)
		record->netns = netns_of_request(sk);
	if (sk && (record->flags & HAWSER_TRACE_SYN_SENT) && !record->source_port)
		record->source_port = __builtin_bswap16(BPF_CORE_READ(inet, inet_sport));
#endif
	hint_drop(flight);
	flight_end(flight, now, HAWSER_TRACE_RING, cause, error);
	flight_forget(key);
}

/* ---- completions that do not name their flight ---- */

struct search {
	uint64_t request; /* 0: by the ring and user_data */
	uint64_t context;
	uint64_t user_data;
	uint64_t key; /* found; 0: not */
};

static long search_visit(void *map, const void *key, struct flight *flight, struct search *search)
{
	bool found = search->request ? flight->request == search->request
				     : flight->request && flight->context == search->context &&
					   flight->record.user_data == search->user_data;

	if (!found)
		return 0;
#if KEEPS_RECORDS
	search->key = *(const uint64_t *)key;
#else
	search->key = flight->key;
#endif
	return 1;
}

static __always_inline struct flight *flight_search(struct search *search)
{
	bpf_for_each_map_elem(&inflight, search_visit, search, 0);
	return search->key ? flight_find(search->key) : NULL;
}

enum { FLAGS_OF_SUBMISSION = HAWSER_TRACE_HAS_TAG | HAWSER_TRACE_HAS_DEADLINE | HAWSER_TRACE_SQPOLL };

/* Does the socket's row tell of this connect? That of an earlier request, whose end was not seen, does if the
 * SYN went out since, and not for a request that is still under way. */
static __always_inline bool is_about(const struct flight *flight, const struct flight *row, int32_t result)
{
	if (row->request == FLIGHT_ALIEN)
		return true;
	return row->request && row->request != flight->request && row->syn_ns >= flight->record.start_ns &&
	       result != -EALREADY && result != -EISCONN && result != -ECANCELED && result != -EINTR;
}

/* The socket was connected before anyone could tell for which request: now it is known. */
static __always_inline void flight_merge(struct flight *flight, const struct sock *sk, int32_t result)
{
	struct flight *alien = sk ? flight_find((uint64_t)sk) : NULL;

	if (!alien || !is_about(flight, alien, result))
		return;
	flight->icmp_error = alien->icmp_error;
	flight->syn_ns = alien->syn_ns;
	flight->answer_ns = alien->answer_ns;
	flight->answer = alien->answer;
	flight->answer_error = alien->answer_error;
	flight->record.flags |= alien->record.flags & ~FLAGS_OF_SUBMISSION;
	flight->record.syn_retransmits = alien->record.syn_retransmits;
#if KEEPS_RECORDS
	flight->record.icmp_type = alien->record.icmp_type;
	flight->record.icmp_code = alien->record.icmp_code;
	__builtin_memcpy(flight->record.icmp_from, alien->record.icmp_from, sizeof(alien->record.icmp_from));
	flight->record.cookie = alien->record.cookie;
	__builtin_memcpy(flight->record.source, alien->record.source, sizeof(alien->record.source));
	flight->record.source_port = alien->record.source_port;
#endif
	flight_leave(alien);
	flight_forget((uint64_t)sk);
}

/* The socket at the submission need not be the one that is connected: a request before it in its chain may
 * have put another in that place. */
static __always_inline struct flight *flight_of_completion(
    struct search *search, uint64_t context, uint64_t user_data, const struct sock *sk, int32_t result)
{
	struct flight *flight = sk ? flight_find((uint64_t)sk) : NULL;

	search->key = (uint64_t)sk;
	if (flight && flight->request == search->request)
		return flight;
	search->key = search->request;
	flight = flight_find(search->key);
	if (!flight && hint_has(context, user_data)) {
		search->key = 0;
		flight = flight_search(search);
	}
	if (flight)
		flight_merge(flight, sk, result);
	return flight;
}

/* Submitted before the programs were attached. */
static __always_inline void start_unseen(const struct sock *sk)
{
	const struct flight *alien = sk ? flight_find((uint64_t)sk) : NULL;

	if (alien && alien->request == FLIGHT_ALIEN)
		flight_forget((uint64_t)sk);
	if (!config.filters && sk && is_stream(sk))
		count(&counters.start_unseen);
}

/* AF_UNSPEC: it succeeds, and leaves a socket that has sent nothing closed. */
static __always_inline bool is_disconnect(const struct flight *flight, const struct sock *sk, int32_t result)
{
	return !result && !(flight->record.flags & HAWSER_TRACE_SYN_SENT) &&
	       BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_CLOSE;
}

/* What turns out not to be a connect, or not one that is wanted, once its file is known. */
static __always_inline bool is_void(
    const struct search *search, const struct flight *flight, const struct sock *sk, int32_t result)
{
	if (!sk)
		return result == -ENOTSOCK || result == -EBADF;
	return !is_stream(sk) || is_disconnect(flight, sk, result) ||
	       (search->key == search->request && !admits_sample(sk));
}

static __always_inline int request_completed(
    void *context, struct io_kiocb *request, uint64_t user_data, int32_t result)
{
	struct search search = {.request = (uint64_t)request};
	const struct sock *sk;
	struct flight *flight;

	/* Of completions the most are of other operations: the cheapest question comes first. */
	if ((config.filters && !hint_has((uint64_t)context, user_data)) || !request ||
	    BPF_CORE_READ(request, opcode) != OPERATION_CONNECT)
		return 0;
	sk = sock_of_file(BPF_CORE_READ(request, file));
	flight = flight_of_completion(&search, (uint64_t)context, user_data, sk, result);
	if (!flight) {
		start_unseen(sk);
	} else if (flight->was_call && result == -EALREADY) { /* it does not wait for it */
		hint_drop(flight);
		flight->request = 0;
		flight->was_call = false;
	} else if (is_void(&search, flight, sk, result)) {
		hint_drop(flight);
		flight_forget(search.key);
	} else {
		request_end(flight, search.key, request, sk, result);
	}
	return 0;
}

#if BUILT_FOR(614, 9999)
OPTIONAL("tp_btf/io_uring_complete")
int BPF_PROG(ring_complete, void *context, struct io_kiocb *request, struct io_uring_cqe *cqe)
{
	return request_completed(context, request, cqe->user_data, cqe->res);
}
#endif

#if BUILT_FOR(0, 613)
OPTIONAL("tp_btf/io_uring_complete")
int BPF_PROG(ring_complete_result, void *context, struct io_kiocb *request, uint64_t user_data, int result)
{
	return request_completed(context, request, user_data, result);
}
#endif

/* By its user_data alone it may be another operation of the ring. */
static __always_inline bool is_its_result(
    const struct io_kiocb *request, const struct sock *sk, int32_t result)
{
	if (result)
		return result < 0 && BPF_CORE_READ(request, cqe.res) == result;
	return sk && BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_CLOSE;
}

OPTIONAL("tp_btf/io_uring_cqe_overflow")
int BPF_PROG(ring_overflow, void *context, uint64_t user_data, int32_t result)
{
	struct search search = {.context = (uint64_t)context, .user_data = user_data};
	const struct io_kiocb *request;
	const struct sock *sk;
	struct flight *flight;

	if (!hint_has(search.context, user_data))
		return 0;
	flight = flight_search(&search);
	if (!flight)
		return 0;
	request = (const struct io_kiocb *)flight->request;
	sk = sock_of_file(BPF_CORE_READ(request, file));
	if (!is_its_result(request, sk, result))
		return 0;
	flight_merge(flight, sk, result);
	flight->ring_flags |= HAWSER_TRACE_OVERFLOWED;
	count(&counters.completions_in_overflow);
	request_end(flight, search.key, request, sk, result);
	return 0;
}

#endif
