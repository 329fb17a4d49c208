/* SPDX-License-Identifier: MIT
 *
 * See tool.h. Outputs go to files in memory, so that no pipe can be full; a terminal is read while it is
 * waited for.
 */
#include "tool.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS_MAX = 60, PATH_BYTES = 4096, NAME_BYTES = 32, ARGUMENTS_MAX = 24, POLL_MS = 10 };

const char *tool_program(void)
{
	return tool_program_named("hawser");
}

const char *tool_program_named(const char *name)
{
	static char path[PATH_BYTES];
	const char *build = getenv("HAWSER_BUILD_DIR");
	ssize_t size;

	if (build) {
		snprintf(path, sizeof(path), "%s/bin/%s", build, name);
		return path;
	}
	size = readlink("/proc/self/exe", path, sizeof(path) - NAME_BYTES);
	cr_assert_gt(size, 0);
	path[size] = '\0';
	snprintf(strrchr(path, '/'), NAME_BYTES, "/%s", name);
	return path;
}

_Noreturn static void child_exec(
    const struct tool *tool, int input_fd, pid_t parent, const char *const *arguments)
{
	const char *path = tool_program();
	char *words[ARGUMENTS_MAX + 2] = {(char *)(uintptr_t)path};
	sigset_t none;

	for (size_t i = 0; arguments[i] && i < ARGUMENTS_MAX; i++)
		words[i + 1] = (char *)(uintptr_t)arguments[i];
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	alarm(SECONDS_MAX); /* outlives exec */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent &&
	    (tool->terminal >= 0 ||
		(dup2(input_fd, 0) == 0 && dup2(tool->out_fd, 1) == 1 && dup2(tool->err_fd, 2) == 2)))
		execv(path, words);
	dprintf(2, "%s: %s\n", path, strerror(errno));
	_exit(127);
}

static int memory_file(const char *content)
{
	int fd = memfd_create("hawser-tool", MFD_CLOEXEC);

	cr_assert_geq(fd, 0);
	if (content)
		cr_assert_eq(pwrite(fd, content, strlen(content), 0), (ssize_t)strlen(content));
	return fd;
}

void tool_start(struct tool *tool, const char *input, const char *const *arguments)
{
	pid_t parent = getpid();
	int input_fd = memory_file(input);

	*tool = (struct tool){.terminal = -1, .out_fd = memory_file(NULL), .err_fd = memory_file(NULL)};
	tool->pid = fork();
	cr_assert_geq(tool->pid, 0);
	if (tool->pid == 0)
		child_exec(tool, input_fd, parent, arguments);
	close(input_fd);
}

void tool_start_on_terminal(struct tool *tool, const char *const *arguments)
{
	struct winsize size = {.ws_row = 24, .ws_col = 80};
	pid_t parent = getpid();
	int terminal;

	*tool = (struct tool){.out_fd = -1, .err_fd = -1};
	tool->pid = forkpty(&terminal, NULL, NULL, &size);
	cr_assert_geq(tool->pid, 0);
	if (tool->pid == 0)
		child_exec(tool, -1, parent, arguments);
	tool->terminal = terminal;
}

static void file_read(int fd, char text[TOOL_OUTPUT_MAX])
{
	ssize_t size = pread(fd, text, TOOL_OUTPUT_MAX - 1, 0);

	text[size > 0 ? size : 0] = '\0';
}

/* False when the other side is closed. */
static bool terminal_read(struct tool *tool)
{
	struct pollfd readable = {.fd = tool->terminal, .events = POLLIN};
	size_t length = strlen(tool->out);
	ssize_t size;

	if (poll(&readable, 1, POLL_MS) <= 0)
		return true;
	size = read(tool->terminal, tool->out + length, TOOL_OUTPUT_MAX - 1 - length);
	if (size <= 0)
		return false;
	tool->out[length + (size_t)size] = '\0';
	return true;
}

bool tool_look(struct tool *tool)
{
	siginfo_t ended = {0};

	if (tool->terminal >= 0)
		return terminal_read(tool);
	poll(NULL, 0, POLL_MS);
	waitid(P_PID, (id_t)tool->pid, &ended, WEXITED | WNOHANG | WNOWAIT);
	file_read(tool->out_fd, tool->out);
	file_read(tool->err_fd, tool->err);
	return ended.si_pid == 0;
}

void tool_await(struct tool *tool, const char *text)
{
	bool lives = true;

	while (lives && !strstr(tool->out, text))
		lives = tool_look(tool);
	if (strstr(tool->out, text))
		return;
	tool_wait(tool);
	cr_assert_fail("\"%s\" was not printed, but:\n%s%s", text, tool->out, tool->err);
}

void tool_type(struct tool *tool, const char *keys)
{
	cr_assert_eq(write(tool->terminal, keys, strlen(keys)), (ssize_t)strlen(keys));
}

int tool_wait(struct tool *tool)
{
	int status;

	while (tool_look(tool))
		;
	cr_assert_eq(waitpid(tool->pid, &status, 0), tool->pid);
	tool->pid = 0;
	tool->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (tool->terminal >= 0) {
		close(tool->terminal);
		return tool->status;
	}
	file_read(tool->out_fd, tool->out);
	file_read(tool->err_fd, tool->err);
	close(tool->out_fd);
	close(tool->err_fd);
	return tool->status;
}

int tool_run_with(struct tool *tool, const char *input, const char *const *arguments)
{
	tool_start(tool, input, arguments);
	return tool_wait(tool);
}

int tool_run(struct tool *tool, const char *const *arguments)
{
	return tool_run_with(tool, NULL, arguments);
}

bool tool_says(struct tool *tool, const char *filter)
{
	int fd = memory_file(tool->out);
	char command[2048];

	snprintf(
	    command, sizeof(command), "jq -es '%s' </proc/%d/fd/%d >/dev/null", filter, (int)getpid(), fd);
	int status = system(command);
	close(fd);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
