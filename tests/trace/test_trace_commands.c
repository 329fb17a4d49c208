/* SPDX-License-Identifier: MIT
 *
 * top, hist and inflight, each told about connects that the test makes itself: what they say must be what was
 * done.
 */
#include "watched.h"

#include <pty.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

/* SILENT_PORT answers nothing: the connect stays in flight. */
static int connect_silently(void)
{
	struct sockaddr_in address = watched_address(SILENT_PORT);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), -1);
	cr_assert_eq(errno, EINPROGRESS);
	return fd;
}

TestSuite(trace_commands, .init = watched_enter, .fini = shell_leave, .timeout = 60);

/* ---- top ---- */

Test(trace_commands, top_sorts_by_connects_then_failures)
{
	watched_run("exec $TOOL top --json" WATCHED_HERE);
	watched_expect_jq("watch.out", "",
	    "[.destination,.attempts,.ok,.failed,.failures.refused,.p50_ns>0,.p99_ns>=.p50_ns]",
	    "[\"127.0.0.1:7003\",5,0,5,5,false,true]\n"
	    "[\"127.0.0.1:7002\",3,0,3,3,false,true]\n"
	    "[\"127.0.0.1:7001\",3,3,0,null,true,true]\n");
	watched_run("exec $TOOL top --failures --json" WATCHED_HERE);
	watched_expect_jq("watch.out", "", ".destination", "\"127.0.0.1:7003\"\n\"127.0.0.1:7002\"\n");
}

/* The times are no test's business; all before and their right edge is. */
Test(trace_commands, top_is_a_table)
{
	const char *line;

	watched_run("exec $TOOL top" WATCHED_HERE);
	cr_assert_eq(shell_run("left", "cut -c1-45 watch.out"), 0);
	cr_expect_str_eq(shell_text("left.out"), "DESTINATION     ATTEMPTS        OK  FAILURES \n"
						 "127.0.0.1:7003         5         0  5 refused\n"
						 "127.0.0.1:7002         3         0  3 refused\n"
						 "127.0.0.1:7001         3         3  -        \n");
	line = shell_text("watch.out");
	for (size_t width = strcspn(line, "\n"); *line; line += width + 1)
		cr_expect_eq(strcspn(line, "\n"), width, "%s", line);
	cr_expect_null(strchr(shell_text("watch.out"), '\033'));
}

Test(trace_commands, top_comes_again_in_a_pipe)
{
	cr_expect_eq(shell_run("top", "$TOOL top --interval 0.2 --duration 1" WATCHED_HERE), 0);
	cr_expect_eq(
	    shell_run("count", "[ $(grep -c DESTINATION top.out) -ge 2 ]"), 0, "%s", shell_text("top.out"));
	shell_expect("top.err", "0 connects\n");
	cr_expect_eq(shell_run("top", "$TOOL top --min-ms 1"), 2);
	shell_expect("top.err", "--min-ms chooses records; top counts every connect");
}

/* Reads what the terminal shows until the words have come. */
static void await_on_terminal(int terminal, const char *words, char *text, size_t size)
{
	size_t used = 0;
	ssize_t length;

	while (used + 1 < size && (length = read(terminal, text + used, size - 1 - used)) > 0) {
		used += (size_t)length;
		text[used] = '\0';
		if (strstr(text, words))
			return;
	}
	cr_assert_fail("the terminal does not show '%s': %s", words, text);
}

static void on_terminal(const char *command, char *text, size_t size)
{
	struct winsize small = {.ws_row = 7, .ws_col = 80};
	int terminal, status;
	pid_t pid = forkpty(&terminal, NULL, NULL, &small);

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		execl("/bin/bash", "bash", "-c", command, (char *)NULL);
		_exit(127);
	}
	text[0] = '\0';
	await_on_terminal(terminal, "DESTINATION", text, size);
	watched_connect_all();
	await_on_terminal(terminal, "and 1 destination more", text, size);
	cr_assert_eq(kill(pid, SIGINT), 0);
	await_on_terminal(terminal, "11 connects, 3 ok, 8 refused", text, size);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(terminal);
}

Test(trace_commands, top_redraws_on_a_terminal)
{
	char text[65536];

	on_terminal("exec $TOOL top" WATCHED_HERE, text, sizeof(text));
	cr_expect_not_null(strstr(text, "\033[H\033[2J"));
	cr_expect_not_null(strstr(text, "\033[31m5 refused"));
	cr_expect_null(strstr(text, "127.0.0.1:7001"));
	on_terminal("NO_COLOR=1 exec $TOOL top" WATCHED_HERE, text, sizeof(text));
	cr_expect_not_null(strstr(text, "\033[H\033[2J"));
	cr_expect_not_null(strstr(text, "5 refused"));
	cr_expect_null(strstr(text, "\033[31m"));
}

Test(trace_commands, top_tells_networks_apart)
{
	struct shell tool = watched_start("top", "exec $TOOL top --to 127.0.0.1 --port 7002");

	watched_connect(CLOSED_PORT);
	cr_assert_eq(unshare(CLONE_NEWNET), 0);
	network_run("ip link set lo up");
	watched_connect(CLOSED_PORT);
	watched_connect(CLOSED_PORT);
	cr_expect_eq(shell_end(&tool, SIGTERM), 0);
	cr_expect_eq(shell_run("rows", "grep -c '^127.0.0.1:7002 (netns [0-9]*) ' top.out"), 0);
	cr_expect_str_eq(shell_text("rows.out"), "2\n", "%s", shell_text("top.out"));
}

/* ---- hist ---- */

Test(trace_commands, hist_sums_are_what_was_counted)
{
	watched_run("exec $TOOL hist --json" WATCHED_HERE);
	watched_expect_jq(
	    "watch.out", "", "[.layer,.cause,.count]", "[\"tcp\",\"ok\",3]\n[\"tcp\",\"refused\",8]\n");
	watched_expect_jq("watch.out", "", "([.slots[].count]|add)==.count", "true\ntrue\n");
	watched_expect_jq("watch.out", "",
	    "(([.slots[]|.from_ns*.count]|add)<=.sum_ns) and (([.slots[]|.to_ns*.count]|add)>.sum_ns)",
	    "true\ntrue\n");
	watched_run("exec $TOOL hist --json --failures" WATCHED_HERE);
	watched_expect_jq("watch.out", "", ".cause", "\"refused\"\n");
}

Test(trace_commands, hist_draws_bars)
{
	watched_run("exec $TOOL hist" WATCHED_HERE);
	shell_expect("watch.out", "tcp ok: 3 connects, mean ");
	shell_expect("watch.out", "tcp refused: 8 connects, mean ");
	/* The fullest row has the longest bar, no table more than 16 rows, and the rows' sum is all. */
	cr_expect_eq(
	    shell_run("bars",
		"awk '/connects/ { sum += $3; rows = 0 } / - / { count += $4; rows++; bar = length($5);"
		" if (rows > 16 || bar > 40 || ($4 > 0) != (bar > 0)) exit 1 }"
		" END { print sum, count }' watch.out"),
	    0, "%s", shell_text("watch.out"));
	cr_expect_str_eq(shell_text("bars.out"), "11 11\n", "%s", shell_text("watch.out"));
	cr_expect_eq(shell_run("forty", "grep -c ' ########################################$' watch.out"), 0);
	shell_expect("watch.out", ", P50 ");
	watched_run("exec $TOOL hist --colour" WATCHED_HERE);
	shell_expect("watch.out", "\033[36m#");
	cr_expect_null(strstr(shell_text("watch.out"), "\033[36m\033[0m"), "colours of nothing");
}

/* ---- inflight ---- */

Test(trace_commands, inflight_shows_what_has_not_ended)
{
	struct shell table = watched_start("table", "exec $TOOL inflight" WATCHED_HERE);
	struct shell json = watched_start("json", "exec $TOOL inflight --json" WATCHED_HERE);
	struct shell aged = watched_start("aged", "exec $TOOL inflight --json --min-ms 3600000" WATCHED_HERE);
	char words[64];
	int fd;

	network_rule("in", "tcp dport 7004 drop");
	watched_connect_all();
	fd = connect_silently();
	cr_expect_eq(shell_end(&table, SIGINT), 0);
	cr_expect_eq(shell_end(&json, SIGINT), 0);
	cr_expect_eq(shell_end(&aged, SIGINT), 0);
	close(fd);
	shell_expect("table.out", "     AGE     PID COMM            LAYER   SYN DEADLINE DESTINATION\n");
	snprintf(words, sizeof(words), " %7d ", getpid());
	shell_expect("table.out", words);
	shell_expect("table.out", " tcp       1        - 127.0.0.1:7004\n");
	cr_expect_null(strstr(shell_text("table.out"), "7001"));
	shell_expect("table.err", WATCHED_SUMMARY);
	snprintf(words, sizeof(words), "[\"127.0.0.1:7004\",%d,true,0]\n", getpid());
	watched_expect_jq("json.out", "", "[.destination,.pid,.age_ns>0,.uid]", words);
	cr_expect_str_empty(shell_text("aged.out"));
}

/* ---- all ---- */

Test(trace_commands, all_end_after_a_count)
{
	static const char *const commands[] = {"exec $TOOL top --count 11" WATCHED_HERE,
	    "exec $TOOL hist --count 11" WATCHED_HERE, "exec $TOOL inflight --count 11" WATCHED_HERE,
	    "exec $TOOL record file --count 11" WATCHED_HERE};

	for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct shell tool = watched_start("count", commands[i]);

		watched_connect_all();
		cr_expect_eq(shell_end(&tool, 0), 0, "%s", commands[i]);
		shell_expect("count.err", WATCHED_SUMMARY);
	}
}

Test(trace_commands, all_end_after_a_duration)
{
	static const char *const commands[] = {"$TOOL top --duration 0.2" WATCHED_HERE,
	    "$TOOL hist --duration 0.2" WATCHED_HERE, "$TOOL inflight --duration 0.2" WATCHED_HERE,
	    "$TOOL record file --duration 0.2" WATCHED_HERE};

	for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		cr_expect_eq(shell_run("duration", commands[i]), 0, "%s", commands[i]);
		shell_expect("duration.err", "0 connects\n");
	}
	cr_expect_eq(shell_run("wrong", "$TOOL top --interval 0"), 2);
	shell_expect("wrong.err", "--interval does not take '0'");
	cr_expect_eq(shell_run("wrong", "$TOOL record file --bytes-max 0"), 2);
	shell_expect("wrong.err", "--bytes-max does not take '0'");
}
