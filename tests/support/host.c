/* SPDX-License-Identifier: MIT
 *
 * Starting and ending hawser-host for tests.
 *
 * Happy path: fork, exec with stdout on a pipe and stderr in memory, read "ready TARGET" lines, and reap by
 * pid.
 * Failures: a host that ends early or never gets ready is reported and reaped; one that ignores SIGTERM is
 * killed. If the test dies, the kernel kills the child.
 */
#include "host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_CANNOT_EXEC = 127, EXIT_SIGNAL_BASE = 128, PROGRAM_PATH_BYTES = 4096 };

static long long now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static bool argument_is_target(const char *argument)
{
	return strncmp(argument, "unix:", 5) == 0 || strncmp(argument, "tcp:", 4) == 0;
}

static void fds_close(struct host *host)
{
	if (host->stdout_fd >= 0)
		close(host->stdout_fd);
	if (host->stderr_fd >= 0)
		close(host->stderr_fd);
	host->stdout_fd = -1;
	host->stderr_fd = -1;
}

static void program_find(char ret_path[PROGRAM_PATH_BYTES])
{
	static const char name[] = "/hawser-host";
	const char *build = getenv("HAWSER_BUILD_DIR");
	snprintf(ret_path, PROGRAM_PATH_BYTES, "%s/bin%s", build != NULL ? build : "build", name);
	char own[PROGRAM_PATH_BYTES];
	ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - sizeof(name));
	if (build != NULL || length <= 0)
		return;
	own[length] = '\0';
	char *slash = strrchr(own, '/');
	memcpy(slash, name, sizeof(name));
	if (access(own, X_OK) == 0)
		memcpy(ret_path, own, strlen(own) + 1);
}

static void child_exec(struct host *host, pid_t parent, int stdout_fd)
{
	char path[PROGRAM_PATH_BYTES];
	char *arguments[HOST_ARGUMENTS_MAX + 2] = {path};
	sigset_t none;
	program_find(path);
	for (size_t i = 0; i < host->arguments_count; i++)
		arguments[i + 1] = host->arguments[i];
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* The parent may have died before prctl() took effect. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && dup2(stdout_fd, 1) == 1 &&
	    dup2(host->stderr_fd, 2) == 2)
		execv(path, arguments);
	dprintf(2, "%s: %s\n", path, strerror(errno));
	_exit(EXIT_CANNOT_EXEC);
}

static int process_start(struct host *host)
{
	int pipe_fds[2];
	host->targets_ready = 0;
	host->stderr_fd = memfd_create("hawser-host-stderr", MFD_CLOEXEC);
	if (host->stderr_fd < 0)
		return -errno;
	if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
		int error = -errno;
		fds_close(host);
		return error;
	}
	host->stdout_fd = pipe_fds[0];
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid == 0)
		child_exec(host, parent, pipe_fds[1]);
	int error = pid < 0 ? -errno : 0;
	close(pipe_fds[1]);
	if (error < 0)
		fds_close(host);
	else
		host->pid = pid;
	return error;
}

int host_spawn(struct host *host, const char *const *arguments)
{
	*host = (struct host){.stdout_fd = -1, .stderr_fd = -1};
	for (size_t i = 0; arguments[i] != NULL; i++) {
		if (i == HOST_ARGUMENTS_MAX || strlen(arguments[i]) >= HOST_TARGET_BYTES)
			return -E2BIG;
		memcpy(host->arguments[i], arguments[i], strlen(arguments[i]) + 1);
		host->arguments_count++;
		if (argument_is_target(arguments[i]) && ++host->targets_wanted > HOST_TARGETS_MAX)
			return -E2BIG;
	}
	return process_start(host);
}

static void ready_line_take(struct host *host, const char *line)
{
	static const char prefix[] = "ready ";
	if (strncmp(line, prefix, strlen(prefix)) == 0)
		snprintf(host->targets[host->targets_ready++], HOST_TARGET_BYTES, "%.*s",
		    HOST_TARGET_BYTES - 1, line + strlen(prefix));
}

int host_wait_ready(struct host *host, int timeout_ms)
{
	long long deadline = now_ms() + timeout_ms;
	char line[HOST_TARGET_BYTES + 8];
	size_t length = 0;
	while (host->targets_ready < host->targets_wanted) {
		struct pollfd readable = {.fd = host->stdout_fd, .events = POLLIN};
		long long left = deadline - now_ms();
		if (left <= 0 || poll(&readable, 1, (int)left) == 0)
			return -ETIMEDOUT;
		char byte;
		ssize_t got = read(host->stdout_fd, &byte, 1);
		if (got == 0)
			return -ECHILD;
		if (got < 0)
			continue;
		if (byte == '\n') {
			line[length] = '\0';
			ready_line_take(host, line);
			length = 0;
		} else if (length < sizeof(line) - 1) {
			line[length++] = byte;
		}
	}
	return 0;
}

int host_start(struct host *host, const char *const *arguments)
{
	int error = host_spawn(host, arguments);
	if (error == 0)
		error = host_wait_ready(host, HOST_READY_TIMEOUT_MS);
	if (error < 0)
		host_kill(host);
	return error;
}

int host_restart(struct host *host)
{
	size_t target = 0;
	host_kill(host);
	for (size_t i = 0; i < host->arguments_count && target < host->targets_ready; i++)
		if (argument_is_target(host->arguments[i]))
			memcpy(host->arguments[i], host->targets[target++], HOST_TARGET_BYTES);
	int error = process_start(host);
	if (error == 0)
		error = host_wait_ready(host, HOST_READY_TIMEOUT_MS);
	if (error < 0)
		host_kill(host);
	return error;
}

const char *host_target(const struct host *host, size_t index)
{
	return index < host->targets_ready ? host->targets[index] : "";
}

static int process_reap(struct host *host)
{
	int status;
	if (waitpid(host->pid, &status, 0) != host->pid)
		return -errno;
	host->pid = 0;
	host_errors(host);
	fds_close(host);
	return WIFSIGNALED(status) ? EXIT_SIGNAL_BASE + WTERMSIG(status) : WEXITSTATUS(status);
}

int host_wait(struct host *host, int timeout_ms)
{
	if (host->pid == 0)
		return -ECHILD;
	int pid_fd = pidfd_open(host->pid, 0);
	if (pid_fd < 0)
		return -errno;
	struct pollfd ended = {.fd = pid_fd, .events = POLLIN};
	int count = poll(&ended, 1, timeout_ms);
	close(pid_fd);
	return count > 0 ? process_reap(host) : -ETIMEDOUT;
}

int host_stop(struct host *host)
{
	if (host->pid == 0)
		return -ECHILD;
	kill(host->pid, SIGTERM);
	int status = host_wait(host, HOST_EXIT_TIMEOUT_MS);
	if (status < 0)
		host_kill(host);
	return status;
}

void host_kill(struct host *host)
{
	if (host->pid == 0)
		return;
	kill(host->pid, SIGKILL);
	process_reap(host);
}

const char *host_errors(struct host *host)
{
	if (host->stderr_fd >= 0) {
		ssize_t length = pread(host->stderr_fd, host->errors, sizeof(host->errors) - 1, 0);
		host->errors[length > 0 ? length : 0] = '\0';
	}
	return host->errors;
}

int host_directory_make(char ret_directory[HOST_PATH_BYTES])
{
	char directory[] = "/tmp/hawser-XXXXXX";
	if (mkdtemp(directory) == NULL)
		return -errno;
	memcpy(ret_directory, directory, sizeof(directory));
	return 0;
}

void host_directory_remove(const char *directory)
{
	DIR *entries = opendir(directory);
	if (entries == NULL)
		return;
	for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(dirfd(entries), entry->d_name, 0);
	closedir(entries);
	rmdir(directory);
}
