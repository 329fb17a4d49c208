/* SPDX-License-Identifier: MIT
 *
 * The command line of hawser-host: its errors, the options that say when, where and how long it listens, and
 * what it reports. tests/unit/test_host_faults.c has the options that make it misbehave.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <hawser/hawser.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../support/host_stage.h"
#include "../support/peer.h"

enum { ECHO = 1, SILENCE_MS = 150 };

TestSuite(host_options, .init = host_stage_set_up, .fini = host_stage_tear_down);

static size_t output_read(char *text, size_t size)
{
	size_t length = 0;
	ssize_t got;
	while (length < size - 1 && (got = read(host.stdout_fd, text + length, size - 1 - length)) > 0)
		length += (size_t)got;
	text[length] = '\0';
	return length;
}

Test(host_options, help_names_every_option_and_shows_examples)
{
	static const char *const wanted[] = {"--start-late-ms N", "--bind-listen-gap-ms N",
	    "--exit-after-ms N", "--connections-max N", "--backlog N", "--no-unlink", "--replace",
	    "--overlong", "--quiet", "--print-ready", "--count-file PATH", "--refuse SERVICE",
	    "--never-answer", "--never-answer-bind", "--request-error", "--wrong-reply",
	    "--stop-reading-after N", "--no-accept", "--reorder", "--duplicate-replies", "--garbage",
	    "--garbage-length", "--seed N", "--flood N", "--close-after-calls N", "--die-after-calls N",
	    "--close-on-accept", "--reset-on-accept", "--close-after-bind", "--fragment N", "--help",
	    "--version", "Examples:", "Counter"};
	char text[8192];
	cr_assert_eq(host_spawn(&host, HOST_ARGUMENTS("--help")), 0);
	output_read(text, sizeof(text));
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		cr_assert_not_null(strstr(text, wanted[i]), "%s", wanted[i]);
	cr_assert_eq(host_wait(&host, HOST_EXIT_TIMEOUT_MS), 0);
}

Test(host_options, version_is_the_librarys)
{
	char text[64], wanted[64];
	snprintf(wanted, sizeof(wanted), "hawser-host %s\n", hawser_version());
	cr_assert_eq(host_spawn(&host, HOST_ARGUMENTS("--version")), 0);
	output_read(text, sizeof(text));
	cr_assert_eq(host_wait(&host, HOST_EXIT_TIMEOUT_MS), 0);
	cr_assert_str_eq(text, wanted);
}

static void fails(const char *const *arguments, int status, const char *sentence)
{
	cr_assert_eq(host_spawn(&host, arguments), 0);
	cr_assert_eq(host_wait(&host, HOST_EXIT_TIMEOUT_MS), status, "%s: %s", sentence, host_errors(&host));
	cr_assert_not_null(strstr(host_errors(&host), sentence), "%s: %s", sentence, host_errors(&host));
}

Test(host_options, errors_say_which_part_is_wrong)
{
	fails(HOST_ARGUMENTS("--bogus", target), 2, "unrecognized option '--bogus'");
	fails(HOST_ARGUMENTS(target, "--seed"), 2, "option '--seed' requires an argument");
	fails(HOST_ARGUMENTS("--quiet=1", target), 2, "doesn't allow an argument");
	fails(HOST_ARGUMENTS("--flood", "many", target), 2,
	    "--flood many: expected a decimal number from 1 to 65536");
	fails(HOST_ARGUMENTS("--flood", "0", target), 2, "--flood 0: expected");
	fails(HOST_ARGUMENTS("--backlog", "-1", target), 2, "--backlog -1: expected");
	fails(HOST_ARGUMENTS("--backlog", "1x", target), 2, "--backlog 1x: expected");
	fails(HOST_ARGUMENTS("--seed", "99999999999999999999", target), 2,
	    "--seed 99999999999999999999: expected");
	fails(HOST_ARGUMENTS("--refuse", "Nobody", target), 2, "--refuse Nobody: there is no such service");
	fails(HOST_ARGUMENTS("--replace", "--no-unlink", target), 2,
	    "--replace and --no-unlink contradict each other");
	fails(HOST_ARGUMENTS("--quiet"), 2, "no target to listen on");
	fails(HOST_ARGUMENTS("pipe:/x"), 2, "target pipe:/x: the scheme is neither unix: nor tcp:");
	fails(HOST_ARGUMENTS("unix:"), 2, "target unix:: the path is empty");
	fails(HOST_ARGUMENTS("unix:@"), 2, "target unix:@: the path is empty");
	fails(HOST_ARGUMENTS("tcp:127.0.0.1"), 2, "there is no port");
	fails(HOST_ARGUMENTS("tcp:127.0.0.1:"), 2, "the port is not a number");
	fails(HOST_ARGUMENTS("tcp:127.0.0.1:65536"), 2, "the port is not a number from 0 to 65535");
	fails(HOST_ARGUMENTS("tcp:localhost:1"), 2, "names are not resolved");
	fails(HOST_ARGUMENTS("tcp:[::x]:1"), 2, "no IPv6 address");
	fails(HOST_ARGUMENTS("tcp:1234567890123456789012345678901234567890123456789:1"), 2,
	    "address is too long");
}

Test(host_options, limits_of_the_command_line)
{
	char longest[HOST_TARGET_BYTES];
	const char *many[HOST_ARGUMENTS_MAX + 1] = {NULL};
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "unix:", 5);
	longest[5 + 108] = '\0';
	fails(HOST_ARGUMENTS(longest), 2, "the path is longer than 107 bytes");
	for (size_t i = 0; i < 17; i++)
		many[i] = "x:";
	fails(many, 2, "17 targets, at most 16 are served");
	for (size_t i = 0; i < 17; i++)
		many[i] = "--refuse=Echo";
	fails(many, 2, "--refuse given more than 16 times");
}

Test(host_options, listening_that_fails_says_why)
{
	char other[HOST_TARGET_BYTES];
	snprintf(other, sizeof(other), "unix:%s/none/x.sock", directory);
	fails(HOST_ARGUMENTS(other), 1, "bind: No such file or directory");
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	cr_assert_geq(fd, 0);
	close(fd);
	fails(HOST_ARGUMENTS(target), 2, "the path exists and is no socket");
	cr_assert(exists(path));
	START("tcp:127.0.0.1:0");
	struct host second;
	cr_assert_eq(host_spawn(&second, HOST_ARGUMENTS(host_target(&host, 0))), 0);
	cr_assert_eq(host_wait(&second, HOST_EXIT_TIMEOUT_MS), 1);
	cr_assert_not_null(strstr(host_errors(&second), "bind: Address already in use"));
}

/* Whether the port is lost before bind() or before listen(), the host says so and ends. */
Test(host_options, a_port_taken_while_waiting_to_listen)
{
	char taken[HOST_TARGET_BYTES];
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, length), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	snprintf(taken, sizeof(taken), "tcp:127.0.0.1:%u", ntohs(address.sin_port));
	cr_assert_eq(host_spawn(&host, HOST_ARGUMENTS("--bind-listen-gap-ms", "300", taken)), 0);
	usleep(SILENCE_MS * 1000);
	cr_assert_eq(listen(fd, 1), 0);
	cr_assert_eq(host_wait(&host, HOST_EXIT_TIMEOUT_MS), 1);
	cr_assert_not_null(strstr(host_errors(&host), "Address already in use"), "%s", host_errors(&host));
	close(fd);
}

Test(host_options, serves_several_kinds_of_targets_at_once)
{
	char abstract[HOST_TARGET_BYTES];
	snprintf(abstract, sizeof(abstract), "unix:@hawser-test-%d", getpid());
	START(target, abstract, "tcp:127.0.0.1:0", "tcp:[::1]:0");
	cr_assert_str_eq(host_target(&host, 0), target);
	cr_assert_str_eq(host_target(&host, 1), abstract);
	for (size_t i = 0; i < 4; i++)
		serves(host_target(&host, i));
	cr_assert_eq(host_restart(&host), 0);
	for (size_t i = 0; i < 4; i++)
		serves(host_target(&host, i));
	cr_assert_eq(host_stop(&host), 0);
	cr_assert_not(exists(path));
}

Test(host_options, start_late_binds_later)
{
	const struct rlimit none = {0, 0};
	cr_assert_eq(host_spawn(&host, HOST_ARGUMENTS("--start-late-ms", "3600000", target)), 0);
	cr_assert_eq(host_wait_ready(&host, SILENCE_MS), -ETIMEDOUT);
	cr_assert_eq(peer_connect(target), -ENOENT);
	cr_assert_eq(host_stop(&host), 0);
	cr_assert_eq(host_spawn(&host, HOST_ARGUMENTS("--start-late-ms", "300", target)), 0);
	usleep(SILENCE_MS * 1000);
	cr_assert_eq(prlimit(host.pid, RLIMIT_NOFILE, &none, NULL), 0); /* none left when the time comes */
	cr_assert_gt(host_wait(&host, HOST_EXIT_TIMEOUT_MS), 0);
	cr_assert_not_null(strstr(host_errors(&host), "Too many open files"), "%s", host_errors(&host));
	START("--start-late-ms", "20", target);
	serves(target);
	cr_assert_eq(host_stop(&host), 0);
}

Test(host_options, bind_listen_gap_leaves_a_bound_socket_that_refuses)
{
	cr_assert_eq(host_spawn(&host, HOST_ARGUMENTS("--bind-listen-gap-ms", "3600000", target)), 0);
	for (int i = 0; i < 1000 && !exists(path); i++)
		usleep(10000);
	cr_assert_eq(peer_connect(target), -ECONNREFUSED);
	cr_assert_eq(host_stop(&host), 0);
	cr_assert_not(exists(path));
	START("--bind-listen-gap-ms", "20", target);
	serves(target);
	cr_assert_eq(host_stop(&host), 0);
}

Test(host_options, no_accept_listens_only)
{
	START("--no-accept", target);
	int fd = peer_connect(target);
	cr_assert_geq(fd, 0);
	cr_assert_eq(peer_bind(fd, 1, "Echo"), 0);
	cr_assert_str_eq(peer_receive_within(fd, PEER_SILENCE_MS), "SILENCE");
	cr_assert_eq(host_stop(&host), 0);
	cr_assert_not_null(strstr(host_errors(&host), "0 connections"));
	close(fd);
}

Test(host_options, backlog_is_given_to_listen)
{
	START("--no-accept", "--backlog", "0", target);
	int first = peer_connect(target);
	cr_assert_geq(first, 0);
	cr_assert_eq(peer_connect_within(target, SILENCE_MS), -EAGAIN);
	close(first);
}

Test(host_options, overlong_widens_lengths_above_127)
{
	enum { ARGS = 200, INNER = 4 + 3 + ARGS, PAYLOAD = 2 + 5 + INNER };
	char args[ARGS + 1], wanted[64];
	memset(args, 'a', ARGS);
	args[ARGS] = '\0';
	START("--overlong", target);
	int fd = peer_connect(target);
	peer_invoke(fd, 1, ECHO, 1, "short");
	cr_assert_str_eq(peer_receive(fd), peer_reply_hex(1, false, "short"));
	peer_invoke(fd, 2, ECHO, 1, args);
	const char *hex = peer_receive(fd);
	snprintf(wanted, sizeof(wanted), "%02x000000100232%02x818000080110001ac801", PAYLOAD,
	    (INNER & 0x7f) | 0x80);
	cr_assert_eq(strncmp(hex, wanted, strlen(wanted)), 0, "%.60s, not %s", hex, wanted);
	cr_assert_eq(strlen(hex), 2 * (size_t)(4 + PAYLOAD));
	/* A reply that became one byte too long by it is rejected instead. */
	static char largest[131072 - 18];
	struct peer_call call = {3, ECHO, 2, largest, sizeof(largest), false, STDERR_FILENO};
	cr_assert_eq(peer_call(fd, &call), 0);
	cr_assert_str_eq(peer_receive(fd), "06000000100332021000");
	cr_assert_eq(peer_passed_fd(), -1);
	close(fd);
}

Test(host_options, exits_by_itself_and_on_either_signal)
{
	cr_assert_eq(host_start(&host, HOST_ARGUMENTS("--exit-after-ms", "50", target)), 0);
	cr_assert_eq(host_wait(&host, HOST_EXIT_TIMEOUT_MS), 0);
	cr_assert_not(exists(path));
	static const int signals[] = {SIGTERM, SIGINT};
	for (size_t i = 0; i < 2; i++) {
		START(target);
		cr_assert_eq(kill(host.pid, signals[i]), 0);
		cr_assert_eq(host_wait(&host, HOST_EXIT_TIMEOUT_MS), 0);
		cr_assert_not(exists(path));
	}
}

Test(host_options, an_end_closes_open_connections)
{
	START(target);
	int fd = peer_connect(target);
	peer_invoke(fd, 1, ECHO, 1, "x");
	cr_assert_str_eq(peer_receive(fd), peer_reply_hex(1, false, "x"));
	peer_invoke(fd, 2, 4, 1, "60000");
	peer_invoke(fd, 3, 2, 1, "1000000000");
	cr_assert_eq(host_stop(&host), 0);
	close(fd);
}

Test(host_options, summary_and_count_file_tell_the_same)
{
	char count_path[HOST_TARGET_BYTES], text[512] = "";
	snprintf(count_path, sizeof(count_path), "%s/count.json", directory);
	START("--count-file", count_path, target);
	int fd = peer_connect(target);
	peer_bind(fd, 1, "Echo");
	peer_receive(fd);
	peer_invoke(fd, 2, ECHO, 1, "x");
	peer_receive(fd);
	close(fd);
	serves(target);
	cr_assert_eq(host_stop(&host), 0);
	cr_assert_str_eq(host_errors(&host), "hawser-host: 2 connections (0 more refused), 1 binds, 2 calls, "
					     "48 bytes received, 79 bytes sent\n");
	FILE *file = fopen(count_path, "re");
	cr_assert_not_null(file);
	cr_assert_not_null(fgets(text, sizeof(text), file));
	fclose(file);
	cr_assert_str_eq(text, "{\"connections\": 2, \"connections_refused\": 0, \"binds\": 1, \"calls\": 2, "
			       "\"bytes_received\": 48, \"bytes_sent\": 79}\n");
}

Test(host_options, a_count_file_that_cannot_be_written_is_reported)
{
	START("--count-file", "/nonexistent/count.json", target);
	cr_assert_eq(host_stop(&host), 0);
	cr_assert_not_null(strstr(host_errors(&host), "/nonexistent/count.json: No such file or directory"));
}

Test(host_options, quiet_says_nothing_unless_asked)
{
	char text[256];
	cr_assert_eq(host_spawn(&host, HOST_ARGUMENTS("--quiet", target)), 0);
	for (int i = 0; i < 1000 && !exists(path); i++)
		usleep(10000);
	cr_assert_eq(kill(host.pid, SIGTERM), 0);
	cr_assert_eq(output_read(text, sizeof(text)), 0, "%s", text);
	cr_assert_eq(host_wait(&host, HOST_EXIT_TIMEOUT_MS), 0);
	cr_assert_str_eq(host_errors(&host), "");
	START("--quiet", "--print-ready", target);
	cr_assert_eq(host_stop(&host), 0);
	cr_assert_str_eq(host_errors(&host), "");
}
