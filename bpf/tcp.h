/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * The network's side of a connect: the first SYN, SYNs repeated, a reset, ICMP, a drop by this host's
 * firewall, and the end (established or closed). A connect that a ring submitted is in flight already and is
 * only told of it, for the ring's completion ends it; any other begins at its SYN and ends at its answer.
 */
#ifndef HAWSER_BPF_TCP_H
#define HAWSER_BPF_TCP_H

#include "submission.h"

/* ---- begin ---- */

static __always_inline void route_fill(struct flight_record *record, const struct sock *sk)
{
	record->family = sk->__sk_common.skc_family;
#if KEEPS_RECORDS
	if (has_cookies)
		record->cookie = bpf_get_socket_cookie((void *)sk);
	record->netns = sk->__sk_common.skc_net.net->ns.inum;
	record->destination_port = __builtin_bswap16(sk->__sk_common.skc_dport);
	if (record->family == AF_INET6) {
		BPF_CORE_READ_INTO(&record->destination, sk, __sk_common.skc_v6_daddr);
		BPF_CORE_READ_INTO(&record->source, sk, __sk_common.skc_v6_rcv_saddr);
	} else {
		*(uint32_t *)record->destination = sk->__sk_common.skc_daddr;
		*(uint32_t *)record->source = sk->__sk_common.skc_rcv_saddr;
	}
#endif
}

/* A closed socket has given up its number, but not its port. */
static __always_inline void source_fill(struct flight_record *record, const struct sock *sk, bool closed)
{
#if KEEPS_RECORDS
	const struct inet_sock *inet = (const void *)sk;

	record->source_port =
	    closed ? __builtin_bswap16(BPF_CORE_READ(inet, inet_sport)) : sk->__sk_common.skc_num;
#endif
}

static __always_inline bool admits_socket(const struct sock *sk)
{
	uint8_t address[16] = {};
	uint16_t family;

	if (!config.filters)
		return true;
	family = sk->__sk_common.skc_family;
	if (family == AF_INET6)
		BPF_CORE_READ_INTO(&address, sk, __sk_common.skc_v6_daddr);
	else
		*(uint32_t *)address = sk->__sk_common.skc_daddr;
	return admits_sample(sk) && admits_route(sk->__sk_common.skc_net.net->ns.inum, family,
					__builtin_bswap16(sk->__sk_common.skc_dport), address);
}

/* Finds the request that connects this socket although its submission did not name it. */
static __always_inline struct flight *flight_adopt(uint64_t key)
{
	uint64_t thread = bpf_get_current_pid_tgid();
	uint64_t *request;
	struct flight *flight;

	if (!unresolved_seen)
		return NULL;
	request = bpf_map_lookup_elem(&unresolved, &thread);
	flight = request ? flight_find(*request) : NULL;
	flight = flight ? flight_copy(key, flight) : NULL;
	if (!flight)
		return NULL;
	flight_forget(*request);
	bpf_map_delete_elem(&unresolved, &thread);
	return flight;
}

/* The connect(2) that this thread is in, as far as those are traced. */
static __always_inline struct call *call_of_thread(void)
{
	uint64_t thread = bpf_get_current_pid_tgid();

	return traces_calls ? bpf_map_lookup_elem(&calls, &thread) : NULL;
}

static __always_inline struct flight *flight_of_socket_call(uint64_t key, const struct sock *sk, uint64_t now)
{
	bool works_for_another;
	struct flight *flight;
	struct call *call;

	if (!admits_socket(sk))
		return NULL;
	flight = flight_insert(key);
	if (!flight)
		return NULL;
	works_for_another = owner_fill(&flight->record);
	flight->record.start_ns = now;
	if (traces_ring && works_for_another)
		flight->request = FLIGHT_ALIEN;
	call = call_of_thread();
	if (call) {
		call->reached_network = true;
		flight->record.start_ns = call->start_ns;
		tag_read(&flight->record, call->user_address);
	}
	return flight;
}

static __always_inline void tcp_begin(struct sock *sk)
{
	uint64_t key = (uint64_t)sk, now;
	struct flight *flight;

	if (!admits_owner((uint32_t)(bpf_get_current_pid_tgid() >> 32)))
		return;
	now = bpf_ktime_get_ns();
	flight = flight_find(key);
	/* One that was told of a SYN before is a leftover of an earlier life of this socket. */
	if (!flight || !flight->request || flight->syn_ns)
		flight = flight_adopt(key);
	if (!flight)
		flight = flight_of_socket_call(key, sk, now);
	if (!flight)
		return;
	flight->syn_ns = now;
	flight->record.flags |= HAWSER_TRACE_SYN_SENT;
	route_fill(&flight->record, sk);
}

/* ---- end ---- */

/* A connect that fails after its state is SYN_SENT but before its SYN is queued closes without an error in
 * the socket: only the caller is told it. A socket closed by its owner has its SYN queued still. */
static __always_inline bool never_left(const struct sock *sk)
{
	const struct tcp_sock *tcp = (const void *)sk;

	return !BPF_CORE_READ(tcp, packets_out);
}

static __always_inline uint32_t cause_of_close(
    const struct flight *flight, const struct sock *sk, int32_t *error)
{
	uint32_t flags = flight->record.flags;
	int32_t code = sk->sk_err;

	*error = code;
	if (flags & HAWSER_TRACE_RESET)
		return HAWSER_TRACE_REFUSED;
	if (flags & HAWSER_TRACE_HAS_ICMP && code)
		return HAWSER_TRACE_ICMP;
	if (code == ETIMEDOUT)
		return flags & HAWSER_TRACE_FIREWALL ? HAWSER_TRACE_LOCAL_DROP : HAWSER_TRACE_TIMEOUT;
	if (code == ECONNABORTED)
		return HAWSER_TRACE_ABORTED;
	if (code) /* IPv6 does not leave the message behind */
		return HAWSER_TRACE_ICMP;
	/* SO_ERROR and rings take the error out of the socket, perhaps before it is closed: then the purged
	 * queue tells that it was no close of its owner, and the repeated SYNs that it was no failure before
	 * the first. */
	if (never_left(sk) && flight->record.syn_retransmits) {
		*error = ETIMEDOUT;
		return flags & HAWSER_TRACE_FIREWALL ? HAWSER_TRACE_LOCAL_DROP : HAWSER_TRACE_TIMEOUT;
	}
	if (never_left(sk)) {
		*error = EADDRNOTAVAIL;
		return HAWSER_TRACE_LOCAL_ERROR;
	}
	*error = sk->sk_err_soft;
	return HAWSER_TRACE_ABORTED;
}

static __always_inline void tcp_answer(struct flight *flight, uint64_t now, uint32_t cause, int32_t error)
{
	flight->answer_ns = now;
	flight->answer = (uint8_t)cause;
	flight->answer_error = error;
	flight->record.flags |= HAWSER_TRACE_ANSWERED;
}

static __always_inline void tcp_end(const struct sock *sk, int state)
{
	uint64_t key = (uint64_t)sk, now;
	struct flight *flight = flight_find(key);
	uint32_t cause = HAWSER_TRACE_OK;
	int32_t error = 0;
	bool ends;

	if (!flight || !flight->syn_ns)
		return;
	now = bpf_ktime_get_ns();
	if (state == TCP_CLOSE)
		cause = cause_of_close(flight, sk, &error);
	source_fill(&flight->record, sk, state == TCP_CLOSE);
	ends = !flight->request;
	if (flight->skips_success) /* no completion will come, unless it is of a failure */
		ends = cause == HAWSER_TRACE_OK || cause == HAWSER_TRACE_ABORTED;
	if (cause != HAWSER_TRACE_ABORTED && cause != HAWSER_TRACE_LOCAL_ERROR)
		tcp_answer(flight, now, cause, error);
	if (!ends)
		return;
	if (cause == HAWSER_TRACE_LOCAL_ERROR && call_of_thread()) {
		flight->awaits_return = true;
		return;
	}
	flight_end(flight, now, flight->request ? HAWSER_TRACE_RING : HAWSER_TRACE_TCP, cause, error);
	if (flight->request)
		hint_drop(flight);
	flight_forget(key);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tcp_state, struct sock *sk, int from, int to)
{
	if (to == TCP_SYN_SENT) {
		if (sk->sk_protocol == IPPROTO_TCP)
			tcp_begin(sk);
	} else if (from == TCP_SYN_SENT) {
		if (to != TCP_SYN_RECV) /* simultaneous open */
			tcp_end(sk, to);
	} else if (from == TCP_SYN_RECV && to == TCP_ESTABLISHED) {
		if (sk->sk_socket) /* the end of one; what a listener makes has no owner yet */
			tcp_end(sk, to);
	}
	return 0;
}

/* ---- in between ---- */

static __always_inline struct flight *flight_connecting(const struct sock *sk)
{
	if (sk->__sk_common.skc_state != TCP_SYN_SENT)
		return NULL;
	return flight_find((uint64_t)sk);
}

SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(tcp_retransmit, const struct sock *sk)
{
	struct flight *flight = flight_connecting(sk);

	if (flight)
		flight->record.syn_retransmits++;
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(tcp_reset, struct sock *sk)
{
	struct flight *flight = flight_connecting(sk);

	if (flight)
		flight->record.flags |= HAWSER_TRACE_RESET;
	return 0;
}

static __always_inline void icmp_fill(struct flight_record *record, const struct sk_buff *skb,
    const struct sock_exterr_skb *error, uint8_t origin)
{
	record->flags |= HAWSER_TRACE_HAS_ICMP;
#if KEEPS_RECORDS
	const struct iphdr *header;

	record->icmp_type = BPF_CORE_READ(error, ee.ee_type);
	record->icmp_code = BPF_CORE_READ(error, ee.ee_code);
	if (origin == SO_EE_ORIGIN_ICMP) {
		header = (const void *)BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, network_header);
		*(uint32_t *)record->icmp_from = BPF_CORE_READ(header, saddr);
	}
#endif
}

/* An ICMP error lies in the error queue of a connecting socket; the header it came with names its sender. */
OPTIONAL("tp_btf/inet_sk_error_report")
int BPF_PROG(tcp_error_report, const struct sock *sk)
{
	struct flight *flight = flight_connecting(sk);
	const struct sock_exterr_skb *error;
	const struct sk_buff *skb;
	uint8_t origin;

	if (!flight || !sk->sk_error_queue.qlen)
		return 0;
	skb = BPF_CORE_READ(sk, sk_error_queue.prev);
	error = (const void *)skb + bpf_core_field_offset(struct sk_buff, cb);
	origin = BPF_CORE_READ(error, ee.ee_origin);
	if (origin == SO_EE_ORIGIN_ICMP || origin == SO_EE_ORIGIN_ICMP6)
		icmp_fill(&flight->record, skb, error, origin);
	return 0;
}

/* Every packet that is dropped anywhere comes here: the reason is looked at first. */
OPTIONAL("tp_btf/kfree_skb")
int BPF_PROG(tcp_drop, struct sk_buff *skb, void *location, int reason)
{
	struct flight *flight;
	struct sock *sk;

	if (!bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_NETFILTER_DROP) ||
	    (uint32_t)reason != bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_NETFILTER_DROP))
		return 0;
	sk = skb->sk;
	flight = sk ? flight_find((uint64_t)sk) : NULL;
	if (flight)
		flight->record.flags |= HAWSER_TRACE_FIREWALL;
	return 0;
}

#endif
