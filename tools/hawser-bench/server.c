/* SPDX-License-Identifier: MIT
 *
 * The accepting side of the benchmark. It reads and writes nothing.
 *
 * Happy path: listeners are made, the child is forked and pinned, accepts until it is killed by its pid. It
 * dies with its parent.
 * Failures: no free port on all of the loopback addresses, no descriptors, no fork: an errno of server_start;
 * a server that is gone or stuck: -ETIMEDOUT of server_catch_up.
 */
#include "server.h"
#include "bench.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	LISTENERS = ENDPOINT_ADDRESSES + 2,
	EVENTS_MAX = 64,
	PORT_TRIES_MAX = 20,
	CATCH_UP_S = 5,
	CATCH_UP_STEP_NS = 20000,
};

/* What an event is about, in the upper half of its data. */
enum role { ROLE_CLOSES, ROLE_HOLDS, ROLE_HELD };

struct listener {
	int fd;
	enum role role;
};

static int listen_at(const union socket_address *address, socklen_t size, uint32_t backlog)
{
	int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return -errno;
	if (bind(fd, &address->any, size) == 0 && listen(fd, (int)backlog) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

static void tcp_address(struct endpoint *tcp, uint32_t index, in_port_t port)
{
	struct sockaddr_in *in = &tcp->addresses[index].in;

	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK + index);
	in->sin_port = port;
	snprintf(tcp->targets[index], ENDPOINT_TARGET_MAX, "tcp:127.0.0.%u:%u", index + 1, ntohs(port));
}

/* The kernel's choice of a port on the first address, the same on the others. */
static int tcp_listen(struct endpoint *tcp, struct listener *listeners, uint32_t backlog)
{
	socklen_t size = sizeof(struct sockaddr_in);
	in_port_t port = 0;

	*tcp = (struct endpoint){.name = "tcp", .family = AF_INET, .size = size, .count = ENDPOINT_ADDRESSES};
	for (uint32_t i = 0; i < ENDPOINT_ADDRESSES; i++) {
		int fd;

		tcp_address(tcp, i, port);
		fd = listen_at(&tcp->addresses[i], size, backlog);
		if (fd < 0) {
			while (i > 0)
				close(listeners[--i].fd);
			return fd;
		}
		listeners[i] = (struct listener){fd, ROLE_CLOSES};
		if (i > 0)
			continue;
		getsockname(fd, &tcp->addresses[0].any, &size);
		port = tcp->addresses[0].in.sin_port;
		tcp_address(tcp, 0, port);
	}
	return 0;
}

/* Abstract: nothing stays behind in the file system. */
static int local_listen(struct endpoint *local, const char *purpose, uint32_t backlog)
{
	struct sockaddr_un *un = &local->addresses[0].un;
	int length;

	*local = (struct endpoint){.name = "unix", .family = AF_UNIX, .count = 1};
	un->sun_family = AF_UNIX;
	length = snprintf(
	    un->sun_path + 1, sizeof(un->sun_path) - 1, "hawser-bench-%d-%s", (int)getpid(), purpose);
	local->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
	snprintf(local->targets[0], ENDPOINT_TARGET_MAX, "unix:@%s", un->sun_path + 1);
	return listen_at(&local->addresses[0], local->size, backlog);
}

static int listen_all(struct server *server, struct listener *listeners)
{
	int result = -EADDRINUSE;

	for (int tries = 0; result == -EADDRINUSE && tries < PORT_TRIES_MAX; tries++)
		result = tcp_listen(&server->tcp, listeners, server->backlog);
	if (result < 0)
		return result;
	result = local_listen(&server->local, "connect", server->backlog);
	listeners[ENDPOINT_ADDRESSES] = (struct listener){result, ROLE_CLOSES};
	if (result < 0)
		return result;
	result = local_listen(&server->held, "idle", server->backlog);
	listeners[ENDPOINT_ADDRESSES + 1] = (struct listener){result, ROLE_HOLDS};
	return result < 0 ? result : 0;
}

static int watch(int epoll_fd, int fd, enum role role)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)role << 32 | (uint32_t)fd};

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void accept_all(int epoll_fd, int listener, enum role role, atomic_uint_fast64_t *accepted)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		if (role == ROLE_CLOSES)
			atomic_fetch_add(accepted, 1);
		if (role == ROLE_CLOSES || watch(epoll_fd, fd, ROLE_HELD) < 0)
			close(fd);
	}
}

static _Noreturn void serve(const struct server *server, const struct listener *listeners)
{
	struct epoll_event events[EVENTS_MAX];
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);

	for (int i = 0; i < LISTENERS; i++)
		if (epoll_fd < 0 || watch(epoll_fd, listeners[i].fd, listeners[i].role) < 0)
			_exit(EXIT_FAILURE);
	for (;;) {
		int count = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);

		for (int i = 0; i < count; i++) {
			int fd = (int)(uint32_t)events[i].data.u64;
			enum role role = (enum role)(events[i].data.u64 >> 32);

			if (role == ROLE_HELD)
				close(fd);
			else
				accept_all(epoll_fd, fd, role, server->accepted);
		}
	}
}

void pin_thread(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static uint32_t backlog_allowed(void)
{
	FILE *file = fopen("/proc/sys/net/core/somaxconn", "re");
	unsigned allowed = 128;

	if (file) {
		if (fscanf(file, "%u", &allowed) != 1)
			allowed = 128;
		fclose(file);
	}
	return allowed < SERVER_BACKLOG ? allowed : SERVER_BACKLOG;
}

static int fork_server(struct server *server, const struct listener *listeners, int server_cpu)
{
	pid_t parent = getpid();

	server->pid = fork();
	if (server->pid < 0)
		return -errno;
	if (server->pid > 0)
		return 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
	pin_thread(server_cpu);
	serve(server, listeners);
}

int server_start(struct server *server, int client_cpu, int server_cpu)
{
	struct listener listeners[LISTENERS];
	int result;

	memset(server, 0, sizeof(*server));
	for (int i = 0; i < LISTENERS; i++)
		listeners[i].fd = -1;
	server->accepted =
	    mmap(NULL, sizeof(*server->accepted), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (server->accepted == MAP_FAILED)
		return -errno;
	server->backlog = backlog_allowed();
	result = listen_all(server, listeners);
	if (result == 0)
		result = fork_server(server, listeners, server_cpu);
	for (int i = 0; i < LISTENERS; i++)
		if (listeners[i].fd >= 0)
			close(listeners[i].fd);
	if (result < 0)
		munmap(server->accepted, sizeof(*server->accepted));
	else
		pin_thread(client_cpu);
	return result;
}

int server_catch_up(struct server *server, uint32_t connects)
{
	const struct timespec step = {0, CATCH_UP_STEP_NS};
	uint64_t until_ns = bench_now_ns() + CATCH_UP_S * UINT64_C(1000000000);

	server->announced += connects;
	while (atomic_load(server->accepted) < server->announced) {
		if (bench_now_ns() > until_ns)
			return -ETIMEDOUT;
		nanosleep(&step, NULL);
	}
	return 0;
}

void server_stop(struct server *server)
{
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
	munmap(server->accepted, sizeof(*server->accepted));
}

void endpoint_hang_up(const struct endpoint *endpoint, int fd)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};

	if (endpoint->family == AF_INET)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
}
