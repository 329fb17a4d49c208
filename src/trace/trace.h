/* SPDX-License-Identifier: MIT
 *
 * What the parts of libhawser-trace share. Of all of hawser, this room alone knows libbpf.
 */
#ifndef HAWSER_TRACE_TRACE_H
#define HAWSER_TRACE_TRACE_H

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <hawser/trace.h>

enum { TRACE_PROGRAMS_MAX = 32 };

struct hawser_trace {
	struct bpf_object *object;
	/* By their places in trace_programs; NULL and -1: not loaded, or not known. */
	struct bpf_link *links[TRACE_PROGRAMS_MAX];
	int programs[TRACE_PROGRAMS_MAX];
	struct ring_buffer *ring;
	int processors;
	void *per_processor; /* room for one value of every processor */
	int histograms;
	int destinations;
	int destinations_other;
	int inflight;
	int records;
	int data; /* .data: the configuration */
	int bss;  /* .bss: the counters */
	uint32_t data_size;
	uint32_t bss_size;
	int config_offset;
	int counters_offset;
	hawser_trace_record_function function; /* of the read that goes on */
	void *user;
	int handed_over;
	int stopped;               /* what the function returned to end it */
	struct trace_names *names; /* NULL: opened without */
};

/* ---- object.c: the programs, as they were compiled ---- */
extern const unsigned char trace_object[];
extern const unsigned char trace_object_end[];
/* The same for histogram mode. */
extern const unsigned char trace_histograms_object[];
extern const unsigned char trace_histograms_object_end[];
/* Those of names. */
extern const unsigned char trace_names_object[];
extern const unsigned char trace_names_object_end[];
/* Those for records, for kernels whose programs cannot go through a map (before 5.13). */
extern const unsigned char trace_oldest_object[];
extern const unsigned char trace_oldest_object_end[];

/* ---- select.c: which programs this kernel can run ---- */
struct trace_program {
	const char *name;
	const char *tracepoint; /* as BTF names it, without btf_trace_; or a function */
	int arguments_least;    /* how many it has, for programs of one version's */
	int arguments_most;
	enum trace_part {
		TRACE_PART_TCP,
		TRACE_PART_RING,
		TRACE_PART_CALLS,
		TRACE_PART_FUNCTIONS, /* instead of TRACE_PART_CALLS, where functions can be traced */
		TRACE_PARTS
	} part;
	bool needed; /* its part is of no use without it, or without another of the same `role` */
	const char *role;
	const char *lost; /* what is lost without it */
};
/* What begins a connect comes before what ends it: see attach in open.c. */
extern const struct trace_program trace_programs[];
extern const unsigned trace_programs_count;

bool trace_program_fits(const struct trace_program *program, const struct btf *btf);
/* Whether some program of that role fits. */
bool trace_role_fits(const char *role, const struct btf *btf);
bool trace_has_cookies(const struct btf *btf);

/* ---- probe.c ---- */
/* Whether the kernel's functions can be traced, tried with a program that does nothing. */
bool trace_functions(const struct btf *btf);

/* ---- options.c ---- */
/* Over the defaults that are there. 0 or, with its sentence, -EINVAL or -E2BIG. */
int trace_options_take(struct hawser_trace_options *known, const struct hawser_trace_options *given,
    struct hawser_trace_sentence *why);

/* ---- open.c ---- */
/* Without any descriptor; NULL: no memory. */
struct hawser_trace *trace_new(void);
/* Where the linker put a variable of the programs. -ENOENT: they are not those that this library knows. */
int trace_offset_in(const struct btf *btf, const char *section, const char *name);

/* ---- read.c ---- */
/* Once the maps are known, however they were found. */
int trace_reading_begin(struct hawser_trace *trace);
/* Hands over the records there are, without waiting. Their number, or what the function returned to end it.
 */
int trace_records_take(struct hawser_trace *trace, hawser_trace_record_function function, void *user);

/* ---- missed.c ---- */
/* Events that the kernel kept from the programs of this trace. */
uint64_t trace_events_missed(const struct hawser_trace *trace);

/* ---- pin.c ---- */
/* Those of a trace that was opened by its pins; nothing for any other. */
void trace_pins_close(struct hawser_trace *trace);

/* ---- refusal.c ---- */
/* Why the kernel refused with this negative errno; answers it. */
int trace_refused(struct hawser_trace_sentence *why, int error);
int trace_without_btf(struct hawser_trace_sentence *why);
bool trace_may_load(void);

/* ---- sentences.c ---- */
void trace_say(struct hawser_trace_sentence *why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Keeps libbpf's complaints of this thread instead of having it print them, until as many trace_unlisten. */
void trace_listen(void);
void trace_unlisten(void);
const char *trace_heard(void);

#endif
