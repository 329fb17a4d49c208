/* SPDX-License-Identifier: MIT
 *
 * A hawser-host process for tests: started with any arguments, ended by its pid, and dead when the test dies.
 *
 *	struct host host;
 *	char directory[HOST_PATH_BYTES], target[HOST_TARGET_BYTES];
 *	host_directory_make(directory);
 *	snprintf(target, sizeof(target), "unix:%s/x.sock", directory);
 *	cr_assert_eq(host_start(&host, HOST_ARGUMENTS("--reorder", target, "tcp:127.0.0.1:0")), 0);
 *	... host_target(&host, 1) is "tcp:127.0.0.1:40123" ...
 *	host_kill(&host);
 *	cr_assert_eq(host_restart(&host), 0);		(the same options on the same targets)
 *	cr_assert_eq(host_stop(&host), 0);
 *	host_directory_remove(directory);
 *
 * The program is HAWSER_BUILD_DIR/bin/hawser-host; without that variable, the one beside the test program, so
 * that each build tests its own, or else build/bin/hawser-host. Call from one thread only: the child is
 * killed when the thread that started it ends.
 */
#ifndef HAWSER_TESTS_HOST_H
#define HAWSER_TESTS_HOST_H

#include <stddef.h>
#include <sys/types.h>

enum {
	HOST_ARGUMENTS_MAX = 24,
	HOST_TARGETS_MAX = 4,
	HOST_TARGET_BYTES = 128,
	HOST_PATH_BYTES = 64,
	HOST_ERRORS_BYTES = 4096,
	HOST_READY_TIMEOUT_MS = 10000, /* a bound on hangs, not an expectation */
	HOST_EXIT_TIMEOUT_MS = 10000,
};

struct host {
	pid_t pid; /* 0: not running */
	char arguments[HOST_ARGUMENTS_MAX][HOST_TARGET_BYTES];
	size_t arguments_count;
	char targets[HOST_TARGETS_MAX][HOST_TARGET_BYTES]; /* as the ready lines gave them */
	size_t targets_ready;
	size_t targets_wanted;
	int stdout_fd;
	int stderr_fd;
	char errors[HOST_ERRORS_BYTES];
};

#define HOST_ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

/*
 * Starts the process and does not wait. What *host held before is overwritten: it must not be running.
 * -errno; -E2BIG: too many, or too long, arguments.
 */
int host_spawn(struct host *host, const char *const *arguments);

/* Waits until every target has its ready line. -ETIMEDOUT; -ECHILD: it ended before; see host_wait(). */
int host_wait_ready(struct host *host, int timeout_ms);

/* Both of the above; on failure the process is gone. Not for hosts that print no ready lines (--quiet). */
int host_start(struct host *host, const char *const *arguments);

/* Starts it again on the targets it had, real ports included, after killing it if it still runs. */
int host_restart(struct host *host);

/* The target as clients should use it; only after host_wait_ready(). */
const char *host_target(const struct host *host, size_t index);

/* Waits for its end: the exit status, or 128 + signal. -ETIMEDOUT: it is still running. */
int host_wait(struct host *host, int timeout_ms);

/* SIGTERM, and the exit status; SIGKILL if it does not obey. */
int host_stop(struct host *host);

/* SIGKILL: socket files stay behind. */
void host_kill(struct host *host);

/* What it has written on stderr since it was started, also after its end. Valid until the next call. */
const char *host_errors(struct host *host);

/* A directory below /tmp, short enough for socket paths; it is removed with all files directly in it. */
int host_directory_make(char ret_directory[HOST_PATH_BYTES]);
void host_directory_remove(const char *directory);

#endif
