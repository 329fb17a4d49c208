/* SPDX-License-Identifier: MIT
 *
 * Which files a process runs: those that its memory map says are executable. They are opened as that process
 * sees them, through /proc, for it may have another root.
 *
 * Failures: the process is gone (-ESRCH), or belongs to somebody else (-EACCES).
 */
#include "names.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

/* The program itself, even if it was replaced since or lies where only its owner may look; else, through the
 * root that the process sees. */
static bool path_of(uint32_t tgid, const char *program, const char *mapped, char *ret_path, size_t size)
{
	if (strcmp(program, mapped) == 0)
		return (size_t)snprintf(ret_path, size, "/proc/%u/exe", tgid) < size;
	return (size_t)snprintf(ret_path, size, "/proc/%u/root%s", tgid, mapped) < size;
}

/* The kernel's own threads have none. -EACCES: its maps may be seen, perhaps, but not its files. */
static int program_of(uint32_t tgid, char ret_program[PATH_BYTES])
{
	char link[64];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/%u/exe", tgid);
	length = readlink(link, ret_program, PATH_BYTES - 1);
	ret_program[length < 0 ? 0 : length] = '\0';
	return length < 0 && (errno == EACCES || errno == EPERM) ? -EACCES : 0;
}

/* NULL: not of a file, or not executable. Cuts the end of the line. */
static const char *mapped_file(char *line)
{
	char permissions[5];
	uint64_t inode;
	int path = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%*s %4s %*s %*s %" SCNu64 " %n", permissions, &inode, &path) < 2 || !path ||
	    !inode || permissions[2] != 'x' || line[path] != '/')
		return NULL;
	return line + path;
}

static int attach_mapped(struct trace_names *names, FILE *maps, uint32_t tgid, const char *program,
    struct hawser_trace_sentence *why)
{
	char path[PATH_BYTES + 64], *line = NULL;
	struct hawser_trace_sentence other;
	const char *file;
	int result = -ENOENT, attached;
	size_t size = 0;

	while (getline(&line, &size, maps) > 0) {
		file = mapped_file(line);
		if (!file || !path_of(tgid, program, file, path, sizeof(path)))
			continue;
		attached = names_attach(names, path, file, &other);
		if (attached == 0) {
			result = 0;
		} else if (attached != -ENOENT && result == -ENOENT) {
			result = attached;
			trace_say(why, "%s", other.text);
		}
	}
	free(line);
	if (result == -ENOENT)
		trace_say(why, "process %u has no probes of hawser", tgid);
	return result;
}

static int attach_process(struct trace_names *names, uint32_t tgid, struct hawser_trace_sentence *why)
{
	char path[64], program[PATH_BYTES];
	FILE *maps = NULL;
	int result = program_of(tgid, program);

	if (result == 0) {
		snprintf(path, sizeof(path), "/proc/%u/maps", tgid);
		maps = fopen(path, "re");
		result = maps ? 0 : -errno;
	}
	if (maps) {
		result = attach_mapped(names, maps, tgid, program, why);
		fclose(maps);
	} else if (result == -EACCES || result == -EPERM) {
		trace_say(why,
		    "process %u may not be looked at: that needs CAP_SYS_PTRACE, because it is another "
		    "user's or "
		    "has capabilities",
		    tgid);
	} else {
		result = result == -ENOENT ? -ESRCH : result;
		trace_say(why, "process %u is not there any more", tgid);
	}
	return result;
}

void names_attach_all(struct trace_names *names)
{
	DIR *processes = opendir("/proc");
	const struct dirent *entry;
	struct hawser_trace_sentence why;
	int result;

	while (processes && (entry = readdir(processes))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		result = attach_process(names, (uint32_t)strtoul(entry->d_name, NULL, 10), &why);
		if (result != -EACCES && result != -EPERM)
			continue;
		names->refused++;
		names->why_refused = why;
	}
	if (processes)
		closedir(processes);
}

void names_attach_started(struct trace_names *names)
{
	for (unsigned i = 0; i < names->started_count; i++)
		attach_process(names, names->started[i], NULL);
	names->started_count = 0;
}

int hawser_trace_names_process(hawser_trace *trace, uint32_t tgid, struct hawser_trace_sentence *why)
{
	if (trace->names)
		return attach_process(trace->names, tgid, why);
	trace_say(why, "this trace was opened without names");
	return -EINVAL;
}
