/* SPDX-License-Identifier: MIT
 *
 * A file that is replaced as a whole, as node_exporter's textfile collector wants it: written under another
 * name beside it, one that the collector does not read, and renamed. What fails leaves the old file as it was
 * and nothing beside it.
 */
#include "metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* mkostemp makes files for their owner alone, but the collector is another user. */
static int publish(int fd)
{
	mode_t mask = umask(0);

	umask(mask);
	return fchmod(fd, 0666 & ~mask) < 0 ? -errno : 0;
}

static int write_all(int fd, metrics_write_function function, void *user)
{
	FILE *file = fdopen(fd, "w");
	int result = 0;

	if (!file) {
		result = -errno;
		close(fd);
		return result;
	}
	errno = 0;
	function(file, user);
	if (fflush(file) != 0 || ferror(file))
		result = errno ? -errno : -EIO;
	if (result == 0)
		result = publish(fd);
	if (fclose(file) != 0 && result == 0)
		result = -errno;
	return result;
}

int metrics_file_replace(const char *path, metrics_write_function function, void *user)
{
	char beside[PATH_MAX];
	int result, fd;

	if ((size_t)snprintf(beside, sizeof(beside), "%s.XXXXXX", path) >= sizeof(beside))
		return -ENAMETOOLONG;
	fd = mkostemp(beside, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	result = write_all(fd, function, user);
	if (result == 0 && rename(beside, path) < 0)
		result = -errno;
	if (result < 0)
		unlink(beside);
	return result;
}
