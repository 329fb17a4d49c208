/* SPDX-License-Identifier: MIT
 *
 * hawser-host and a unix path that exists: a stale one makes way, one where another host listens does not
 * unless --replace says so, and nobody unlinks the path of somebody else.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../support/host_stage.h"
#include "../support/peer.h"

enum { ECHO = 1 };

TestSuite(host_paths, .init = host_stage_set_up, .fini = host_stage_tear_down, .timeout = 120);

/* A host with these arguments ends with 1 and this sentence. */
static void fails(const char *const *arguments, const char *sentence)
{
	struct host other;
	cr_assert_eq(host_spawn(&other, arguments), 0);
	cr_assert_eq(host_wait(&other, HOST_EXIT_TIMEOUT_MS), 1, "%s", host_errors(&other));
	cr_assert_not_null(strstr(host_errors(&other), sentence), "%s", host_errors(&other));
}

Test(host_paths, a_stale_path_makes_way_unless_told_otherwise)
{
	START(target);
	host_kill(&host);
	cr_assert(exists(path));
	cr_assert_eq(peer_connect(target), -ECONNREFUSED);
	fails(HOST_ARGUMENTS("--no-unlink", target), "bind: Address already in use");
	cr_assert(exists(path));
	START(target);
	serves(target);
	cr_assert_eq(host_stop(&host), 0);
	START("--no-unlink", target);
	serves(target);
}

Test(host_paths, a_path_where_another_host_listens_is_not_taken)
{
	static const char sentence[] = "another host listens there; --replace takes its place";
	START(target);
	fails(HOST_ARGUMENTS(target), sentence);
	serves(target);
	cr_assert_eq(host_stop(&host), 0);
	START("--no-accept", "--backlog", "0", target);
	int fd = peer_connect(target); /* the backlog is full */
	cr_assert_geq(fd, 0);
	fails(HOST_ARGUMENTS(target), sentence);
	cr_assert(exists(path));
	close(fd);
}

/* Neither listening nor refusing: a socket of another kind. */
Test(host_paths, a_path_of_which_nothing_can_be_known_is_not_taken)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	fails(HOST_ARGUMENTS(target),
	    "connect, to see whether somebody listens there: Protocol wrong type for socket");
	cr_assert(exists(path));
	close(fd);
	START(target); /* now it is stale */
	serves(target);
}

Test(host_paths, a_path_taken_over_by_another_host_is_left_alone)
{
	struct host second;
	START(target);
	cr_assert_eq(host_start(&second, HOST_ARGUMENTS("--replace", target)), 0);
	cr_assert_eq(host_stop(&host), 0);
	serves(target);
	cr_assert_eq(host_stop(&second), 0);
	cr_assert_not(exists(path));
}
