/* SPDX-License-Identifier: MIT
 *
 * A hawser-host to be started by a test: host_stage.h.
 */
#include "host_stage.h"

#include "peer.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ECHO = 1 };

struct host host;
char directory[HOST_PATH_BYTES];
const char *path; /* of the target */
char target[HOST_TARGET_BYTES];

void host_stage_set_up(void)
{
	cr_assert_eq(host_directory_make(directory), 0);
	snprintf(target, sizeof(target), "unix:%s/x.sock", directory);
	path = target + strlen("unix:");
}

void host_stage_tear_down(void)
{
	host_kill(&host);
	host_directory_remove(directory);
}

void serves(const char *where)
{
	int fd = peer_connect(where);
	cr_assert_geq(fd, 0, "%s: %s", where, strerror(-fd));
	peer_invoke(fd, 1, ECHO, 1, "hello");
	cr_assert_str_eq(peer_receive(fd), peer_reply_hex(1, false, "hello"), "%s", where);
	close(fd);
}

bool exists(const char *name)
{
	struct stat status;
	return lstat(name, &status) == 0;
}
