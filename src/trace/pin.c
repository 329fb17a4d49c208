/* SPDX-License-Identifier: MIT
 *
 * Programs and maps that outlive the process which loaded them: they are given names in a bpf file system,
 * as bpftool does it (programs under PATH, maps under PATH_maps), so that either may read or remove what the
 * other pinned. Failures: no bpf file system there (-EINVAL), something pinned there already (-EEXIST),
 * nothing pinned there (-ENOENT), maps of another version (-EPROTO), not permitted; a pin that fails half-way
 * is removed again.
 */
#include "trace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MAPS_SUFFIX "_maps"
enum { PATH_BYTES = 256, BPF_FILE_SYSTEM = (int)0xcafe4a11 };

/* The kernel reads keys from our memory and writes values into it, those of all processors where a map has
 * some for each: with a map of another kind it would go beyond what there is. */
static const struct {
	const char *name;
	size_t place; /* of its descriptor in struct hawser_trace */
	enum bpf_map_type type;
	uint32_t key_size;
	uint32_t value_size; /* 0: room is made as it is */
} pins[] = {
    {"histograms", offsetof(struct hawser_trace, histograms), BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(uint32_t),
	sizeof(struct hawser_trace_histogram)},
    {"destinations", offsetof(struct hawser_trace, destinations), BPF_MAP_TYPE_PERCPU_HASH,
	sizeof(struct hawser_trace_destination_key), sizeof(struct hawser_trace_destination)},
    {"destinations_other", offsetof(struct hawser_trace, destinations_other), BPF_MAP_TYPE_PERCPU_ARRAY,
	sizeof(uint32_t), sizeof(struct hawser_trace_destination)},
    {"inflight", offsetof(struct hawser_trace, inflight), BPF_MAP_TYPE_UNSPEC, 0, 0}, /* is_inflight */
    {"records", offsetof(struct hawser_trace, records), BPF_MAP_TYPE_RINGBUF, 0, 0},
    /* The first eight letters of the object's name, and what they are. */
    {"hawser_t_data", offsetof(struct hawser_trace, data), BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), 0},
    {"hawser_t_bss", offsetof(struct hawser_trace, bss), BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), 0},
};
enum { PINS = sizeof(pins) / sizeof(pins[0]) };

static int *descriptor_of(struct hawser_trace *trace, unsigned pin)
{
	return (int *)((char *)trace + pins[pin].place);
}

static int refuse(struct hawser_trace_sentence *why, const char *path, int error)
{
	if (error == -EEXIST)
		trace_say(why, "%s or %s" MAPS_SUFFIX " exists already", path, path);
	else if (error == -EPERM || error == -EACCES)
		trace_say(why, "not permitted to pin under %s: run it as root", path);
	else
		trace_say(why, "%s: %s", path, strerror(-error));
	return error;
}

/* A path that a bpf file system could have: its folder is in one, and it has no dot in its name. */
static int check_path(const char *path, struct hawser_trace_sentence *why)
{
	const char *name = strrchr(path, '/');
	char folder[PATH_BYTES];
	struct statfs status;

	if (strlen(path) >= PATH_BYTES - sizeof(MAPS_SUFFIX) || !name || name == path || !name[1] ||
	    strchr(name, '.')) {
		trace_say(why,
		    "'%.64s' is no path to pin under: one such as /sys/fs/bpf/hawser, without dots in the "
		    "name",
		    path);
		return -EINVAL;
	}
	snprintf(folder, sizeof(folder), "%.*s", (int)(name - path), path);
	if (statfs(folder, &status) < 0)
		return refuse(why, folder, -errno);
	if ((int)status.f_type != BPF_FILE_SYSTEM) {
		trace_say(
		    why, "%s is not in a bpf file system: `mount -t bpf bpf /sys/fs/bpf` makes one", folder);
		return -EINVAL;
	}
	return 0;
}

/* ---- unpin ---- */

/* A bpf file system holds nothing that could be lost but pins. */
static int folder_remove(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	int result = 0;

	if (!folder)
		return -errno;
	while (result == 0 && (entry = readdir(folder)))
		if (entry->d_name[0] != '.' && unlinkat(dirfd(folder), entry->d_name, 0) < 0)
			result = -errno;
	closedir(folder);
	if (result == 0 && rmdir(path) < 0)
		result = -errno;
	return result;
}

int hawser_trace_unpin(const char *path, struct hawser_trace_sentence *why)
{
	char maps[PATH_BYTES], known[PATH_BYTES * 2];
	int result = check_path(path, why);

	if (result < 0)
		return result;
	snprintf(maps, sizeof(maps), "%s" MAPS_SUFFIX, path);
	snprintf(known, sizeof(known), "%s/%s", maps, pins[0].name);
	result = access(known, F_OK) < 0 ? -errno : 0;
	if (result == -ENOENT) {
		trace_say(why, "nothing of hawser is pinned under %s", path);
		return result;
	}
	if (result == 0)
		result = folder_remove(path); /* the programs first: they use the maps */
	if (result == 0 || result == -ENOENT)
		result = folder_remove(maps);
	if (result == -EPERM || result == -EACCES) {
		trace_say(why, "not permitted to remove what is pinned under %s: run it as root", path);
		return result;
	}
	return result < 0 ? refuse(why, path, result) : 0;
}

/* ---- pin ---- */

static int links_pin(const struct hawser_trace *trace, const char *path)
{
	char name[PATH_BYTES * 2];
	int result = 0;

	for (unsigned i = 0; i < trace_programs_count && result == 0; i++) {
		if (!trace->links[i])
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, trace_programs[i].name);
		result = bpf_link__pin(trace->links[i], name);
	}
	return result;
}

int hawser_trace_pin(hawser_trace *trace, const char *path, struct hawser_trace_sentence *why)
{
	char maps[PATH_BYTES];
	int result = check_path(path, why);

	if (result < 0)
		return result;
	if (!trace->object) {
		trace_say(why, "it is pinned already");
		return -EEXIST;
	}
	snprintf(maps, sizeof(maps), "%s" MAPS_SUFFIX, path);
	if (mkdir(path, 0700) < 0)
		return refuse(why, path, -errno);
	if (mkdir(maps, 0700) < 0) {
		result = -errno;
		rmdir(path);
		return refuse(why, path, result);
	}
	trace_listen();
	result = bpf_object__pin_maps(trace->object, maps);
	if (result == 0)
		result = links_pin(trace, path);
	trace_unlisten();
	if (result == 0)
		return 0;
	folder_remove(path);
	folder_remove(maps);
	return refuse(why, path, result);
}

/* ---- read what is pinned ---- */

void trace_pins_close(struct hawser_trace *trace)
{
	if (trace->object) /* whose they are */
		return;
	for (unsigned i = 0; i < PINS; i++)
		if (*descriptor_of(trace, i) >= 0)
			close(*descriptor_of(trace, i));
	for (unsigned i = 0; i < TRACE_PROGRAMS_MAX; i++)
		if (trace->programs[i] >= 0)
			close(trace->programs[i]);
}

/* The map's own BTF tells where a variable lies, whoever compiled the object. */
static int variable_find(int map, const char *section, const char *name, size_t room, uint32_t *ret_size)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);
	struct btf *btf;
	int offset;

	if (bpf_obj_get_info_by_fd(map, &info, &size) < 0)
		return -errno;
	if (!info.btf_id)
		return -EPROTO;
	btf = btf__load_from_kernel_by_id(info.btf_id);
	if (!btf)
		return -errno;
	*ret_size = info.value_size;
	offset = trace_offset_in(btf, section, name);
	btf__free(btf);
	return offset < 0 || (size_t)offset + room > info.value_size ? -EPROTO : offset;
}

/* Rows by socket that begin with a record; or numbered rows that begin with its first word, the time. */
static bool is_inflight(const struct bpf_map_info *info)
{
	if (info->type == BPF_MAP_TYPE_ARRAY)
		return info->value_size >= sizeof(uint64_t);
	return info->type == BPF_MAP_TYPE_HASH && info->key_size == sizeof(uint64_t) &&
	       info->value_size >= sizeof(struct hawser_trace_record);
}

/* Anybody who is root may have pinned it, or another version of this. */
static int pin_check(const struct hawser_trace *trace, unsigned pin, int map)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(map, &info, &size) < 0)
		return -errno;
	if (map == trace->inflight)
		return is_inflight(&info) ? 0 : -EPROTO;
	if (info.type != pins[pin].type || info.key_size != pins[pin].key_size)
		return -EPROTO;
	return pins[pin].value_size && info.value_size != pins[pin].value_size ? -EPROTO : 0;
}

/* -1: it is not pinned, or may not be looked at, which takes CAP_SYS_ADMIN. What else may lie there under its
 * name is not counted with. */
static int program_open(const char *path, const char *program)
{
	struct bpf_prog_info info = {0};
	struct bpf_link_info attached = {0};
	uint32_t size = sizeof(info), attached_size = sizeof(attached);
	char name[PATH_BYTES * 2];
	int link, fd = -1;

	snprintf(name, sizeof(name), "%s/%s", path, program);
	link = bpf_obj_get(name);
	if (link < 0)
		return -1;
	if (bpf_obj_get_info_by_fd(link, &attached, &attached_size) == 0)
		fd = bpf_prog_get_fd_by_id(attached.prog_id);
	close(link);
	if (fd < 0)
		return -1;
	if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0 &&
	    strncmp(info.name, program, sizeof(info.name) - 1) == 0)
		return fd;
	close(fd);
	return -1;
}

static void programs_open(struct hawser_trace *trace, const char *path)
{
	for (unsigned i = 0; i < trace_programs_count; i++)
		trace->programs[i] = program_open(path, trace_programs[i].name);
}

static int pins_open(struct hawser_trace *trace, const char *path)
{
	char name[PATH_BYTES * 2];
	int result = 0;

	for (unsigned i = 0; i < PINS && result == 0; i++) {
		snprintf(name, sizeof(name), "%s" MAPS_SUFFIX "/%s", path, pins[i].name);
		*descriptor_of(trace, i) = bpf_obj_get(name);
		if (*descriptor_of(trace, i) < 0)
			return -errno;
		result = pin_check(trace, i, *descriptor_of(trace, i));
	}
	if (result < 0)
		return result;
	trace->config_offset = variable_find(
	    trace->data, ".data", "config", sizeof(struct hawser_trace_config), &trace->data_size);
	if (trace->config_offset < 0)
		return trace->config_offset;
	trace->counters_offset = variable_find(
	    trace->bss, ".bss", "counters", sizeof(struct hawser_trace_counters), &trace->bss_size);
	if (trace->counters_offset < 0)
		return trace->counters_offset;
	programs_open(trace, path);
	return trace_reading_begin(trace);
}

int hawser_trace_open_pinned(const char *path, struct hawser_trace_sentence *why, hawser_trace **ret_trace)
{
	struct hawser_trace *trace;
	int result = check_path(path, why);

	if (result < 0)
		return result;
	trace = trace_new();
	if (!trace)
		return refuse(why, path, -ENOMEM);
	trace_listen();
	result = pins_open(trace, path);
	trace_unlisten();
	if (result == 0) {
		*ret_trace = trace;
		return 0;
	}
	hawser_trace_close(trace);
	if (result == -ENOENT)
		trace_say(why, "nothing of hawser is pinned under %s; `hawser-trace pin` pins it", path);
	else if (result == -EPERM || result == -EACCES)
		trace_say(why, "not permitted to read what is pinned under %s: run it as root", path);
	else if (result == -EPROTO)
		trace_say(why, "another version of hawser, or something else, is pinned under %s", path);
	else
		refuse(why, path, result);
	return result;
}
