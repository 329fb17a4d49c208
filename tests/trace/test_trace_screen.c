/* SPDX-License-Identifier: MIT
 *
 * What top, hist and inflight have in common: sums in which each connect counts once, also through a ring,
 * pictures that fit their terminal, and no more of them than were asked for.
 */
#include "watched.h"

#include <liburing.h>
#include <pty.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

TestSuite(trace_screen, .init = watched_enter, .fini = shell_leave, .timeout = 60);

enum { RING_CONNECTS = 5 };

static void connect_by_ring(void)
{
	struct sockaddr_in address = watched_address(CLOSED_PORT);
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	int result = io_uring_queue_init(4, &ring, 0);

	if (result < 0)
		cr_skip_test("no io_uring here: %s", strerror(-result));
	for (unsigned i = 0; i < RING_CONNECTS; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		io_uring_prep_connect(
		    io_uring_get_sqe(&ring), fd, (struct sockaddr *)&address, sizeof(address));
		cr_assert_eq(io_uring_submit_and_wait(&ring, 1), 1);
		cr_assert_eq(io_uring_wait_cqe(&ring, &cqe), 0);
		cr_assert_eq(cqe->res, -ECONNREFUSED);
		io_uring_cqe_seen(&ring, cqe);
		close(fd);
	}
	io_uring_queue_exit(&ring);
}

/* ---- sums ---- */

static void expect_summary(const char *words, const char *summary)
{
	char command[256];
	struct shell tool;

	snprintf(command, sizeof(command), "exec $TOOL %s" WATCHED_HERE, words);
	tool = watched_start("sums", command);
	connect_by_ring();
	cr_assert_eq(watched_connect(CLOSED_PORT), ECONNREFUSED);
	cr_expect_eq(shell_end(&tool, strstr(words, "--count") ? 0 : SIGINT), 0);
	shell_expect("sums.err", summary);
}

Test(trace_screen, connects_of_rings_count_once)
{
	expect_summary("live", "6 connects, 6 refused\n");
	expect_summary("top", "6 connects, 6 refused\n");
	expect_summary("inflight", "6 connects, 6 refused\n");
	expect_summary("top --count 6", "6 connects, 6 refused\n");
	expect_summary("inflight --count 6", "6 connects, 6 refused\n");
	expect_summary("hist", "6 connects, 6 refused\n");
	expect_summary("hist --count 6", "6 connects, 6 refused\n");
}

/* ---- terminals ---- */

enum { ROWS = 8, COLUMNS = 60 };

/* No line of it is wider than the terminal, colours aside. */
static void expect_fits(const char *text)
{
	unsigned column = 0;

	for (; *text; text++) {
		if (*text == '\033') {
			text += strcspn(text, "mHJ");
			continue;
		}
		column = *text == '\n' || *text == '\r' ? 0 : column + 1;
		cr_assert_leq(column, COLUMNS, "%s", text - column);
	}
}

static void read_until(int terminal, const char *words, char *text, size_t size)
{
	size_t used = strlen(text);
	ssize_t length;

	while (!strstr(text, words)) {
		length = used + 1 < size ? read(terminal, text + used, size - 1 - used) : 0;
		cr_assert_gt(length, 0, "the terminal does not show '%s': %s", words, text);
		used += (size_t)length;
		text[used] = '\0';
	}
}

/* It stays in flight as long as the test. */
static void connect_silently(void)
{
	struct sockaddr_in address = watched_address(SILENT_PORT);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	network_rule("in", "tcp dport 7004 drop");
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), -1);
	cr_assert_eq(errno, EINPROGRESS);
}

static void show_on_terminal(
    const char *command, void (*act)(void), const char *words, char *text, size_t size)
{
	struct winsize small = {.ws_row = ROWS, .ws_col = COLUMNS};
	int terminal, status;
	pid_t pid = forkpty(&terminal, NULL, NULL, &small);

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		execl("/bin/bash", "bash", "-c", command, (char *)NULL);
		_exit(127);
	}
	text[0] = '\0';
	read_until(terminal, "DESTIN", text, size);
	act();
	read_until(terminal, words, text, size);
	expect_fits(text);
	cr_assert_eq(kill(pid, SIGINT), 0);
	read_until(terminal, " connects", text, size);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(terminal);
}

/* The row that is cut would have 63 columns. */
Test(trace_screen, pictures_fit_the_terminal)
{
	char text[65536];

	show_on_terminal("exec $TOOL top" WATCHED_HERE, watched_connect_all, "5 refused", text, sizeof(text));
	cr_expect_not_null(strstr(text, "127.0.0.1:7003         5         0  "));
}

Test(trace_screen, connects_in_flight_fit_the_terminal)
{
	char text[65536];

	show_on_terminal("exec $TOOL inflight" WATCHED_HERE, connect_silently, " 127.0.", text, sizeof(text));
}

/* It was stopped for a while: what it missed is not made up for. */
Test(trace_screen, pictures_keep_their_distance)
{
	struct shell top = watched_start("top", "exec $TOOL top --interval 0.2" WATCHED_HERE);

	usleep(500000);
	cr_assert_eq(kill(top.pid, SIGSTOP), 0);
	usleep(2000000);
	cr_assert_eq(kill(top.pid, SIGCONT), 0);
	usleep(700000);
	cr_expect_eq(shell_end(&top, SIGINT), 0);
	cr_expect_eq(
	    shell_run("gaps",
		"grep -E '^[0-9][0-9]:' top.out | head -n -1 | awk -F: '{ now = ($1 * 60 + $2) * 60 + $3;"
		" if (NR > 1 && now > before && now - before < 0.15) exit 1; before = now }"
		" END { if (NR < 3) exit 2 }'"),
	    0, "%s", shell_text("top.out"));
}
