/* SPDX-License-Identifier: MIT
 *
 * Programs on the USDT probes of provider "hawser" in files that processes run. A probe is of a file: whoever
 * runs it, now or later, is covered, and each file is looked into once.
 *
 * Failures, each with its sentence: no probes in it (-ENOENT), not permitted to look into it or to watch it
 * (-EACCES, -EPERM), too many files (-E2BIG), a kernel without uprobes (-EOPNOTSUPP), and what the kernel
 * answers else.
 */
#include "names.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const probes[NAMES_PROBES] = {"attempt_begin", "attempt_end", "backoff", "told"};

#define NEEDED \
	"it needs CAP_SYS_ADMIN beside CAP_BPF and CAP_PERFMON (before Linux 6.18 they may do), as root has"

static struct names_verdict *verdict_of(struct trace_names *names, const struct stat *status)
{
	unsigned count =
	    names->verdicts_count < NAMES_VERDICTS_MAX ? names->verdicts_count : NAMES_VERDICTS_MAX;

	for (unsigned i = 0; i < count; i++) {
		struct names_verdict *verdict = &names->verdicts[i];

		if (verdict->inode == status->st_ino && verdict->device == status->st_dev &&
		    verdict->changed_s == status->st_ctim.tv_sec &&
		    verdict->changed_ns == status->st_ctim.tv_nsec)
			return verdict;
	}
	return NULL;
}

static void verdict_keep(struct trace_names *names, const struct stat *status, int result)
{
	names->verdicts[names->verdicts_count++ % NAMES_VERDICTS_MAX] =
	    (struct names_verdict){.device = status->st_dev,
		.inode = status->st_ino,
		.changed_s = status->st_ctim.tv_sec,
		.changed_ns = status->st_ctim.tv_nsec,
		.result = result};
}

static int attach_probes(struct trace_names *names, const char *path)
{
	struct bpf_link **links = &names->links[names->files * NAMES_PROBES];
	int result = 0;

	for (unsigned i = 0; i < NAMES_PROBES; i++) {
		struct bpf_program *program = bpf_object__find_program_by_name(names->object, probes[i]);

		links[i] = bpf_program__attach_usdt(program, -1, path, "hawser", probes[i], NULL);
		if (links[i])
			continue;
		result = -errno;
		while (i-- > 0)
			bpf_link__destroy(links[i]);
		return result;
	}
	names->files++;
	return 0;
}

static int refuse(struct hawser_trace_sentence *why, const char *label, int result)
{
	if (result == -ENOENT || result == -EINVAL || result == -ENOEXEC)
		trace_say(why,
		    "%s has no probes of hawser: it does not use it, or its libhawser was built without "
		    "<sys/sdt.h>",
		    label);
	else if (result == -EOPNOTSUPP)
		trace_say(why, "this kernel has no uprobes (CONFIG_UPROBE_EVENTS), which names need");
	else if (result == -E2BIG)
		trace_say(
		    why, "names come from %d programs at most; %s would be one more", NAMES_FILES_MAX, label);
	else if (result == -EPERM || result == -EACCES)
		trace_say(why, "not permitted to watch the probes of %s: " NEEDED, label);
	else
		trace_say(why, "the probes of %s cannot be watched: %s (%s)", label, strerror(-result),
		    trace_heard());
	return result == -EINVAL || result == -ENOEXEC ? -ENOENT : result;
}

int names_attach(
    struct trace_names *names, const char *path, const char *label, struct hawser_trace_sentence *why)
{
	const struct names_verdict *verdict;
	struct stat status;
	int result;

	if (stat(path, &status) < 0 || access(path, R_OK) < 0) {
		result = -errno;
		trace_say(why, "%s cannot be read: %s", label, strerror(-result));
		return result;
	}
	verdict = verdict_of(names, &status);
	if (verdict)
		return verdict->result < 0 ? refuse(why, label, verdict->result) : 0;
	if (!S_ISREG(status.st_mode))
		return refuse(why, label, -ENOENT);
	if (names->files == NAMES_FILES_MAX)
		return refuse(why, label, -E2BIG);
	trace_listen();
	result = attach_probes(names, path);
	if (result == -ENOENT && access("/sys/bus/event_source/devices/uprobe/type", R_OK) < 0)
		result = -EOPNOTSUPP;
	verdict_keep(names, &status, result);
	if (result < 0)
		result = refuse(why, label, result);
	trace_unlisten();
	return result;
}

/* ---- opening ---- */

static struct bpf_map *map_of(const struct trace_names *names, const char *name)
{
	return bpf_object__find_map_by_name(names->object, name);
}

static struct step_config config_of(const struct hawser_trace_config *config)
{
	return (struct step_config){
	    .filters = config->filters & (HAWSER_TRACE_FILTER_TGID | HAWSER_TRACE_FILTER_UID),
	    .tgid = config->tgid,
	    .uid = config->uid,
	    .wake_bytes = config->wake_bytes};
}

int names_configure(struct trace_names *names, const struct hawser_trace_config *config)
{
	struct step_config wanted = config_of(config);
	uint32_t zero = 0;

	return bpf_map_update_elem(bpf_map__fd(map_of(names, ".data")), &zero, &wanted, BPF_ANY) < 0 ? -errno
												     : 0;
}

static int load(struct trace_names *names, const struct hawser_trace_options *options)
{
	LIBBPF_OPTS(bpf_object_open_opts, open_options, .object_name = "hawser_names");
	struct step_config config = config_of(&options->config);
	int result;

	names->object = bpf_object__open_mem(
	    trace_names_object, (size_t)(trace_names_object_end - trace_names_object), &open_options);
	if (!names->object)
		return -errno;
	bpf_map__set_max_entries(map_of(names, "steps"), options->records_bytes);
	result = bpf_map__set_initial_value(map_of(names, ".data"), &config, sizeof(config));
	return result < 0 ? result : bpf_object__load(names->object);
}

static int on_step(void *context, void *data, size_t size)
{
	struct trace_names *names = context;

	const struct step *step = data;

	if (size != sizeof(*step))
		return 0;
	if (step->kind != STEP_PROGRAM)
		join_step(names->join, step);
	else if (names->started_count < NAMES_STARTED_MAX)
		names->started[names->started_count++] = step->tgid;
	return 0;
}

static int watch(struct trace_names *names, struct ring_buffer *ring)
{
	struct epoll_event event = {.events = EPOLLIN};

	return epoll_ctl(names->epoll, EPOLL_CTL_ADD, ring_buffer__epoll_fd(ring), &event) < 0 ? -errno : 0;
}

static int reading_begin(struct trace_names *names, struct ring_buffer *records)
{
	int result;

	names->ring = ring_buffer__new(bpf_map__fd(map_of(names, "steps")), on_step, names, NULL);
	if (!names->ring)
		return -errno;
	names->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (names->epoll < 0)
		return -errno;
	result = watch(names, records);
	return result < 0 ? result : watch(names, names->ring);
}

/* By one that never fires. */
int names_try(struct hawser_trace_sentence *why)
{
	struct perf_event_attr attributes = {.size = sizeof(attributes), .disabled = 1};
	FILE *file = fopen("/sys/bus/event_source/devices/uprobe/type", "re");
	bool known = file && fscanf(file, "%u", &attributes.type) == 1;
	int fd = -1, result = -EOPNOTSUPP;

	if (file)
		fclose(file);
	if (known) {
		attributes.uprobe_path = (uint64_t)(uintptr_t) "/proc/self/exe";
		fd = (int)syscall(SYS_perf_event_open, &attributes, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
		result = fd < 0 ? -errno : 0;
	}
	if (fd >= 0)
		close(fd);
	if (result == -EACCES || result == -EPERM) {
		trace_say(why, "not permitted to watch probes, from which names come: " NEEDED);
		return -EPERM;
	}
	return result < 0 ? refuse(why, "this program", result) : 0;
}

/* Before those that run are looked at, so that none is missed between. */
static int starts_watch(struct trace_names *names)
{
	names->starts = bpf_program__attach(bpf_object__find_program_by_name(names->object, "program"));
	return names->starts ? 0 : -errno;
}

static bool memory_take(struct trace_names *names)
{
	names->join = join_new();
	names->held_room = calloc(NAMES_HELD_MAX, sizeof(struct names_held));
	for (unsigned i = 0; names->held_room && i < NAMES_HELD_MAX; i++) {
		names->held_room[i].next = names->held_spare;
		names->held_spare = &names->held_room[i];
	}
	return names->join && names->held_room;
}

int names_open(
    struct hawser_trace *trace, const struct hawser_trace_options *options, struct hawser_trace_sentence *why)
{
	struct trace_names *names = calloc(1, sizeof(*names));
	int result;

	if (!names)
		return -ENOMEM;
	trace->names = names;
	names->epoll = -1;
	if (!memory_take(names))
		return -ENOMEM;
	result = names_try(why);
	if (result < 0)
		return result;
	result = load(names, options);
	if (result == 0)
		result = reading_begin(names, trace->ring);
	if (result == 0)
		result = starts_watch(names);
	if (result < 0)
		return trace_refused(why, result);
	names_attach_all(names);
	return 0;
}

void names_close(struct trace_names *names)
{
	if (!names)
		return;
	for (unsigned i = 0; i < names->files * NAMES_PROBES; i++)
		bpf_link__destroy(names->links[i]);
	bpf_link__destroy(names->starts);
	ring_buffer__free(names->ring);
	if (names->epoll >= 0)
		close(names->epoll);
	bpf_object__close(names->object);
	join_free(names->join);
	free(names->held_room);
	free(names);
}

int hawser_trace_names_file(hawser_trace *trace, const char *path, struct hawser_trace_sentence *why)
{
	if (trace->names)
		return names_attach(trace->names, path, path, why);
	trace_say(why, "this trace was opened without names");
	return -EINVAL;
}

int hawser_trace_names_read(hawser_trace *trace, struct hawser_trace_names *ret_names)
{
	const struct trace_names *names = trace->names;
	struct hawser_trace_names answer = {.files_max = NAMES_FILES_MAX};
	uint32_t zero = 0;

	if (!names)
		return -EINVAL;
	if (bpf_map_lookup_elem(bpf_map__fd(map_of(names, ".bss")), &zero, &answer.steps_lost) < 0)
		return -errno;
	answer.unfinished = names->unfinished;
	answer.files = names->files;
	answer.refused = names->refused;
	answer.why_refused = names->why_refused;
	*ret_names = answer;
	return 0;
}
