/* SPDX-License-Identifier: MIT
 *
 * Why the kernel said no, and what to run: a missing capability, a user namespace (whose capabilities do not
 * count here), a locked-down kernel, or no BTF.
 */
#include "trace.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool has_capability(unsigned capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capget, &header, data) < 0)
		return false;
	return data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability);
}

bool trace_may_load(void)
{
	return has_capability(CAP_SYS_ADMIN) || (has_capability(CAP_BPF) && has_capability(CAP_PERFMON));
}

static bool first_line(const char *path, char *ret_line, int size)
{
	FILE *file = fopen(path, "re");
	bool read = file && fgets(ret_line, size, file);

	if (file)
		fclose(file);
	return read;
}

/* Of the initial user namespace the map is the identity. */
static bool in_user_namespace(void)
{
	unsigned inside, outside, length;
	char line[128];

	return first_line("/proc/self/uid_map", line, sizeof(line)) &&
	       sscanf(line, "%u %u %u", &inside, &outside, &length) == 3 && length != UINT32_MAX;
}

/* Of its modes, only confidentiality keeps programs from reading the kernel. */
static bool is_locked_down(void)
{
	char line[128];

	return first_line("/sys/kernel/security/lockdown", line, sizeof(line)) &&
	       strstr(line, "[confidentiality]");
}

/* What can be run as it is printed: the path of this program, unless a shell would read it otherwise. */
static void program_name(char name[128])
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+-,:@%";
	ssize_t length = readlink("/proc/self/exe", name, 127);

	name[length > 0 ? length : 0] = '\0';
	if (length <= 0 || length == 127 || name[strspn(name, plain)])
		snprintf(name, 128, "PROGRAM");
}

int trace_without_btf(struct hawser_trace_sentence *why)
{
	trace_say(why,
	    "this kernel does not describe its types (/sys/kernel/btf/vmlinux is missing or unreadable): "
	    "it needs CONFIG_DEBUG_INFO_BTF=y");
	return -ENOENT;
}

int trace_refused(struct hawser_trace_sentence *why, int error)
{
	char program[128];

	program_name(program);
	if (error != -EPERM) /* -EACCES is the verifier's, whoever asks */
		trace_say(
		    why, "the kernel did not take the programs: %s (%s)", strerror(-error), trace_heard());
	else if (is_locked_down())
		trace_say(why,
		    "this kernel is locked down (confidentiality), so no program may look into it: boot with "
		    "lockdown=integrity or none");
	else if (in_user_namespace())
		trace_say(why, "not permitted inside a user namespace (a rootless container): run it "
			       "outside, with CAP_BPF and "
			       "CAP_PERFMON");
	else if (!trace_may_load())
		trace_say(why,
		    "not permitted: needs CAP_BPF and CAP_PERFMON; run it as root, or once "
		    "`sudo setcap cap_bpf,cap_perfmon=ep %s`",
		    program);
	else
		trace_say(
		    why, "the kernel refused although CAP_BPF and CAP_PERFMON are there (%s)", trace_heard());
	return error;
}
