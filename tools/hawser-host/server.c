/* SPDX-License-Identifier: MIT
 *
 * The loop of the host: one thread, one epoll, everything nonblocking.
 *
 * Happy path: parse all targets, wait for the time to bind and to listen, print "ready", accept and serve
 * until a signal or --exit-after-ms, then close, unlink, print the summary.
 * Failures: a target that cannot be parsed, bound or listened on ends the host with its sentence; when
 * descriptors or memory run out, accepting pauses for 100 ms; connections beyond --connections-max are
 * closed at once.
 */
#include "server.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "connection.h"
#include "faults.h"
#include "host.h"
#include "listener.h"
#include "requests.h"

enum {
	EVENTS_PER_TURN_MAX = 64,
	ACCEPTS_PER_TURN_MAX = 64,
	ACCEPT_PAUSE_MS = 100,
};

struct server {
	struct host host;
	enum source signal_source;
	int signal_fd;
	struct listener listeners[OPTIONS_TARGETS_MAX];
	size_t listeners_count;
	bool stopping;
	int error;
};

static int call_fail(const char *call)
{
	int error = errno;
	fprintf(stderr, "hawser-host: %s: %s\n", call, strerror(error));
	return -error;
}

static int server_accept_watch(struct server *server, int operation, uint32_t events)
{
	for (size_t i = 0; i < server->listeners_count; i++) {
		struct epoll_event event = {.events = events, .data.ptr = &server->listeners[i]};
		if (epoll_ctl(server->host.epoll_fd, operation, server->listeners[i].fd, &event) < 0)
			return call_fail("epoll_ctl");
	}
	return 0;
}

static int server_listen(struct server *server)
{
	const struct options *options = server->host.options;
	for (size_t i = 0; i < server->listeners_count; i++) {
		int error = listener_listen(&server->listeners[i], (int)options->backlog);
		if (error < 0)
			return error;
	}
	int error = options->no_accept ? 0 : server_accept_watch(server, EPOLL_CTL_ADD, EPOLLIN);
	for (size_t i = 0; error == 0 && options->print_ready && i < server->listeners_count; i++)
		listener_print_ready(&server->listeners[i]);
	return error;
}

static int server_bind(struct server *server)
{
	const struct options *options = server->host.options;
	enum listener_existing existing = options->no_unlink ? EXISTING_STAYS
					  : options->replace ? EXISTING_GOES
							     : EXISTING_GOES_IF_STALE;
	for (size_t i = 0; i < server->listeners_count; i++) {
		int error = listener_bind(&server->listeners[i], existing);
		if (error < 0)
			return error;
	}
	if (options->bind_listen_gap_ms == 0)
		return server_listen(server);
	return timers_arm(&server->host.timers, options->bind_listen_gap_ms, TIMER_LISTEN, NULL, 0);
}

static void server_accept_one(struct server *server, const struct listener *listener, int fd)
{
	struct host *host = &server->host;
	bool unix_socket = listener->address.ss_family == AF_UNIX;
	if (host->connections_open >= host->options->connections_max) {
		host->counters.connections_refused++;
		close(fd);
		return;
	}
	if (faults_on_accept(host->options, fd)) {
		host->counters.connections++;
		return;
	}
	if (!unix_socket)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	if (connection_open(host, fd, unix_socket) < 0)
		host->counters.connections_refused++;
}

static void server_accept(struct server *server, const struct listener *listener)
{
	for (int i = 0; i < ACCEPTS_PER_TURN_MAX; i++) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			server_accept_one(server, listener, fd);
			continue;
		}
		bool exhausted = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
		if (exhausted &&
		    timers_arm(&server->host.timers, ACCEPT_PAUSE_MS, TIMER_ACCEPT, NULL, 0) == 0)
			server_accept_watch(server, EPOLL_CTL_MOD, 0);
		return;
	}
}

static void server_timer(struct server *server, const struct timer *timer)
{
	struct connection *connection = timer->owner;
	int error = 0;
	switch (timer->kind) {
	case TIMER_BIND:
		error = server_bind(server);
		break;
	case TIMER_LISTEN:
		error = server_listen(server);
		break;
	case TIMER_ACCEPT:
		error = server_accept_watch(server, EPOLL_CTL_MOD, EPOLLIN);
		break;
	case TIMER_EXIT:
		server->stopping = true;
		break;
	case TIMER_REPLY:
		connection->timers_armed--;
		requests_delayed_answer(connection, timer->value);
		connection_settle(connection);
		break;
	case TIMER_HELD:
		connection->timers_armed--;
		faults_held_release(connection, timer->value);
		connection_settle(connection);
		break;
	}
	if (error < 0) {
		server->error = error;
		server->stopping = true;
	}
}

static void server_event(struct server *server, const struct epoll_event *event)
{
	switch (*(enum source *)event->data.ptr) {
	case SOURCE_SIGNAL:
		server->stopping = true;
		break;
	case SOURCE_LISTENER:
		server_accept(server, event->data.ptr);
		break;
	case SOURCE_CONNECTION:
		connection_turn(event->data.ptr, event->events);
		break;
	}
}

static void server_loop(struct server *server)
{
	struct epoll_event events[EVENTS_PER_TURN_MAX];
	struct host *host = &server->host;
	while (!server->stopping) {
		int wait_ms = timers_wait_ms(&host->timers, timers_now_ms());
		int count = epoll_wait(host->epoll_fd, events, EVENTS_PER_TURN_MAX, wait_ms);
		for (int i = 0; i < count; i++)
			server_event(server, &events[i]);
		struct timer timer;
		uint64_t now_ms = timers_now_ms();
		while (!server->stopping && timers_take(&host->timers, now_ms, &timer) == 0)
			server_timer(server, &timer);
		connection_free_closed(host);
	}
}

static int server_signals_open(struct server *server)
{
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a memfd that may not grow fails its call alone */
	if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
		return call_fail("sigprocmask");
	server->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	if (server->signal_fd < 0)
		return call_fail("signalfd");
	server->signal_source = SOURCE_SIGNAL;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &server->signal_source};
	if (epoll_ctl(server->host.epoll_fd, EPOLL_CTL_ADD, server->signal_fd, &event) < 0)
		return call_fail("epoll_ctl");
	return 0;
}

static void descriptors_limit_raise(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int server_open(struct server *server)
{
	struct host *host = &server->host;
	const struct options *options = host->options;
	for (size_t i = 0; i < options->targets_count; i++) {
		int error = listener_parse(options->targets[i], &server->listeners[i]);
		if (error < 0)
			return error;
		server->listeners_count++;
	}
	descriptors_limit_raise();
	host->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (host->epoll_fd < 0)
		return call_fail("epoll_create1");
	int error = server_signals_open(server);
	if (error == 0)
		error = timers_arm(&host->timers, options->exit_after_ms, TIMER_EXIT, NULL, 0);
	if (error == 0)
		error = timers_arm(&host->timers, options->start_late_ms, TIMER_BIND, NULL, 0);
	return error;
}

static void server_close(struct server *server)
{
	struct host *host = &server->host;
	for (size_t i = 0; i < server->listeners_count; i++)
		listener_close(&server->listeners[i]);
	while (host->connections != NULL)
		connection_close(host->connections);
	connection_free_closed(host);
	timers_free(&host->timers);
	if (server->signal_fd >= 0)
		close(server->signal_fd);
	if (host->epoll_fd >= 0)
		close(host->epoll_fd);
}

void host_count_write(const struct host *host)
{
	const struct counters *counters = &host->counters;
	if (host->options->count_file == NULL)
		return;
	FILE *file = fopen(host->options->count_file, "we");
	if (file == NULL) {
		fprintf(stderr, "hawser-host: %s: %s\n", host->options->count_file, strerror(errno));
		return;
	}
	fprintf(file,
	    "{\"connections\": %" PRIu64 ", \"connections_refused\": %" PRIu64 ", \"binds\": %" PRIu64
	    ", \"calls\": %" PRIu64 ", \"bytes_received\": %" PRIu64 ", \"bytes_sent\": %" PRIu64 "}\n",
	    counters->connections, counters->connections_refused, counters->binds, counters->calls,
	    counters->bytes_received, counters->bytes_sent);
	fclose(file);
}

static void summary_print(const struct host *host)
{
	const struct counters *counters = &host->counters;
	fprintf(stderr,
	    "hawser-host: %" PRIu64 " connections (%" PRIu64 " more refused), %" PRIu64 " binds, %" PRIu64
	    " calls, %" PRIu64 " bytes received, %" PRIu64 " bytes sent\n",
	    counters->connections, counters->connections_refused, counters->binds, counters->calls,
	    counters->bytes_received, counters->bytes_sent);
}

int server_run(const struct options *options)
{
	static struct server server;
	server = (struct server){.host = {.options = options, .epoll_fd = -1}, .signal_fd = -1};
	server.host.random = options->seed;
	server.error = server_open(&server);
	if (server.error == 0)
		server_loop(&server);
	server_close(&server);
	if (server.error == 0) {
		host_count_write(&server.host);
		if (!options->quiet)
			summary_print(&server.host);
	}
	return server.error;
}
