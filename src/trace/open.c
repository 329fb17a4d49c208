/* SPDX-License-Identifier: MIT
 *
 * Opening a trace: the programs that this kernel can run are loaded, told what to record, and attached; then
 * nothing more is needed of the capabilities. Failures, each with its sentence: an option (-EINVAL), no BTF
 * or no tracepoint for states of TCP (-ENOENT), not permitted (-EPERM), memory (-ENOMEM), and what the kernel
 * answers else. A part that this kernel lacks is left out; hawser_trace_probe says which.
 */
#include "names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { RECORDS_BYTES_MIN = 4096, BUCKET_PLACES = 8 };

int trace_offset_in(const struct btf *btf, const char *section, const char *name)
{
	int id = btf__find_by_name_kind(btf, section, BTF_KIND_DATASEC);
	const struct btf_type *type = id < 0 ? NULL : btf__type_by_id(btf, (__u32)id);
	const struct btf_var_secinfo *variables = type ? btf_var_secinfos(type) : NULL;

	for (int i = 0; type && i < btf_vlen(type); i++) {
		const struct btf_type *variable = btf__type_by_id(btf, variables[i].type);

		if (strcmp(btf__name_by_offset(btf, variable->name_off), name) == 0)
			return (int)variables[i].offset;
	}
	return -ENOENT;
}

/* Before the programs are loaded. */
static int variable_set(
    struct bpf_object *object, const char *section, const char *name, const void *value, size_t value_size)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, section);
	int offset = trace_offset_in(bpf_object__btf(object), section, name);
	const void *initial;
	size_t size;
	char *copy;
	int result;

	if (!map || offset < 0)
		return -ENOENT;
	initial = bpf_map__initial_value(map, &size);
	copy = malloc(size);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, initial, size);
	memcpy(copy + offset, value, value_size);
	result = bpf_map__set_initial_value(map, copy, size);
	free(copy);
	return result;
}

static int check_config(const struct hawser_trace_config *config, struct hawser_trace_sentence *why)
{
	if (config->filters & HAWSER_TRACE_FILTER_PREFIX) {
		unsigned bits_max = config->prefix_family == AF_INET ? 32 : 128;

		if (config->prefix_family != AF_INET && config->prefix_family != AF_INET6) {
			trace_say(why, "an address prefix is of IPv4 or IPv6");
			return -EINVAL;
		}
		if (config->prefix_bits > bits_max) {
			trace_say(why, "an address prefix has at most %u bits, not %u", bits_max,
			    config->prefix_bits);
			return -EINVAL;
		}
	}
	if (config->filters >= HAWSER_TRACE_FILTER_SAMPLE << 1) {
		trace_say(why, "a filter that this version does not know");
		return -EINVAL;
	}
	if ((config->filters & HAWSER_TRACE_FILTER_SAMPLE) && config->sample == 0) {
		trace_say(why, "one connect of 0 cannot be sampled");
		return -EINVAL;
	}
	return 0;
}

static int check_options(const struct hawser_trace_options *options, struct hawser_trace_sentence *why)
{
	if (options->names && options->histograms) {
		trace_say(why, "names go with records, of which histogram mode has none");
		return -EINVAL;
	}
	if (options->inflight_max == 0) {
		trace_say(why, "a table for 0 connects in flight sees none");
		return -EINVAL;
	}
	if (options->records_bytes < 4096 || options->records_bytes & (options->records_bytes - 1)) {
		trace_say(why, "the ring buffer's size is a power of two from 4096 bytes on, not %u",
		    options->records_bytes);
		return -EINVAL;
	}
	return check_config(&options->config, why);
}

static bool wants(const struct hawser_trace_options *options, enum trace_part part)
{
	return part == TRACE_PART_TCP || (part == TRACE_PART_RING && !options->no_ring) ||
	       (part >= TRACE_PART_CALLS && options->calls);
}

/* A part of which something is needed and missing. */
static bool is_crippled(enum trace_part part, const struct btf *btf)
{
	for (unsigned i = 0; i < trace_programs_count; i++)
		if (trace_programs[i].part == part && trace_programs[i].needed &&
		    !trace_role_fits(trace_programs[i].role, btf))
			return true;
	return false;
}

static int flags_set(struct bpf_object *object, bool ring, bool calls)
{
	int result = variable_set(object, ".rodata", "traces_ring", &ring, sizeof(ring));

	if (result == 0)
		result = variable_set(object, ".rodata", "traces_calls", &calls, sizeof(calls));
	return result;
}

static int select_programs(struct bpf_object *object, const struct hawser_trace_options *options,
    const struct btf *btf, struct hawser_trace_sentence *why)
{
	bool parts[TRACE_PARTS], calls;

	for (unsigned part = 0; part < TRACE_PARTS; part++)
		parts[part] = wants(options, part) && !is_crippled(part, btf);
	if (parts[TRACE_PART_FUNCTIONS])
		parts[TRACE_PART_FUNCTIONS] = trace_functions(btf);
	if (parts[TRACE_PART_FUNCTIONS])
		parts[TRACE_PART_CALLS] = false;
	calls = parts[TRACE_PART_CALLS] || parts[TRACE_PART_FUNCTIONS];
	if (!parts[TRACE_PART_TCP]) {
		trace_say(why,
		    "this kernel lacks the tracepoint inet_sock_set_state, without which no connect is seen");
		return -ENOENT;
	}
	if (options->calls && !calls) {
		trace_say(why, "this kernel lacks the tracepoints sys_enter and sys_exit, so connect(2) "
			       "cannot be traced");
		return -ENOENT;
	}
	for (unsigned i = 0; i < trace_programs_count; i++) {
		const struct trace_program *wanted = &trace_programs[i];
		struct bpf_program *program = bpf_object__find_program_by_name(object, wanted->name);

		bpf_program__set_autoload(program, parts[wanted->part] && trace_program_fits(wanted, btf));
	}
	return flags_set(object, parts[TRACE_PART_RING], calls);
}

/* Before 5.12 the kernel lacks the instruction that its table needs, as it lacks cookies: there the programs
 * for records do, told to send none. */
static bool uses_table(const struct hawser_trace_options *options, const struct btf *btf)
{
	return options->histograms && trace_has_cookies(btf);
}

/* The smallest that the kernel makes, where histogram mode needs none. */
static void maps_shrink(struct bpf_object *object)
{
	bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "records"), RECORDS_BYTES_MIN);
	bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "destinations"), 1);
}

/* Connects in flight are kept in buckets there, a power of two of them. */
static int table_size(struct bpf_object *object, uint32_t inflight_max)
{
	uint32_t buckets = 1, mask;

	while (buckets < (1u << 24) && buckets * BUCKET_PLACES < inflight_max)
		buckets <<= 1;
	mask = buckets - 1;
	bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "buckets"), buckets);
	bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "inflight"), buckets * BUCKET_PLACES);
	maps_shrink(object);
	return variable_set(object, ".rodata", "buckets_mask", &mask, sizeof(mask));
}

static int prepare(struct hawser_trace *trace, const struct hawser_trace_options *options,
    const struct btf *btf, struct hawser_trace_sentence *why)
{
	struct bpf_object *object = trace->object;
	struct hawser_trace_config config;
	int result = select_programs(object, options, btf, why);

	if (result < 0)
		return result;
	config = options->config;
	if (options->histograms)
		config.records = config.destinations = 0;
	result = variable_set(object, ".data", "config", &config, sizeof(config));
	if (result < 0)
		return result;
	trace->config_offset = trace_offset_in(bpf_object__btf(object), ".data", "config");
	trace->counters_offset = trace_offset_in(bpf_object__btf(object), ".bss", "counters");
	trace->data_size = bpf_map__value_size(bpf_object__find_map_by_name(object, ".data"));
	trace->bss_size = bpf_map__value_size(bpf_object__find_map_by_name(object, ".bss"));
	if (uses_table(options, btf))
		return table_size(object, options->inflight_max);
	bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "inflight"), options->inflight_max);
	bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "records"), options->records_bytes);
	return 0;
}

/* From the last to the first: connects go on meanwhile, and one whose begin is seen must not have its end
 * missed. */
static int attach(struct hawser_trace *trace)
{
	for (unsigned i = trace_programs_count; i-- > 0;) {
		struct bpf_program *program =
		    bpf_object__find_program_by_name(trace->object, trace_programs[i].name);

		if (!bpf_program__autoload(program))
			continue;
		trace->links[i] = bpf_program__attach(program);
		if (!trace->links[i])
			return -errno;
		trace->programs[i] = bpf_program__fd(program);
	}
	return 0;
}

static int fd_of(const struct hawser_trace *trace, const char *map)
{
	return bpf_map__fd(bpf_object__find_map_by_name(trace->object, map));
}

static int maps_find(struct hawser_trace *trace)
{
	trace->histograms = fd_of(trace, "histograms");
	trace->destinations = fd_of(trace, "destinations");
	trace->destinations_other = fd_of(trace, "destinations_other");
	trace->inflight = fd_of(trace, "inflight");
	trace->data = fd_of(trace, ".data");
	trace->bss = fd_of(trace, ".bss");
	trace->records = fd_of(trace, "records");
	return trace_reading_begin(trace);
}

static struct bpf_object *object_open(bool histograms, bool oldest)
{
	LIBBPF_OPTS(bpf_object_open_opts, open_options, .object_name = "hawser_trace");

	if (histograms)
		return bpf_object__open_mem(trace_histograms_object,
		    (size_t)(trace_histograms_object_end - trace_histograms_object), &open_options);
	if (oldest)
		return bpf_object__open_mem(trace_oldest_object,
		    (size_t)(trace_oldest_object_end - trace_oldest_object), &open_options);
	return bpf_object__open_mem(trace_object, (size_t)(trace_object_end - trace_object), &open_options);
}

static int load(struct hawser_trace *trace, const struct hawser_trace_options *options, const struct btf *btf,
    struct hawser_trace_sentence *why)
{
	int result;

	trace->object = object_open(uses_table(options, btf), !trace_has_cookies(btf));
	if (!trace->object)
		return trace_refused(why, -errno);
	result = prepare(trace, options, btf, why);
	if (result < 0)
		return result;
	result = bpf_object__load(trace->object);
	if (result == 0)
		result = maps_find(trace);
	if (result == 0)
		result = attach(trace);
	return result < 0 ? trace_refused(why, result) : 0;
}

struct hawser_trace *trace_new(void)
{
	struct hawser_trace *trace = calloc(1, sizeof(*trace));

	if (!trace)
		return NULL;
	trace->histograms = trace->destinations = trace->destinations_other = -1;
	trace->inflight = trace->records = trace->data = trace->bss = -1;
	for (unsigned i = 0; i < TRACE_PROGRAMS_MAX; i++)
		trace->programs[i] = -1;
	return trace;
}

int hawser_trace_open(
    const struct hawser_trace_options *given, struct hawser_trace_sentence *why, hawser_trace **ret_trace)
{
	struct hawser_trace_options options;
	struct hawser_trace *trace;
	struct btf *btf;
	int result;

	hawser_trace_options_init(&options);
	result = trace_options_take(&options, given, why);
	if (result == 0)
		result = check_options(&options, why);
	if (result < 0)
		return result;
	trace = trace_new();
	if (!trace) {
		trace_say(why, "no memory");
		return -ENOMEM;
	}
	trace_listen();
	btf = btf__load_vmlinux_btf();
	result = btf ? load(trace, &options, btf, why) : trace_without_btf(why);
	btf__free(btf);
	if (result == 0 && options.names)
		result = names_open(trace, &options, why);
	trace_unlisten();
	if (result < 0) {
		if (result == -ENOMEM)
			trace_say(why, "no memory");
		hawser_trace_close(trace);
		return result;
	}
	*ret_trace = trace;
	return 0;
}

void hawser_trace_options_init(struct hawser_trace_options *options)
{
	*options = (struct hawser_trace_options){HAWSER_DEFAULTS_hawser_trace_options};
}

void hawser_trace_close(hawser_trace *trace)
{
	if (!trace)
		return;
	for (unsigned i = 0; i < trace_programs_count; i++)
		bpf_link__destroy(trace->links[i]);
	names_close(trace->names);
	ring_buffer__free(trace->ring);
	trace_pins_close(trace);
	bpf_object__close(trace->object);
	free(trace->per_processor);
	free(trace);
}

int hawser_trace_configure(hawser_trace *trace, const struct hawser_trace_config *config)
{
	uint32_t zero = 0;
	char *data;
	int result = check_config(config, NULL);

	if (result < 0)
		return result;
	data = calloc(1, trace->data_size);
	if (!data)
		return -ENOMEM;
	result = bpf_map_lookup_elem(trace->data, &zero, data);
	if (result == 0) {
		memcpy(data + trace->config_offset, config, sizeof(*config));
		result = bpf_map_update_elem(trace->data, &zero, data, BPF_ANY);
	}
	free(data);
	if (result < 0)
		return -errno;
	return trace->names ? names_configure(trace->names, config) : 0;
}

int hawser_trace_config_read(hawser_trace *trace, struct hawser_trace_config *ret_config)
{
	uint32_t zero = 0;
	char *data = calloc(1, trace->data_size);
	int result = 0;

	if (!data)
		return -ENOMEM;
	if (bpf_map_lookup_elem(trace->data, &zero, data) < 0)
		result = -errno;
	else
		memcpy(ret_config, data + trace->config_offset, sizeof(*ret_config));
	free(data);
	return result;
}
