/* SPDX-License-Identifier: MIT
 *
 * What options are given: numbers, times, addresses, cgroups and network namespaces. False: it is none, or
 * none that could ever be met.
 */
#include "hawser-trace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

bool value_number(const char *word, uint64_t max, uint64_t *ret_number)
{
	unsigned long long number;
	char *end;

	errno = 0;
	number = strtoull(word, &end, 10);
	if (errno || end == word || *end || word[0] == '-' || number > max)
		return false;
	*ret_number = number;
	return true;
}

bool value_seconds(const char *word, double *ret_seconds)
{
	char *end;
	double seconds = strtod(word, &end);

	if (end == word || *end || !(seconds > 0 && seconds < 1e9))
		return false;
	*ret_seconds = seconds;
	return true;
}

bool value_milliseconds(const char *word, uint64_t *ret_ns)
{
	char *end;
	double ms = strtod(word, &end);

	if (end == word || *end || !(ms >= 0 && ms <= UINT32_MAX))
		return false;
	*ret_ns = (uint64_t)(ms * 1e6);
	return true;
}

static bool is_cgroup(int fd)
{
	struct statfs system;
	struct stat status;

	return fstatfs(fd, &system) == 0 && system.f_type == CGROUP2_SUPER_MAGIC && fstat(fd, &status) == 0 &&
	       S_ISDIR(status.st_mode);
}

/* Any file may be asked for its ioctl: only one of the namespaces' own file system may answer. */
static bool is_network(int fd)
{
	struct statfs system;

	return fstatfs(fd, &system) == 0 && system.f_type == NSFS_MAGIC &&
	       ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET;
}

/* Namespaces and cgroups are known to the kernel by the inode of a path. Of any other file it would be a
 * filter that nothing passes. */
static bool inode(const char *word, bool (*is_right)(int fd), uint64_t max, uint64_t *ret_inode)
{
	struct stat status;
	bool right;
	int fd;

	if (value_number(word, max, ret_inode))
		return true;
	fd = open(word, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	right = is_right(fd) && fstat(fd, &status) == 0 && status.st_ino <= max;
	if (right)
		*ret_inode = status.st_ino;
	close(fd);
	return right;
}

bool value_cgroup(const char *word, uint64_t *ret_id)
{
	return inode(word, is_cgroup, UINT64_MAX, ret_id);
}

bool value_network(const char *word, uint64_t *ret_inode)
{
	return inode(word, is_network, UINT32_MAX, ret_inode);
}

bool value_prefix(const char *word, struct hawser_trace_config *config)
{
	char address[64];
	uint64_t bits;
	const char *slash = strchr(word, '/');
	size_t length = slash ? (size_t)(slash - word) : strlen(word);
	bool six = strchr(word, ':') != NULL;

	if (length >= sizeof(address))
		return false;
	memcpy(address, word, length);
	address[length] = '\0';
	bits = six ? 128 : 32;
	if (slash && !value_number(slash + 1, bits, &bits))
		return false;
	config->prefix_family = six ? AF_INET6 : AF_INET;
	config->prefix_bits = (uint8_t)bits;
	return inet_pton(config->prefix_family, address, config->prefix) == 1;
}
