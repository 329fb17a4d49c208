/* SPDX-License-Identifier: MIT
 *
 * Standard output, which may be a full disk, or a pipe whose reader is gone. Every command ends by way of
 * output_end: what could not be written is said and makes the exit code 1; a reader that has seen enough
 * (`| head`) is no error.
 */
#include "hawser-trace.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static int failure; /* the first: later ones are its consequences */

void output_begin(void)
{
	struct sigaction action = {.sa_handler = SIG_IGN};

	sigaction(SIGPIPE, &action, NULL); /* writes answer EPIPE instead, and the summary is still told */
}

static bool reader_is_gone(void)
{
	struct pollfd poller = {.fd = STDOUT_FILENO};

	return poll(&poller, 1, 0) == 1 && (poller.revents & POLLERR);
}

int output_flush(void)
{
	int before = errno, error;

	if (failure)
		return failure;
	error = fflush(stdout) != 0 ? errno : 0;
	if (reader_is_gone())
		failure = -EPIPE;
	else if (error)
		failure = -error;
	else if (ferror(stdout)) /* stdio wrote when its buffer was full, and forgot what it held */
		failure = before ? -before : -EIO;
	return failure;
}

int output_end(int code)
{
	int result = output_flush();

	if (result == 0 || result == -EPIPE)
		return code;
	fprintf(stderr, "hawser-trace: standard output cannot be written: %s\n", strerror(-result));
	return code ? code : 1;
}
