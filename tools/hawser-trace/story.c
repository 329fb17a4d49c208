/* SPDX-License-Identifier: MIT
 *
 * An attempt as a line: what its client says beside what the kernel saw, in the order in which it happened.
 * Connects of others are lines of the same columns, of which some stay empty.
 */
#include "show.h"

#include <inttypes.h>
#include <string.h>

enum { CLIENT_WIDTH = 20 };

void story_print_header(void)
{
	printf("%-12s %7s %-*s %7s %5s %8s %8s %8s %8s %8s %8s %8s %-13s %-13s %s\n", "TIME", "PID",
	    CLIENT_WIDTH, "CLIENT", "ATTEMPT", "ROUND", "WAITED", "SUBMIT", "SYN", "ANSWER", "COMPLETE",
	    "VERIFY", "TELL", "OUTCOME", "ERRNO", "DESTINATION");
}

void story_explain(FILE *file)
{
	fputs(
	    "each line is an attempt: how long its round WAITED in backoff, then how long until the loop had "
	    "SUBMITted it,\n"
	    "the SYN was sent, the ANSWER came, the kernel had COMPLETEd it, hawser had VERIFYed it, and was "
	    "about to TELL\n"
	    "its owner; of connects that are not hawser's, (in parentheses), the kernel's part alone is "
	    "known\n",
	    file);
}

static void print_client(const struct hawser_trace_record *record, const struct hawser_trace_story *story)
{
	char name[HAWSER_TRACE_TARGET_BYTES + 24];

	if (story && story->name[0])
		snprintf(name, sizeof(name), "%s", story->name);
	else if (record->flags & HAWSER_TRACE_HAS_TAG)
		snprintf(name, sizeof(name), "%.*s", HAWSER_TRACE_TARGET_BYTES, record->target);
	else if (story)
		snprintf(name, sizeof(name), "#%" PRIu64, story->client);
	else
		snprintf(name, sizeof(name), "(%.*s)", HAWSER_TRACE_COMM_BYTES, record->comm);
	printf("%-*.*s ", CLIENT_WIDTH, CLIENT_WIDTH, words_tame(name));
	if (story)
		printf("%7u %5u ", story->attempt, story->round);
	else if (record->flags & HAWSER_TRACE_HAS_TAG)
		printf("%7u %5s ", record->attempt, "-");
	else
		printf("%7s %5s ", "-", "-");
}

static void print_duration(uint64_t ns)
{
	char text[WORDS_DURATION_BYTES];

	printf("%8s ", words_duration(ns, text));
}

static void print_times(const struct hawser_trace_record *record, const struct hawser_trace_story *story)
{
	uint64_t known_ns = record->submit_to_syn_ns + record->answer_to_completion_ns;
	uint64_t answer_ns = record->total_ns > known_ns ? record->total_ns - known_ns : 0;

	print_duration(story ? story->backoff_ns : 0);
	print_duration(story ? story->begin_to_submit_ns : 0);
	print_duration(record->submit_to_syn_ns);
	print_duration(answer_ns); /* or so long it was waited for; a unix socket has no other stage */
	print_duration(record->answer_to_completion_ns);
	print_duration(story ? story->completion_to_end_ns : 0);
	print_duration(story ? story->end_to_told_ns : 0);
}

static const char *errno_name(const struct hawser_trace_record *record)
{
	const char *name = strerrorname_np(record->error);

	return !record->error ? "-" : name ? name : "?";
}

static void print_detail(const struct hawser_trace_record *record)
{
	char detail[160];

	hawser_trace_detail_text(record, detail, sizeof(detail));
	if (record->syn_retransmits)
		printf(" (%u SYNs)", record->syn_retransmits + 1);
	if (detail[0])
		printf(" (%s)", detail);
}

void story_print(const struct printer *printer, const struct hawser_trace_record *record,
    const struct hawser_trace_story *story)
{
	char when[WORDS_TIME_BYTES], destination[160];
	uint64_t start_ns = story ? story->begin_ns : record->start_ns;

	printf("%-12s %7u ", words_time((int64_t)(start_ns + (uint64_t)printer->to_real_ns), when),
	    record->tgid);
	print_client(record, story);
	print_times(record, story);
	hawser_trace_destination_text(record, destination, sizeof(destination));
	printf("%s%-13s%s %-13s %s", printer_colour(printer, record), hawser_trace_cause_name(record->cause),
	    printer_plain(printer), errno_name(record), words_tame(destination));
	print_detail(record);
	putchar('\n');
}
