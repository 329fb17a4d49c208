/* SPDX-License-Identifier: MIT
 *
 * Which programs this kernel can run: those whose tracepoint (or function) its BTF has, with as many
 * arguments as the program expects. BTF names a tracepoint x by a typedef btf_trace_x of a pointer to a
 * function, whose first argument is nobody's.
 */
#include "trace.h"

#include <stdio.h>
#include <string.h>

enum { ANY = 99 };

/* Programs are attached from the last to the first. The state of TCP begins connects and ends them; it comes
 * in between, for what submits a connect leaves to it what the network says. */
const struct trace_program trace_programs[] = {
    {"call_enter", "sys_enter", 2, 2, TRACE_PART_CALLS, true, "connect(2) entries",
	"unix sockets and failures before TCP are not seen of connect(2)"},
    {"call_enter_inet", "inet_stream_connect", 4, 4, TRACE_PART_FUNCTIONS, true, "calls by function", ""},
    {"call_enter_unix", "unix_stream_connect", 4, 4, TRACE_PART_FUNCTIONS, true, "calls by function", ""},
    {"ring_submit", "io_uring_submit_req", 1, 1, TRACE_PART_RING, true, "io_uring submissions",
	"connects of io_uring are seen by the network alone (needs Linux 6.1)"},
    {"ring_submit_sqe", "io_uring_submit_sqe", 2, 2, TRACE_PART_RING, true, "io_uring submissions",
	"connects of io_uring are seen by the network alone (needs Linux 6.1)"},
    {"tcp_state", "inet_sock_set_state", 3, ANY, TRACE_PART_TCP, true, "begin and end",
	"nothing is seen of TCP"},
    {"tcp_state_again", "inet_sock_set_state", 3, ANY, TRACE_PART_TCP, true, "begin and end",
	"nothing is seen of TCP"},
    {"tcp_retransmit", "tcp_retransmit_skb", 1, ANY, TRACE_PART_TCP, false, "SYN retransmits",
	"repeated SYNs are not counted"},
    {"tcp_reset", "tcp_receive_reset", 1, ANY, TRACE_PART_TCP, false, "resets",
	"a reset cannot be told from an ICMP port unreachable"},
    {"tcp_error_report", "inet_sk_error_report", 1, ANY, TRACE_PART_TCP, false, "ICMP",
	"the type, code and sender of ICMP errors are unknown (needs Linux 5.15)"},
    {"tcp_drop", "kfree_skb", 3, ANY, TRACE_PART_TCP, false, "local firewall",
	"a SYN dropped by this host's firewall looks like one lost on the way (needs Linux 5.17)"},
    {"ring_poll_arm", "io_uring_poll_arm", 1, ANY, TRACE_PART_RING, false, "io_uring polls",
	"whether a connect was polled is unknown"},
    {"ring_queue_async_work", "io_uring_queue_async_work", 1, ANY, TRACE_PART_RING, false, "io_uring workers",
	"whether a connect went to a worker is unknown"},
    {"ring_complete", "io_uring_complete", 3, 3, TRACE_PART_RING, true, "io_uring completions",
	"connects of io_uring are seen by the network alone (needs Linux 6.1)"},
    {"ring_complete_result", "io_uring_complete", 5, ANY, TRACE_PART_RING, true, "io_uring completions",
	"connects of io_uring are seen by the network alone (needs Linux 6.1)"},
    {"ring_overflow", "io_uring_cqe_overflow", 3, ANY, TRACE_PART_RING, false, "io_uring overflows",
	"connects whose completion overflows the ring stay in flight for ever"},
    {"call_exit", "sys_exit", 2, 2, TRACE_PART_CALLS, true, "connect(2) results",
	"unix sockets and failures before TCP are not seen of connect(2)"},
    {"call_exit_inet", "inet_stream_connect", 4, 4, TRACE_PART_FUNCTIONS, true, "calls by function", ""},
    {"call_exit_unix", "unix_stream_connect", 4, 4, TRACE_PART_FUNCTIONS, true, "calls by function", ""},
};
const unsigned trace_programs_count = sizeof(trace_programs) / sizeof(trace_programs[0]);
_Static_assert(sizeof(trace_programs) / sizeof(trace_programs[0]) <= TRACE_PROGRAMS_MAX, "room for each");

static const struct btf_type *prototype_of(const struct btf *btf, const struct trace_program *program)
{
	bool function = program->part == TRACE_PART_FUNCTIONS;
	const struct btf_type *type;
	char name[64];
	int id;

	snprintf(name, sizeof(name), "%s%s", function ? "" : "btf_trace_", program->tracepoint);
	id = btf__find_by_name_kind(btf, name, function ? BTF_KIND_FUNC : BTF_KIND_TYPEDEF);
	if (id < 0)
		return NULL;
	type = btf__type_by_id(btf, btf__type_by_id(btf, (__u32)id)->type);
	if (!function)
		type = type && btf_is_ptr(type) ? btf__type_by_id(btf, type->type) : NULL;
	return type && btf_is_func_proto(type) ? type : NULL;
}

bool trace_program_fits(const struct trace_program *program, const struct btf *btf)
{
	const struct btf_type *prototype = prototype_of(btf, program);
	int nobodys = program->part == TRACE_PART_FUNCTIONS ? 0 : 1;
	int arguments = prototype ? btf_vlen(prototype) - nobodys : -1;

	return arguments >= program->arguments_least && arguments <= program->arguments_most;
}

bool trace_role_fits(const char *role, const struct btf *btf)
{
	for (unsigned i = 0; i < trace_programs_count; i++)
		if (strcmp(trace_programs[i].role, role) == 0 && trace_program_fits(&trace_programs[i], btf))
			return true;
	return false;
}

/* The helper that makes cookies came to tracing programs between 5.10 and 5.15, as that tracepoint did. */
bool trace_has_cookies(const struct btf *btf)
{
	return trace_role_fits("ICMP", btf);
}
