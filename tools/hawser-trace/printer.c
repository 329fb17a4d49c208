/* SPDX-License-Identifier: MIT
 *
 * A record as a line, for people or as JSON, the same whether it comes from the kernel or from a file.
 */
#include "show.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { HEADER_EVERY = 40, DESTINATION_WIDTH = 28 };

const char *printer_colour(const struct printer *printer, const struct hawser_trace_record *record)
{
	if (!printer->arguments->colour)
		return "";
	switch (record->cause) {
	case HAWSER_TRACE_OK:
		return "\033[32m";
	case HAWSER_TRACE_CANCELLED:
	case HAWSER_TRACE_ABORTED:
		return "\033[33m";
	default:
		return "\033[31m";
	}
}

const char *printer_plain(const struct printer *printer)
{
	return printer->arguments->colour ? "\033[0m" : "";
}

/* The column of destinations grows with them, up to the largest address: then it is said anew where it ends.
 */
static void print_header(struct printer *printer, const char *destination)
{
	int width = cells_width(destination);
	int width_max = printer->destination_width ? printer->destination_width : DESTINATION_WIDTH;

	width = width > CELLS_DESTINATION_MAX ? CELLS_DESTINATION_MAX : width;
	width = width > width_max ? width : width_max;
	if (printer->seen % HEADER_EVERY != 0 && width == printer->destination_width)
		return;
	printer->destination_width = width;
	printf("%-12s %7s %-15s %-7s %-13s %8s %8s %8s %3s %-*s %s\n", "TIME", "PID", "COMM", "LAYER",
	    "CAUSE", "SUBMIT", "NETWORK", "TOTAL", "SYN", width, "DESTINATION", "DETAIL");
}

/* Padded where something follows. */
static void print_columns(struct printer *printer, const struct hawser_trace_record *record, bool followed)
{
	char when[WORDS_TIME_BYTES], submit[WORDS_DURATION_BYTES], network[WORDS_DURATION_BYTES],
	    total[WORDS_DURATION_BYTES], destination[160], comm[32];
	/* A file may say anything: the sum wraps instead of overflowing. */
	int64_t real_ns = (int64_t)(record->start_ns + (uint64_t)printer->to_real_ns);
	int width;

	snprintf(comm, sizeof(comm), "%.*s", HAWSER_TRACE_COMM_BYTES - 1, record->comm);
	hawser_trace_destination_text(record, destination, sizeof(destination));
	print_header(printer, words_tame(destination));
	printf("%-12s %7u ", words_time(real_ns, when), record->tgid);
	cells_put(stdout, words_tame(comm), 15);
	printf(" %-7s %s%-13s%s %8s %8s %8s %3u ", hawser_trace_layer_name(record->layer),
	    printer_colour(printer, record), hawser_trace_cause_name(record->cause), printer_plain(printer),
	    words_duration(record->submit_to_syn_ns, submit),
	    words_duration(record->syn_to_answer_ns, network), words_duration(record->total_ns, total),
	    record->syn_retransmits + !!(record->flags & HAWSER_TRACE_SYN_SENT));
	width = cells_width(destination);
	if (followed || width > printer->destination_width)
		width = printer->destination_width;
	cells_put(stdout, destination, width);
}

static void print_record(struct printer *printer, const struct hawser_trace_record *record)
{
	char detail[160], target[HAWSER_TRACE_TARGET_BYTES + 1];
	bool tagged = record->flags & HAWSER_TRACE_HAS_TAG;
	const char *name;

	hawser_trace_detail_text(record, detail, sizeof(detail));
	print_columns(printer, record, record->error || detail[0] || tagged);
	if (record->error) {
		name = strerrorname_np(record->error);
		printf(" %s", name ? name : "errno ?");
	}
	if (detail[0])
		printf(" %s", detail);
	if (tagged) {
		snprintf(target, sizeof(target), "%.*s", HAWSER_TRACE_TARGET_BYTES, record->target);
		printf(" [%s #%" PRIu64 " attempt %u]", words_tame(target), record->client, record->attempt);
	}
	putchar('\n');
}

static void print_line(
    struct printer *printer, const struct hawser_trace_record *record, const struct hawser_trace_story *story)
{
	bool names = printer->arguments->options.names;

	if (printer->arguments->json) {
		json_record(stdout, record, story, printer->to_real_ns);
		return;
	}
	if (names && printer->seen % HEADER_EVERY == 0)
		story_print_header();
	if (names)
		story_print(printer, record, story);
	else
		print_record(printer, record);
}

int printer_print_story(
    const struct hawser_trace_record *record, const struct hawser_trace_story *story, void *user)
{
	struct printer *printer = user;

	if (printer->filter && !matching_admits(printer->filter, record))
		return 0;
	if (record->cause < HAWSER_TRACE_CAUSES)
		printer->causes[record->cause]++;
	print_line(printer, record, story);
	printer->seen++;
	if (printer->arguments->count && printer->seen >= printer->arguments->count) {
		session_stop();
		return -ECANCELED;
	}
	return ferror(stdout) && output_flush() < 0 ? -ECANCELED : 0;
}

int printer_print(const struct hawser_trace_record *record, void *user)
{
	return printer_print_story(record, NULL, user);
}
