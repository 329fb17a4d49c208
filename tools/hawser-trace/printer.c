/* SPDX-License-Identifier: MIT
 *
 * A record as a line, for people or as JSON, the same whether it comes from the kernel or from a file.
 */
#include "show.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { HEADER_EVERY = 40 };

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

static void print_header(void)
{
	printf("%-12s %7s %-15s %-7s %-13s %8s %8s %8s %3s %-28s %s\n", "TIME", "PID", "COMM", "LAYER",
	    "CAUSE", "SUBMIT", "NETWORK", "TOTAL", "SYN", "DESTINATION", "DETAIL");
}

static void print_columns(const struct printer *printer, const struct hawser_trace_record *record)
{
	char when[WORDS_TIME_BYTES], submit[WORDS_DURATION_BYTES], network[WORDS_DURATION_BYTES],
	    total[WORDS_DURATION_BYTES], destination[160], comm[32];
	/* A file may say anything: the sum wraps instead of overflowing. */
	int64_t real_ns = (int64_t)(record->start_ns + (uint64_t)printer->to_real_ns);

	snprintf(comm, sizeof(comm), "%.*s", HAWSER_TRACE_COMM_BYTES - 1, record->comm);
	hawser_trace_destination_text(record, destination, sizeof(destination));
	printf("%-12s %7u %-15s %-7s %s%-13s%s %8s %8s %8s %3u %-28s ", words_time(real_ns, when),
	    record->tgid, words_tame(comm), hawser_trace_layer_name(record->layer),
	    printer_colour(printer, record), hawser_trace_cause_name(record->cause), printer_plain(printer),
	    words_duration(record->submit_to_syn_ns, submit),
	    words_duration(record->syn_to_answer_ns, network), words_duration(record->total_ns, total),
	    record->syn_retransmits + !!(record->flags & HAWSER_TRACE_SYN_SENT), words_tame(destination));
}

static void print_record(const struct printer *printer, const struct hawser_trace_record *record)
{
	char detail[160], target[HAWSER_TRACE_TARGET_BYTES + 1];
	const char *name;

	print_columns(printer, record);
	if (record->error) {
		name = strerrorname_np(record->error);
		printf("%s ", name ? name : "errno ?");
	}
	fputs(hawser_trace_detail_text(record, detail, sizeof(detail)), stdout);
	if (record->flags & HAWSER_TRACE_HAS_TAG) {
		snprintf(target, sizeof(target), "%.*s", HAWSER_TRACE_TARGET_BYTES, record->target);
		printf(" [%s #%" PRIu64 " attempt %u]", words_tame(target), record->client, record->attempt);
	}
	putchar('\n');
}

static void print_line(const struct printer *printer, const struct hawser_trace_record *record,
    const struct hawser_trace_story *story)
{
	bool names = printer->arguments->options.names;

	if (printer->arguments->json) {
		json_record(stdout, record, story);
		return;
	}
	if (printer->seen % HEADER_EVERY == 0)
		names ? story_print_header() : print_header();
	if (names)
		story_print(printer, record, story);
	else
		print_record(printer, record);
}

int printer_print_story(
    const struct hawser_trace_record *record, const struct hawser_trace_story *story, void *user)
{
	struct printer *printer = user;

	if (record->cause < HAWSER_TRACE_CAUSES)
		printer->causes[record->cause]++;
	print_line(printer, record, story);
	printer->seen++;
	if (printer->arguments->count && printer->seen >= printer->arguments->count) {
		session_stop();
		return -ECANCELED;
	}
	return 0;
}

int printer_print(const struct hawser_trace_record *record, void *user)
{
	return printer_print_story(record, NULL, user);
}
