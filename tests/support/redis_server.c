/* SPDX-License-Identifier: MIT
 *
 * See redis_server.h.
 *
 * Happy path: a free port below those that the kernel gives to others' connections (so that it is still free
 * at a restart), fork, exec, and PING until it answers.
 * Failures: a server that ends before it answers, or does not answer in time, fails the test.
 */
#include "redis_server.h"
#include "peer.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PORT_FIRST = 10000, PORTS = 20000, READY_TRIES = 1000, READY_STEP_US = 10000, ANSWER_BYTES = 4096 };

static const char *program_find(void)
{
	static const char *const paths[] = {"/usr/bin/redis-server", "/usr/local/bin/redis-server"};

	for (unsigned i = 0; i < 2; i++)
		if (access(paths[i], X_OK) == 0)
			return paths[i];
	return NULL;
}

bool redis_server_installed(void)
{
	return program_find() != NULL;
}

static bool port_is_free(unsigned port)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_free;

	cr_assert_geq(fd, 0);
	is_free = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	close(fd);
	return is_free;
}

static unsigned port_find(void)
{
	unsigned start = (unsigned)getpid() * 7;

	for (unsigned i = 0; i < PORTS; i++)
		if (port_is_free(PORT_FIRST + (start + i) % PORTS))
			return PORT_FIRST + (start + i) % PORTS;
	cr_assert_fail("no port is free");
	return 0;
}

static void child_exec(const struct redis_server *server, pid_t parent)
{
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	char port[16];
	sigset_t none;

	snprintf(port, sizeof(port), "%u", server->port);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* The parent may have died before prctl() took effect. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && chdir(server->directory) == 0 &&
	    dup2(nothing, 0) == 0 && dup2(nothing, 1) == 1 && dup2(nothing, 2) == 2)
		execl(program_find(), "redis-server", "--port", port, "--bind", "127.0.0.1", "--unixsocket",
		    "redis.sock", "--requirepass", REDIS_PASSWORD, "--save", "", "--appendonly", "no",
		    "--logfile", "redis.log", "--databases", "1", NULL);
	_exit(127);
}

static bool answers(struct redis_server *server)
{
	int fd = peer_connect(server->unix_target);

	if (fd < 0)
		return false;
	close(fd);
	return strcmp(redis_server_ask(server, "PING"), "+PONG\r\n") == 0;
}

void redis_server_restart(struct redis_server *server)
{
	pid_t parent = getpid();

	redis_server_kill(server);
	server->pid = fork();
	cr_assert_geq(server->pid, 0);
	if (server->pid == 0)
		child_exec(server, parent);
	for (unsigned i = 0; i < READY_TRIES; i++) {
		if (answers(server))
			return;
		cr_assert_eq(waitpid(server->pid, NULL, WNOHANG), 0, "redis-server ended at once");
		usleep(READY_STEP_US);
	}
	cr_assert_fail("redis-server does not answer");
}

void redis_server_start(struct redis_server *server, const char *directory)
{
	server->pid = 0;
	server->directory = directory;
	server->port = port_find();
	snprintf(server->unix_target, sizeof(server->unix_target), "unix:%s/redis.sock", directory);
	snprintf(server->tcp_target, sizeof(server->tcp_target), "tcp:127.0.0.1:%u", server->port);
	redis_server_restart(server);
}

void redis_server_kill(struct redis_server *server)
{
	if (server->pid == 0)
		return;
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
	server->pid = 0;
}

void redis_server_freeze(struct redis_server *server, bool frozen)
{
	cr_assert_eq(kill(server->pid, frozen ? SIGSTOP : SIGCONT), 0);
}

const char *redis_server_ask(struct redis_server *server, const char *command)
{
	static const char ok[] = "+OK\r\n";
	static char answer[ANSWER_BYTES];
	const struct timeval limit = {.tv_sec = PEER_TIMEOUT_MS / 1000};
	int fd = peer_connect(server->unix_target);
	size_t size = 0;
	char text[256];
	ssize_t got;

	cr_assert_geq(fd, 0, "no connection to redis-server");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	snprintf(text, sizeof(text), "AUTH \"%s\"\r\n%s\r\nQUIT\r\n", REDIS_PASSWORD, command);
	cr_assert_eq(peer_send(fd, text, strlen(text)), 0);
	while ((got = recv(fd, answer + size, sizeof(answer) - 1 - size, 0)) > 0)
		size += (size_t)got;
	close(fd);
	answer[size] = '\0';
	if (size >= 2 * strlen(ok) && strcmp(answer + size - strlen(ok), ok) == 0)
		answer[size - strlen(ok)] = '\0'; /* QUIT's */
	return strncmp(answer, ok, strlen(ok)) == 0 ? answer + strlen(ok) : answer;
}
