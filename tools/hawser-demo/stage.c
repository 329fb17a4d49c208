/* SPDX-License-Identifier: MIT
 *
 * What the clients of the demo meet: a hawser-host that is started, killed and started again, a port where
 * nobody listens, and a listener that is full and so never answers. Everything is on this machine and goes
 * with the demo.
 */
#include "demo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int loopback_socket(int backlog, char *ret_target, size_t size, struct sockaddr_in *ret_address)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) < 0 ||
	    (backlog >= 0 && listen(fd, backlog) < 0) ||
	    getsockname(fd, (struct sockaddr *)&address, &length) < 0) {
		fprintf(stderr, "hawser-demo: no socket on loopback: %s\n", strerror(errno));
		return -1;
	}
	snprintf(ret_target, size, "tcp:127.0.0.1:%u", ntohs(address.sin_port));
	*ret_address = address;
	return fd;
}

/* A backlog of 0 holds one connection; the next one's SYNs are dropped, as a dead machine drops them. */
static int set_silent(struct stage *stage)
{
	struct sockaddr_in address;

	stage->silent_fds[0] =
	    loopback_socket(0, stage->silent_target, sizeof(stage->silent_target), &address);
	if (stage->silent_fds[0] < 0)
		return -1;
	for (int i = 1; i < 3; i++) {
		stage->silent_fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)!connect(stage->silent_fds[i], (struct sockaddr *)&address, sizeof(address));
	}
	return 0;
}

int stage_set(struct stage *stage, const char *program)
{
	const char *slash = strrchr(program, '/');
	struct sockaddr_in address;
	int fd;

	memset(stage, 0, sizeof(*stage));
	snprintf(stage->directory, sizeof(stage->directory), "/tmp/hawser-demo-XXXXXX");
	if (!mkdtemp(stage->directory)) {
		fprintf(stderr, "hawser-demo: no directory in /tmp: %s\n", strerror(errno));
		return -1;
	}
	snprintf(stage->unix_target, sizeof(stage->unix_target), "unix:%s/orders.sock", stage->directory);
	snprintf(stage->host_program, sizeof(stage->host_program), "%.*shawser-host",
	    slash ? (int)(slash - program + 1) : 0, program);
	fd = loopback_socket(-1, stage->refused_target, sizeof(stage->refused_target), &address);
	if (fd < 0)
		return -1;
	close(fd); /* a port that was free a moment ago, and where nobody listens */
	return set_silent(stage);
}

int stage_start_host(struct stage *stage)
{
	pid_t parent = getpid();

	stage->host = fork();
	if (stage->host < 0)
		return -1;
	if (stage->host > 0)
		return 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	execl(stage->host_program, "hawser-host", "--quiet", "--exit-after-ms", "20000", stage->unix_target,
	    (char *)NULL);
	fprintf(stderr, "hawser-demo: %s: %s\n", stage->host_program, strerror(errno));
	_exit(127);
}

void stage_kill_host(struct stage *stage)
{
	if (stage->host <= 0)
		return;
	kill(stage->host, SIGKILL);
	waitpid(stage->host, NULL, 0);
	stage->host = 0;
}

void stage_clear(struct stage *stage)
{
	stage_kill_host(stage);
	unlink(stage->unix_target + strlen("unix:"));
	rmdir(stage->directory);
	for (int i = 0; i < 3; i++)
		close(stage->silent_fds[i]);
}
