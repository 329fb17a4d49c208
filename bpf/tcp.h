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

/* What programs know a socket by. Of MPTCP that is the one above, which the first of those below shares its
 * file with. */
static __always_inline uint64_t key_of(const struct sock *sk)
{
	const struct socket *socket = sk->sk_socket;
	const struct sock *known = socket ? socket->sk : NULL;

	return known ? (uint64_t)known : (uint64_t)sk;
}

/* IPv4 by a socket of IPv6 (RFC 4291, 2.5.5.2) is IPv4. */
static __always_inline uint16_t family_of(const struct sock *sk)
{
	uint16_t family = sk->__sk_common.skc_family;
	uint32_t words[4] = {};

	if (family != AF_INET6)
		return family;
	BPF_CORE_READ_INTO(&words, sk, __sk_common.skc_v6_daddr);
	return is_mapped(words) ? AF_INET : AF_INET6;
}

static __always_inline void route_fill(struct flight_record *record, const struct sock *sk)
{
	record->family = family_of(sk);
#if KEEPS_RECORDS
	if (HAS_NEW_HELPERS)
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
	family = family_of(sk);
	if (family == AF_INET6)
		BPF_CORE_READ_INTO(&address, sk, __sk_common.skc_v6_daddr);
	else
		*(uint32_t *)address = sk->__sk_common.skc_daddr;
	return admits_sample(sk) && admits_route(sk->__sk_common.skc_net.net->ns.inum, family,
					__builtin_bswap16(sk->__sk_common.skc_dport), address);
}

/* The connect(2) that this thread is in, as far as those are traced. */
static __always_inline struct call *call_of_thread(void)
{
	uint64_t thread = bpf_get_current_pid_tgid();

	return traces_calls ? bpf_map_lookup_elem(&calls, &thread) : NULL;
}

static __always_inline struct flight *flight_of_socket(
    uint64_t key, const struct sock *sk, uint64_t now, bool by_ring)
{
	struct flight *flight;
	struct call *call;

	if (!admits_socket(sk))
		return NULL;
	flight = flight_insert(key);
	if (!flight)
		return NULL;
	owner_fill(&flight->record);
	if (by_ring) {
		flight->request = FLIGHT_ALIEN;
		return flight;
	}
	flight->record.start_ns = now;
	call = call_of_thread();
	if (call) {
		call->reached_network = true;
		flight->record.start_ns = call->start_ns;
		tag_read(&flight->record, call->user_address);
	}
	return flight;
}

/* A ring connects once more after ECONNABORTED, which it is told when somebody else took the error. */
static __always_inline void flight_again(struct flight *flight)
{
	flight->answer_ns = flight->answer = 0;
	flight->record.flags &= ~(HAWSER_TRACE_ANSWERED | HAWSER_TRACE_RESET | HAWSER_TRACE_HAS_ICMP);
}

static __always_inline void tcp_begin(struct sock *sk)
{
	uint64_t key = key_of(sk), now;
	bool by_ring;
	struct flight *flight;

	if (!admits_owner((uint32_t)(bpf_get_current_pid_tgid() >> 32)))
		return;
	now = bpf_ktime_get_ns();
	by_ring = traces_ring && is_in_ring();
	flight = flight_find(key);
	if (flight && flight->request && by_ring) {
		flight_again(flight);
	} else {
		if (flight) /* of an earlier life of this socket */
			flight_leave(flight);
		flight = flight_of_socket(key, sk, now, by_ring);
	}
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
	if (code == ECONNREFUSED && flight->record.family == AF_INET)
		return HAWSER_TRACE_REFUSED;
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
	flight->answer_error = error;
	barrier(); /* whoever sees the answer sees these */
	flight->answer = (uint8_t)(cause + 1);
	flight->record.flags |= HAWSER_TRACE_ANSWERED;
}

static __always_inline void tcp_end(const struct sock *sk, int state)
{
	uint64_t key = key_of(sk), now;
	struct flight *flight = flight_find(key);
	uint32_t cause = HAWSER_TRACE_OK;
	int32_t error = 0;
	bool ends;

	/* The second of the two programs finds it answered, or gone. */
	if (!flight || !flight->syn_ns || flight->answer_ns)
		return;
	now = bpf_ktime_get_ns();
	if (state == TCP_CLOSE)
		cause = cause_of_close(flight, sk, &error);
	source_fill(&flight->record, sk, state == TCP_CLOSE);
	/* Of a failure a completion comes, even if none of a success does. */
	ends = !flight->request || (flight->skips_success && cause == HAWSER_TRACE_OK);
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

/* Of what a listener makes nobody is the owner yet; of a simultaneous open (RFC 9293, 3.5) somebody is. */
static __always_inline bool is_answer(const struct sock *sk, int from, int to)
{
	if (from == TCP_SYN_SENT)
		return to != TCP_SYN_RECV;
	return from == TCP_SYN_RECV && to == TCP_ESTABLISHED && sk->sk_socket;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tcp_state, struct sock *sk, int from, int to)
{
	if (to == TCP_SYN_SENT && sk->sk_protocol == IPPROTO_TCP)
		tcp_begin(sk);
	if (is_answer(sk, from, to))
		tcp_end(sk, to);
	return 0;
}

/* From 6.1 on the kernel skips a program that an interrupt finds running on its processor. Answers come by
 * interrupts: of two programs that both look for them, one at most is running, and the other one runs. (A
 * connect begins in a task, which no interrupt is.) */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tcp_state_again, struct sock *sk, int from, int to)
{
	if (is_answer(sk, from, to))
		tcp_end(sk, to);
	return 0;
}

/* ---- in between ---- */

static __always_inline struct flight *flight_connecting(const struct sock *sk)
{
	if (sk->__sk_common.skc_state != TCP_SYN_SENT)
		return NULL;
	return flight_find(key_of(sk));
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

/* An ICMP error lies in the error queue of a connecting socket; the header it came with names its sender. */
OPTIONAL("tp_btf/inet_sk_error_report")
int BPF_PROG(tcp_error_report, const struct sock *sk)
{
	struct flight *flight = flight_connecting(sk);

	if (flight && sk->sk_error_queue.qlen && icmp_read(flight, BPF_CORE_READ(sk, sk_error_queue.prev)))
		flight->record.flags |= HAWSER_TRACE_HAS_ICMP;
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
	flight = sk ? flight_find(key_of(sk)) : NULL;
	if (flight)
		flight->record.flags |= HAWSER_TRACE_FIREWALL;
	return 0;
}

#endif
