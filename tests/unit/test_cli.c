/* SPDX-License-Identifier: MIT
 *
 * The command `hawser` against a real hawser-host: connect, bind, status and diagram, each exit code, what is
 * said to people and what is said as JSON. test_cli_invoke.c has the calls, test_cli_watch.c what takes time
 * and terminals, test_cli_usage.c the command lines that cannot be meant.
 */
#include "../support/host.h"
#include "../support/sockets.h"
#include "../support/syscall_fault.h"
#include "../support/tool.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <hawser/hawser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct tool tool;
static struct host host;
static char directory[HOST_PATH_BYTES];
static char target[HOST_TARGET_BYTES];

static void set_up(void)
{
	cr_assert_eq(host_directory_make(directory), 0);
	snprintf(target, sizeof(target), "unix:%s/x.sock", directory);
}

static void tear_down(void)
{
	host_kill(&host);
	host_directory_remove(directory);
}

TestSuite(cli, .init = set_up, .fini = tear_down, .timeout = 120);

#define START(...) cr_assert_eq(host_start(&host, HOST_ARGUMENTS(__VA_ARGS__)), 0, "%s", host_errors(&host))
#define RUN(...) tool_run(&tool, TOOL_ARGUMENTS(__VA_ARGS__))
#define ENDS(code, ...) \
	cr_assert_eq(RUN(__VA_ARGS__), code, "%d, not %d: %s%s", tool.status, code, tool.out, tool.err)
#define OUT(text) cr_assert_not_null(strstr(tool.out, text), "no \"%s\" in: %s", text, tool.out)
#define ERR(text) cr_assert_not_null(strstr(tool.err, text), "no \"%s\" in: %s", text, tool.err)
#define SAYS(filter) cr_assert(tool_says(&tool, filter), "not %s: %s", filter, tool.out)

static void refused_target(char text[HOST_TARGET_BYTES])
{
	close(sockets_listen_tcp(-1, text, HOST_TARGET_BYTES)); /* free a moment ago, and nobody listens */
}

Test(cli, connect_says_so_in_one_line_with_every_protocol_and_engine)
{
	static const char *const protocols[] = {"none", "raw", "perfetto"};
	static const char *const engines[] = {"auto", "uring", "epoll"};
	char begin[256];

	START(target, "tcp:127.0.0.1:0");
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < 2; j++) {
			ENDS(0, "connect", host_target(&host, (size_t)j), "--protocol", protocols[i],
			    "--engine", engines[i]);
			snprintf(begin, sizeof(begin), "connected %s at %s, round 1, attempt 1: resolve ",
			    host_target(&host, (size_t)j), strpbrk(host_target(&host, (size_t)j), ":") + 1);
			cr_assert_eq(strncmp(tool.out, begin, strlen(begin)), 0, "%s", tool.out);
			cr_assert_eq(strchr(tool.out, '\n'), tool.out + strlen(tool.out) - 1);
			OUT(" us, connect ");
			OUT(" us, setup ");
			OUT(i == 2 ? "; epoll" : i == 1 ? "; io_uring" : "; ");
			cr_assert_str_empty(tool.err);
		}
}

Test(cli, connect_tells_programs_the_same)
{
	START(target);
	ENDS(0, "connect", target, "--json");
	SAYS("length == 1 and (.[0] | .event == \"connected\" and .round == 1 and .attempt == 1 and "
	     "(.address | endswith(\"/x.sock\")) and (.engine | length) > 0 and .resolve_us == 0 and "
	     "(.connect_us | type) == \"number\" and (.setup_us | type) == \"number\" and "
	     "(.elapsed_us | type) == \"number\" and (.host.pid | type) == \"number\")");
	ENDS(0, "connect", target, "--quiet");
	cr_assert_str_empty(tool.out);
	ENDS(0, "connect", target, "-v");
	ERR("the kernel connected it and the socket says so too");
}

Test(cli, connect_waits_for_a_host_that_is_late)
{
	cr_assert_eq(host_spawn(&host, HOST_ARGUMENTS("--start-late-ms", "300", target)), 0);
	ENDS(0, "connect", target, "--deadline-ms", "30000");
	OUT("connected ");
	cr_assert_null(strstr(tool.out, "round 1,"), "%s", tool.out);
	ERR("hawser: round 1: ENOENT at connect, ");
	ERR("; next try in ");
	cr_assert_null(strstr(strstr(tool.err, "ENOENT") + 1, "ENOENT"), "said twice: %s", tool.err);
}

Test(cli, a_closed_port_is_told_with_stage_errno_address_and_advice)
{
	char refused[HOST_TARGET_BYTES];

	refused_target(refused);
	ENDS(1, "connect", refused);
	cr_assert_str_empty(tool.out);
	ERR("  failed   connect: ECONNREFUSED, Connection refused\n");
	ERR("  address  127.0.0.1:");
	ERR("  tried    1 round, 1 attempt, ");
	ERR("  advice   start the host, or check the port\n");
	ENDS(1, "connect", refused, "--json");
	cr_assert_str_empty(tool.err);
	SAYS("length == 1 and (.[0] | .event == \"failed\" and .stage == \"connect\" and "
	     ".errno == \"ECONNREFUSED\" and .cause == \"refused\" and .exit == 1 and .fate == null and "
	     ".last_failure == null and .round == 1 and (.advice | length) > 0)");
	ENDS(1, "connect", refused, "--quiet");
	cr_assert_str_empty(tool.err);
}

Test(cli, attempts_counts_rounds)
{
	ENDS(1, "connect", target, "--attempts", "3", "--json");
	SAYS(".[0].round == 3 and .[0].errno == \"ENOENT\" and .[0].cause == \"no host\"");
	ENDS(1, "bind", target, "Echo", "--attempts", "2", "--backoff", "equal", "--json");
	SAYS(".[0].round == 2 and .[0].stage == \"connect\" and .[0].service == \"Echo\"");
}

Test(cli, a_name_that_cannot_be_looked_up)
{
	const char *at;

	/* No question leaves this machine: the resolver gets no socket for it. */
	syscall_fault_always(__NR_socket, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, EMFILE);
	ENDS(1, "connect", "tcp:no-such-host.invalid:7000", "--json");
	SAYS(".[0].stage == \"resolve\" and .[0].address == \"\" and .[0].exit == 1");
	ENDS(1, "connect", "tcp:no-such-host.invalid:7000");
	at = strstr(tool.err, "  failed   resolve: E");
	cr_assert_not_null(at, "%s", tool.err);
	at += strlen("  failed   resolve: ");
	cr_assert_eq(
	    at[strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")], '\n', "more than the name of the errno: %s", at);
}

Test(cli, what_is_no_socket_is_not_called_one)
{
	static const char *const words[] = {"unix:/tmp", "unix:/etc/passwd"};

	for (int i = 0; i < 2; i++) {
		ENDS(1, "connect", words[i]);
		ERR("  advice   check the path: what is there is no socket\n");
	}
	ENDS(1, "connect", "unix:@hawser-nobody-has-this-name");
	ERR("  failed   connect: ECONNREFUSED, Connection refused\n");
	ERR("  advice   start the host, or check the name\n");
	START(target);
	host_kill(&host);
	ENDS(1, "connect", target);
	ERR("  advice   start the host: the socket is there, but nobody listens on it any more\n");
}

Test(cli, a_sentence_is_not_said_twice)
{
	START(target);
	syscall_fault_always(__NR_connect, SYSCALL_FAULT_ANY, EACCES);
	ENDS(1, "connect", target, "--engine", "epoll");
	ERR(": Permission denied\n  failed   connect: EACCES\n");
	ERR("  advice   ask for write permission on the socket");
}

Test(cli, a_deadline_says_what_failed_before_it)
{
	char silent[HOST_TARGET_BYTES];
	struct black_hole hole;

	ENDS(5, "connect", target, "--deadline-ms", "200");
	ERR("not connected within 200 ms\n");
	ERR("  before   connect: ENOENT, No such file or directory\n");
	ERR("  advice   start the host");
	ENDS(5, "connect", target, "--deadline-ms", "200", "--json");
	SAYS(".[0].errno == \"ETIMEDOUT\" and .[0].cause == \"deadline\" and .[0].exit == 5 and "
	     ".[0].last_failure.errno == \"ENOENT\"");
	black_hole_open(&hole, silent, sizeof(silent));
	ENDS(5, "connect", silent, "--deadline-ms", "300");
	ERR("  failed   connect: ETIMEDOUT, ");
	ERR("  advice   check for a firewall");
	black_hole_close(&hole);
}

Test(cli, another_users_host_is_refused)
{
	char uid[16];

	START(target);
	snprintf(uid, sizeof(uid), "%u", (unsigned)getuid());
	ENDS(0, "connect", target, "--peer-uid", uid);
	snprintf(uid, sizeof(uid), "%u", (unsigned)getuid() + 1);
	ENDS(6, "connect", target, "--peer-uid", uid);
	ERR("EPERM");
	ENDS(6, "bind", target, "Echo", "--peer-uid", uid, "--json");
	SAYS(".[0].cause == \"identity\" and .[0].exit == 6");
}

Test(cli, an_inherited_socket_is_a_target)
{
	int pair[2];
	char text[32];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	snprintf(text, sizeof(text), "fd:%d", pair[0]);
	ENDS(0, "connect", text);
	OUT("connected fd:");
	ENDS(1, "connect", "fd:0");
	ERR("this is no connected stream socket");
	ERR("ENOTSOCK");
	ERR("  advice   pass a connected stream socket under this number\n");
}

Test(cli, an_engine_that_is_forbidden_is_not_replaced)
{
	START(target);
	syscall_fault_always(__NR_io_uring_setup, SYSCALL_FAULT_ANY, EPERM);
	ENDS(1, "connect", target, "--engine", "uring");
	ERR("io_uring cannot be used here\n  failed   EPERM, Operation not permitted\n  advice   leave "
	    "--engine out");
	ENDS(0, "connect", target, "--json");
	SAYS(".[0].engine == \"epoll\"");
}

Test(cli, bind_prints_the_methods)
{
	START(target, "tcp:127.0.0.1:0");
	ENDS(0, "bind", target, "Echo");
	cr_assert_eq(strncmp(tool.out, "bound Echo at ", 14), 0, "%s", tool.out);
	OUT(" us: 3 methods\n  Echo\n  EchoFds\n  Sink\n");
	ENDS(0, "bind", host_target(&host, 1), "Slow", "--engine", "epoll", "--json");
	SAYS("length == 1 and .[0].event == \"bound\" and .[0].service == \"Slow\" and "
	     ".[0].methods == [\"Wait\", \"Never\", \"Drop\"] and (.[0].bind_us | type) == \"number\" and "
	     ".[0].host == null");
}

Test(cli, a_service_that_is_refused)
{
	START("--refuse", "Slow", target);
	ENDS(3, "bind", target, "Nothing");
	ERR("  failed   bind: ECONNREFUSED, ");
	ERR("  advice   check the spelling of the service");
	ENDS(3, "bind", target, "Slow", "--json");
	SAYS(".[0].stage == \"bind\" and .[0].exit == 3");
	ENDS(3, "status", target, "Slow");
	ENDS(3, "invoke", target, "Slow", "Wait", "1");
	ENDS(3, "watch", target, "Slow");
}

Test(cli, a_host_that_does_not_answer_or_makes_no_sense)
{
	START("--never-answer-bind", target);
	ENDS(5, "bind", target, "Echo", "--deadline-ms", "200");
	ERR("not bound within 200 ms");
	host_kill(&host);
	START("--garbage-length", target);
	ENDS(3, "bind", target, "Echo", "--json");
	SAYS(".[0].cause == \"protocol\"");
	host_kill(&host);
	START("--wrong-reply", target);
	ENDS(3, "bind", target, "Echo");
	host_kill(&host);
	START("--close-on-accept", target);
	ENDS(3, "bind", target, "Echo", "--attempts", "2", "--json");
	SAYS(".[0].cause == \"lost\"");
}

/* Binds at a host that answers with these bytes. */
static int bind_answered(const void *answer, size_t size, bool json)
{
	char bytes[64];
	int listener = sockets_listen_path(target, 4);
	int fd;

	tool_start(&tool, NULL,
	    TOOL_ARGUMENTS("bind", target, "Echo", "--deadline-ms", "500", json ? "--json" : NULL));
	fd = sockets_accept(listener);
	fcntl(fd, F_SETFL, 0);
	cr_assert_eq(recv(fd, bytes, 14, MSG_WAITALL), 14);
	cr_assert_eq(send(fd, answer, size, MSG_NOSIGNAL), (ssize_t)size);
	close(listener);
	tool_wait(&tool);
	close(fd);
	unlink(target + strlen("unix:"));
	return tool.status;
}

/* Fields of every wire type, in any order, unknown ones, a length in more bytes than it needs. */
Test(cli, methods_are_found_in_whatever_a_host_may_send)
{
	static const char answer[] = "\x3b\0\0\0"
				     "\x22\x37"
				     "\x1a\x8c\x80\x00"
				     "\x08\x01\x12\x08SayHello"
				     "\x25zzzz\x29zzzzzzzz"
				     "\x1a\x10\x12\x0cWave\x1b[31\xff\"ye\x08\x02"
				     "\x08\x01\x10\x01\x32\x01x"
				     "\x10\x01";

	cr_assert_eq(sizeof(answer) - 1, 4 + 0x3b);
	cr_assert_eq(bind_answered(answer, sizeof(answer) - 1, false), 0, "%s", tool.err);
	OUT(": 2 methods\n  SayHello\n  Wave\\x1b[31\\xff\"ye\n");
	cr_assert_eq(bind_answered(answer, sizeof(answer) - 1, true), 0, "%s", tool.err);
	SAYS(".[0].methods == [\"SayHello\", \"Wave\\u001b[31\\ufffd\\\"ye\"]");
}

/* Cut short, of a wire type that does not exist, a varint without an end: never bound, never a crash. */
Test(cli, answers_to_a_bind_that_make_no_sense)
{
	static const char *const answers[] = {"\x04\0\0\0\x22\x7f\x1a\x01", "\x03\0\0\0\x22\x01\x1b",
	    "\x04\0\0\0\xff\xff\xff\xff", "\x04\0\0\0\x21zzz", "\x04\0\0\0\x20\xff\xff\xff",
	    "\x06\0\0\0\x22\x04\x1a\x02\x12\x09"};
	static const size_t sizes[] = {8, 7, 8, 8, 8, 10};

	for (int i = 0; i < 6; i++) {
		int status = bind_answered(answers[i], sizes[i], false);

		cr_assert(status == 3 || status == 5, "%d: %d, %s%s", i, status, tool.out, tool.err);
	}
	for (int seed = 1; seed <= 8; seed++) {
		char text[8];

		snprintf(text, sizeof(text), "%d", seed);
		START("--garbage", "--seed", text, target);
		RUN("bind", target, "Echo", "--deadline-ms", "300");
		cr_assert(tool.status == 3 || tool.status == 5, "%d: %s", tool.status, tool.err);
		host_kill(&host);
	}
}

Test(cli, status_is_a_table_for_people_and_the_librarys_json_for_programs)
{
	START(target);
	ENDS(0, "status", target, "Echo");
	OUT("state       ready for ");
	OUT("bindings    1 bound, 0 not yet\n");
	OUT("connected   1 time, 0 lost, 0 bound again\n");
	OUT("failures    none\n");
	OUT("round  attempt  resolve us");
	OUT("  ready, /tmp/");
	ENDS(0, "status", target, "--json");
	SAYS("length == 1 and .[0].state == \"ready\" and .[0].connections == 1 and "
	     "(.[0].attempts | length) == 1 and .[0].last_failure == null");
	host_kill(&host);
	ENDS(1, "status", target, "--attempts", "2");
	OUT("failure     ECONNREFUSED at connect, cause refused\n");
	OUT("failures    2 refused\n");
	ERR("hawser: unix:");
	ENDS(1, "status", target, "--json");
	SAYS("length == 1 and .[0].last_failure.errno == \"ECONNREFUSED\" and .[0].causes.refused == 1");
	ENDS(5, "status", target, "--deadline-ms", "100", "--json");
	SAYS("length == 1 and .[0].connections == 0");
	ENDS(1, "status", "fd:0", "--json");
	SAYS(".[0].event == \"failed\" and .[0].errno == \"ENOTSOCK\"");
}

Test(cli, diagrams_are_the_librarys)
{
	static char text[65536];

	hawser_diagram("connection", "mermaid", text, sizeof(text));
	ENDS(0, "diagram", "connection");
	cr_assert_str_eq(tool.out, text);
	hawser_diagram("binding", "graphviz", text, sizeof(text));
	ENDS(0, "diagram", "binding", "--dot");
	cr_assert_str_eq(tool.out, text);
	ENDS(0, "diagram", "binding", "--json");
	SAYS(".[0].table == \"binding\" and .[0].kind == \"mermaid\" and (.[0].text | contains(\"queued\"))");
}
