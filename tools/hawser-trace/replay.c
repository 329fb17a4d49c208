/* SPDX-License-Identifier: MIT
 *
 * `hawser-trace replay FILE`: prints what `record` wrote as live would have, with the same filters. It needs
 * no permission but to read the file, gives up all others, and refuses, before it prints a line, a file that
 * is cut, foreign or newer.
 */
#include "file.h"
#include "show.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static bool matches_prefix(const struct hawser_trace_config *config, const struct hawser_trace_record *record)
{
	unsigned whole = config->prefix_bits / 8, rest = config->prefix_bits % 8;
	unsigned mask = 0xffU << (8 - rest) & 0xff;

	if (record->family != config->prefix_family ||
	    memcmp(record->destination, config->prefix, whole) != 0)
		return false;
	return !rest || ((record->destination[whole] ^ config->prefix[whole]) & mask) == 0;
}

static bool matches(const struct hawser_trace_config *config, const struct hawser_trace_record *record)
{
	uint32_t filters = config->filters;

	return !(config->failures_only && record->cause == HAWSER_TRACE_OK) &&
	       record->total_ns >= config->minimum_ns &&
	       !((filters & HAWSER_TRACE_FILTER_TGID) && record->tgid != config->tgid) &&
	       !((filters & HAWSER_TRACE_FILTER_UID) && record->uid != config->uid) &&
	       !((filters & HAWSER_TRACE_FILTER_CGROUP) && record->cgroup != config->cgroup) &&
	       !((filters & HAWSER_TRACE_FILTER_NETNS) && record->netns != config->netns) &&
	       !((filters & HAWSER_TRACE_FILTER_PORT) && record->destination_port != config->port) &&
	       (!(filters & HAWSER_TRACE_FILTER_PREFIX) || matches_prefix(config, record));
}

static void print_origin(const struct file_header *header)
{
	char kernel[FILE_KERNEL_BYTES], day[32] = "?";
	time_t seconds = (int64_t)(header->start_ns + (uint64_t)header->to_real_ns) / 1000000000;
	struct tm parts;

	memcpy(kernel, header->kernel, sizeof(kernel));
	if (localtime_r(&seconds, &parts))
		strftime(day, sizeof(day), "%Y-%m-%d %H:%M:%S", &parts);
	fprintf(stderr, "recorded on Linux %s, beginning %s\n", words_tame(kernel), day);
}

static int replay(const struct arguments *arguments, struct file *file, const struct session *session)
{
	struct printer printer = {.arguments = arguments, .to_real_ns = file->header.to_real_ns};
	struct hawser_trace_record record;
	int result = 0;

	while (session_goes_on(session) && (result = file_read(file, arguments->operand, &record)) > 0) {
		if (matches(&arguments->options.config, &record) && printer_print(&record, &printer) < 0)
			break;
		if (ferror(stdout))
			break; /* nobody reads any more */
	}
	fflush(stdout);
	words_summary(printer.causes, printer.seen, &file->end.counters);
	return result < 0;
}

int command_replay(const struct arguments *arguments)
{
	struct session session;
	struct file file;
	int code;

	if (!file_open(arguments->operand, &file))
		return 1;
	if (!session_begin(&session, arguments)) {
		file_close(&file);
		return 1;
	}
	print_origin(&file.header);
	code = replay(arguments, &file, &session);
	file_close(&file);
	return code;
}
