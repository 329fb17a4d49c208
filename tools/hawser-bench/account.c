/* SPDX-License-Identifier: MIT
 *
 * bpf(2) itself, for libbpf is the tracer's library's alone. Whose programs they are is not asked of the
 * kernel, which lists those of the whole machine: this process has its own open.
 *
 * Happy path: begin, read, run what is measured, read again, close what begin answered.
 * Failures: no CAP_SYS_ADMIN (-EPERM of begin), no /proc, a kernel that keeps no account: a negative errno.
 */
#include "account.h"

#include <dirent.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int account_begin(void)
{
	union bpf_attr attributes;
	long fd;

	memset(&attributes, 0, sizeof(attributes));
	attributes.enable_stats.type = BPF_STATS_RUN_TIME;
	fd = syscall(SYS_bpf, BPF_ENABLE_STATS, &attributes, sizeof(attributes));
	return fd < 0 ? -errno : (int)fd;
}

static bool is_program(int folder, const char *name)
{
	static const char program[] = "anon_inode:bpf-prog";
	char link[sizeof(program) + 1];
	ssize_t size = readlinkat(folder, name, link, sizeof(link));

	return size == sizeof(program) - 1 && memcmp(link, program, sizeof(program) - 1) == 0;
}

static int account_add(int program, struct account *sum)
{
	struct bpf_prog_info info = {0};
	union bpf_attr attributes;

	memset(&attributes, 0, sizeof(attributes));
	attributes.info.bpf_fd = (uint32_t)program;
	attributes.info.info_len = sizeof(info);
	attributes.info.info = (uint64_t)(uintptr_t)&info;
	if (syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attributes, sizeof(attributes)) < 0)
		return -errno;
	sum->ns += info.run_time_ns;
	sum->runs += info.run_cnt;
	return 0;
}

int account_read(struct account *ret_account)
{
	DIR *folder = opendir("/proc/self/fd");
	struct account sum = {0};
	struct dirent *entry;
	int result = 0;

	if (!folder)
		return -errno;
	while (result == 0 && (entry = readdir(folder)))
		if (is_program(dirfd(folder), entry->d_name))
			result = account_add((int)strtol(entry->d_name, NULL, 10), &sum);
	closedir(folder);
	if (result == 0)
		*ret_account = sum;
	return result;
}
