/* SPDX-License-Identifier: MIT
 *
 * `hawser-trace record FILE`: records as they are, for `replay`. It ends before the file is larger than
 * --bytes-max. Where the disk is full, the file is cut back to whole records and their end, and says how many
 * are missing; one that cannot even be given its end is left without, which replay will say.
 */
#include "file.h"
#include "show.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INTERVAL_MS = 50, BYTES_MAX = 256 << 20 };

struct recorder {
	const struct arguments *arguments;
	const struct hawser_trace_config *filter; /* NULL: the kernel has filtered */
	FILE *stream;
	uint64_t bytes;
	uint64_t bytes_max;
	uint64_t seen;
	uint64_t causes[HAWSER_TRACE_CAUSES];
	bool full;
};

static int on_record(const struct hawser_trace_record *record, void *user)
{
	struct recorder *recorder = user;

	if (recorder->filter && !matching_admits(recorder->filter, record))
		return 0;
	if (recorder->bytes + sizeof(*record) > recorder->bytes_max) {
		recorder->full = true;
		return -ECANCELED;
	}
	recorder->seen++;
	if (fwrite(record, sizeof(*record), 1, recorder->stream) != 1)
		return -errno;
	recorder->bytes += sizeof(*record);
	if (record->cause < HAWSER_TRACE_CAUSES)
		recorder->causes[record->cause]++;
	return recorder->arguments->count && recorder->seen >= recorder->arguments->count ? -ECANCELED : 0;
}

/* As long as tracing may yet fail, what is in the file stays; if it was not there, *ret_made. */
static FILE *open_file(const char *path, bool *ret_made)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool made = fd >= 0;
	struct stat status;
	FILE *stream = NULL;

	if (fd < 0 && errno == EEXIST)
		fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &status) < 0) {
		fprintf(stderr, "hawser-trace: %s cannot be opened: %s\n", path, strerror(errno));
	} else if (!S_ISREG(status.st_mode)) {
		fprintf(stderr, "hawser-trace: %s is not a regular file\n", path);
	} else {
		stream = fdopen(fd, "w");
		*ret_made = made;
	}
	if (!stream && fd >= 0)
		close(fd);
	return stream;
}

static int write_header(struct recorder *recorder)
{
	struct file_header header;

	file_header_fill(&header);
	if (ftruncate(fileno(recorder->stream), 0) < 0)
		return -errno;
	return fwrite(&header, sizeof(header), 1, recorder->stream) == 1 ? 0 : -errno;
}

static int write_end(struct recorder *recorder, const struct hawser_trace_counters *counters)
{
	struct file_end end = {.count = recorder->seen, .counters = *counters};

	memcpy(end.magic, FILE_END_MAGIC, sizeof(end.magic));
	if (fwrite(&end, sizeof(end), 1, recorder->stream) != 1 || fflush(recorder->stream) != 0)
		return -errno;
	return 0;
}

/* What stdio still holds is given up. Room for the end may have to be taken from a record. */
static int salvage(struct recorder *recorder, struct hawser_trace_counters counters)
{
	int fd = fileno(recorder->stream);
	uint64_t written;
	struct stat status;

	if (fflush(recorder->stream) != 0)
		__fpurge(recorder->stream);
	if (fstat(fd, &status) < 0 || status.st_size < (off_t)sizeof(struct file_header))
		return -EIO;
	written =
	    ((uint64_t)status.st_size - sizeof(struct file_header)) / sizeof(struct hawser_trace_record);
	for (unsigned tries = 0; tries < 2 && written >= tries; tries++) {
		uint64_t whole = written - tries;
		off_t size = (off_t)(sizeof(struct file_header) + whole * sizeof(struct hawser_trace_record));
		struct file_end end = {.count = whole, .counters = counters};

		memcpy(end.magic, FILE_END_MAGIC, sizeof(end.magic));
		end.counters.records_lost += recorder->seen - whole;
		if (ftruncate(fd, size) < 0)
			return -errno;
		if (pwrite(fd, &end, sizeof(end), size) == (ssize_t)sizeof(end)) {
			fprintf(stderr,
			    "%s has %" PRIu64 " records; %" PRIu64
			    " more did not fit, and what came later was not read\n",
			    recorder->arguments->operand, whole, recorder->seen - whole);
			return 0;
		}
	}
	return -EIO;
}

static int record(struct recorder *recorder, const struct session *session)
{
	int result = 0;

	while (session_goes_on(session)) {
		result = hawser_trace_read(session->trace, INTERVAL_MS, on_record, recorder);
		if (result < 0 && result != -EINTR)
			return result == -ECANCELED ? 0 : result;
		if (fflush(recorder->stream) != 0)
			return -errno;
	}
	/* What came since the last look. */
	result = hawser_trace_read(session->trace, 0, on_record, recorder);
	return result < 0 && result != -ECANCELED && result != -EINTR ? result : 0;
}

static void tell(const struct recorder *recorder, const struct hawser_trace_counters *counters)
{
	const char *path = recorder->arguments->operand;

	words_summary(recorder->causes, recorder->seen, counters);
	if (recorder->full)
		fprintf(stderr, "ended early: more than --bytes-max %" PRIu64 " would be needed\n",
		    recorder->arguments->bytes_max ? recorder->arguments->bytes_max : BYTES_MAX);
	if (!recorder->arguments->json) {
		fprintf(stderr, "%s has %" PRIu64 " bytes\n", path, recorder->bytes);
		return;
	}
	fputs("{\"file\":", stdout);
	json_string(stdout, path);
	printf(",\"records\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"full\":%s,\"records_lost\":%" PRIu64
	       ",\"inflight_full\":%" PRIu64 ",\"events_missed\":%" PRIu64 "}\n",
	    recorder->seen, recorder->bytes, recorder->full ? "true" : "false", counters->records_lost,
	    counters->inflight_full, counters->events_missed);
}

static int fail(const struct recorder *recorder, int result)
{
	fprintf(stderr, "hawser-trace: %s cannot be written: %s\n", recorder->arguments->operand,
	    strerror(-result));
	return 1;
}

static int run(struct recorder *recorder, const struct session *session)
{
	struct hawser_trace_counters counters = {0};
	int result = write_header(recorder);

	if (result < 0)
		return fail(recorder, result);
	result = record(recorder, session);
	hawser_trace_counters_read(session->trace, &counters);
	if (result == 0)
		result = write_end(recorder, &counters);
	if (result == 0) {
		tell(recorder, &counters);
		return 0;
	}
	fail(recorder, result);
	if (salvage(recorder, counters) < 0)
		fprintf(stderr, "hawser-trace: %s is left without its end\n", recorder->arguments->operand);
	return 1;
}

int command_record(const struct arguments *arguments)
{
	size_t least = sizeof(struct file_header) + sizeof(struct file_end);
	struct recorder recorder = {.arguments = arguments,
	    .filter = arguments->pinned ? &arguments->options.config : NULL,
	    .bytes = least,
	    .bytes_max = arguments->bytes_max ? arguments->bytes_max : BYTES_MAX};
	struct session session;
	bool made = false;
	int code = 1;

	if (recorder.bytes_max < least) {
		fprintf(stderr, "hawser-trace: --bytes-max must be %zu at least\n", least);
		return 2;
	}
	session_catch_signals(); /* a file that was begun gets its end */
	recorder.stream = open_file(arguments->operand, &made);
	if (!recorder.stream)
		return 1;
	if (session_open(&session, arguments)) {
		fprintf(stderr, "recording connects, Ctrl-C ends it\n");
		code = run(&recorder, &session);
		session_close(&session);
	} else if (made) {
		unlink(arguments->operand);
	}
	if (fclose(recorder.stream) != 0 && code == 0) {
		fprintf(
		    stderr, "hawser-trace: %s cannot be written: %s\n", arguments->operand, strerror(errno));
		code = 1;
	}
	return code;
}
