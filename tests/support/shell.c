/* SPDX-License-Identifier: MIT
 *
 * See shell.h.
 */
#include "shell.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_MS = 20000, TEXT_MAX = 1 << 18 };

static char directory[] = "/tmp/hawser-tool-XXXXXX";

void shell_enter(const char *program)
{
	const char *build = getenv("HAWSER_BUILD_DIR");
	char folder[PATH_MAX], path[PATH_MAX + 64];

	cr_assert_not_null(build, "run it by tests/run");
	cr_assert_not_null(realpath(build, folder));
	snprintf(path, sizeof(path), "%s/bin/%s", folder, program);
	setenv("TOOL", path, 1);
	cr_assert_not_null(mkdtemp(directory));
	cr_assert_eq(chdir(directory), 0);
}

void shell_leave(void)
{
	char command[128];

	cr_assert_eq(chdir("/"), 0);
	snprintf(command, sizeof(command), "rm -r %s", directory);
	cr_assert_eq(system(command), 0);
}

static void become(const struct shell *tool, const char *command)
{
	int output = open(tool->output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	int errors = open(tool->errors, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (output >= 0 && errors >= 0 && dup2(output, STDOUT_FILENO) >= 0 &&
	    dup2(errors, STDERR_FILENO) >= 0)
		execl("/bin/bash", "bash", "-c", command, (char *)NULL);
	_exit(127);
}

struct shell shell_start(const char *name, const char *command)
{
	struct shell tool = {0};

	snprintf(tool.output, sizeof(tool.output), "%s.out", name);
	snprintf(tool.errors, sizeof(tool.errors), "%s.err", name);
	unlink(tool.errors); /* what an earlier run said must not be waited for */
	tool.pid = fork();
	cr_assert_geq(tool.pid, 0);
	if (tool.pid == 0)
		become(&tool, command);
	return tool;
}

const char *shell_text(const char *path)
{
	static char texts[2][TEXT_MAX];
	static unsigned turn;
	char *text = texts[turn++ % 2];
	FILE *file = fopen(path, "re");
	size_t length = 0;

	if (file) {
		length = fread(text, 1, TEXT_MAX - 1, file);
		cr_assert_lt(length, TEXT_MAX - 1, "%s is too large", path);
		fclose(file);
	}
	text[length] = '\0';
	return text;
}

void shell_await(const struct shell *tool, const char *words)
{
	struct timespec rest = {.tv_nsec = 5000000};

	for (int waited = 0; waited < WAIT_MS; waited += 5) {
		if (strstr(shell_text(tool->errors), words))
			return;
		cr_assert_eq(waitpid(tool->pid, NULL, WNOHANG), 0, "it ended: %s", shell_text(tool->errors));
		nanosleep(&rest, NULL);
	}
	cr_assert_fail("it does not say '%s': %s", words, shell_text(tool->errors));
}

int shell_end(const struct shell *tool, int signal)
{
	int status;

	if (signal)
		cr_assert_eq(kill(tool->pid, signal), 0);
	while (waitpid(tool->pid, &status, 0) < 0)
		cr_assert_eq(errno, EINTR);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int shell_run(const char *name, const char *command)
{
	struct shell tool = shell_start(name, command);

	return shell_end(&tool, 0);
}

void shell_expect(const char *path, const char *words)
{
	const char *text = shell_text(path);

	cr_expect_not_null(strstr(text, words), "%s does not say '%s': %s", path, words, text);
}

int shell_capture(
    const char *program, const char *options, const char *command, char *ret_output, size_t size)
{
	const char *build = getenv("HAWSER_BUILD_DIR");
	size_t length;
	char whole[2048];
	FILE *pipe;

	cr_assert_not_null(build, "run it by tests/run");
	snprintf(whole, sizeof(whole), "exec 2>&1; TOOL='%s/bin/%s%s'; %s", build, program, options, command);
	pipe = popen(whole, "re");
	cr_assert_not_null(pipe);
	length = fread(ret_output, 1, size - 1, pipe);
	ret_output[length] = '\0';
	return WEXITSTATUS(pclose(pipe));
}
