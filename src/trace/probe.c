/* SPDX-License-Identifier: MIT
 *
 * What this kernel allows, in words. Only what is tried is known: whether programs may be loaded is learnt by
 * loading one of two instructions, for libbpf's own probes are wrong about tracing programs.
 */
#include "names.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <unistd.h>

static bool loads(const char *name, enum bpf_attach_type type)
{
	/* r0 = 0; exit */
	const struct bpf_insn instructions[] = {
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0}, {.code = BPF_JMP | BPF_EXIT}};
	int id = libbpf_find_vmlinux_btf_id(name, type);
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = type,
	    .attach_btf_id = id > 0 ? (__u32)id : 0);
	int program, link;

	if (id <= 0)
		return false;
	program =
	    bpf_prog_load(BPF_PROG_TYPE_TRACING, "hawser_probe", "Dual MIT/GPL", instructions, 2, &options);
	if (program < 0)
		return false;
	link = bpf_raw_tracepoint_open(NULL, program);
	close(program);
	if (link < 0)
		return false;
	close(link);
	return true;
}

/* The helper that finds a thread's registers came with 5.15, as that tracepoint did. */
bool trace_functions(const struct btf *btf)
{
	return trace_role_fits("ICMP", btf) && loads("inet_stream_connect", BPF_TRACE_FENTRY);
}

static void add(struct hawser_trace_ability *abilities, int *count, const char *name, bool available,
    const char *sentence)
{
	abilities[*count] = (struct hawser_trace_ability){name, available, sentence};
	(*count)++;
}

static bool is_first_of_role(unsigned index)
{
	for (unsigned i = 0; i < index; i++)
		if (strcmp(trace_programs[i].role, trace_programs[index].role) == 0)
			return false;
	return true;
}

static void add_part(
    struct hawser_trace_ability *abilities, int *count, enum trace_part part, const struct btf *btf)
{
	for (unsigned i = 0; i < trace_programs_count && *count < HAWSER_TRACE_ABILITIES_MAX - 2; i++) {
		const struct trace_program *program = &trace_programs[i];
		bool fits = trace_role_fits(program->role, btf);

		if (program->part == part && is_first_of_role(i))
			add(abilities, count, program->role, fits, fits ? "yes" : program->lost);
	}
}

int hawser_trace_probe(struct hawser_trace_ability ret_abilities[HAWSER_TRACE_ABILITIES_MAX])
{
	bool tracing, fentry, probes = names_try(NULL) == 0;
	struct btf *btf;
	int count = 0;

	trace_listen();
	btf = btf__load_vmlinux_btf();
	tracing = loads("inet_sock_set_state", BPF_TRACE_RAW_TP);
	fentry = btf && trace_functions(btf);
	trace_unlisten();
	add(ret_abilities, &count, "BTF", btf != NULL,
	    btf ? "the kernel describes its types"
		: "without /sys/kernel/btf/vmlinux no program can be loaded");
	add(ret_abilities, &count, "permission", tracing,
	    tracing ? "a program could be loaded and attached"
		    : "no program could be loaded: it needs CAP_BPF and CAP_PERFMON, outside of user "
		      "namespaces, on a "
		      "kernel that is not locked down");
	for (unsigned part = TRACE_PART_TCP; btf && part < TRACE_PART_FUNCTIONS; part++)
		add_part(ret_abilities, &count, part, btf);
	if (btf)
		add(ret_abilities, &count, "socket cookies", trace_has_cookies(btf),
		    trace_has_cookies(btf) ? "yes" : "records have no socket cookie (needs Linux 5.15)");
	add(ret_abilities, &count, "fentry", fentry,
	    fentry ? "connect(2) is traced where it connects: no other system call pays for it"
		   : "connect(2), where asked for, is traced at every system call, which pays a little");
	add(ret_abilities, &count, "names", probes,
	    probes ? "what hawser's clients say by their USDT probes can be read"
		   : "attempts are known by their tags alone: probes need uprobes, and CAP_SYS_ADMIN on "
		     "Linux 6.18");
	btf__free(btf);
	return count;
}
