/* SPDX-License-Identifier: MIT
 *
 * `hawser-trace replay FILE`: prints what `record` wrote as live would have, with the same filters. It needs
 * no permission but to read the file, gives up all others, and refuses, before it prints a line, a file that
 * is foreign, newer or damaged. Of one that is cut it prints what is whole, and ends with 1.
 */
#include "file.h"
#include "show.h"

#include <errno.h>
#include <string.h>
#include <time.h>

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
	struct printer printer = {.arguments = arguments,
	    .filter = &arguments->options.config,
	    .to_real_ns = file->header.to_real_ns};
	struct hawser_trace_record record;
	int result = 0;

	while (session_goes_on(session) && (result = file_read(file, arguments->operand, &record)) > 0) {
		if (printer_print(&record, &printer) < 0)
			break;
	}
	output_flush();
	words_summary(printer.causes, printer.seen, &file->end.counters);
	return result < 0 || file->cut;
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
