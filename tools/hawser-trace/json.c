/* SPDX-License-Identifier: MIT
 *
 * Records as JSON, one object a line. Numbers that do not fit into a double are strings.
 */
#include "show.h"
#include "utf8.h"

#include <inttypes.h>
#include <string.h>

/* What processes write need not be UTF-8: a byte that is no part of a character becomes U+FFFD. Controls are
 * escaped, for what reads it may be a terminal. */
void json_string(FILE *file, const char *text)
{
	int size;

	fputc('"', file);
	for (const char *c = text; *c; c += size) {
		bool ascii = (unsigned char)*c < 0x80;

		size = ascii ? 1 : utf8_size(c);
		if (size == 0) {
			fputs("\\ufffd", file);
			size = 1;
		} else if (*c == '"' || *c == '\\') {
			fprintf(file, "\\%c", *c);
		} else if (utf8_is_control(utf8_code_point(c, size))) {
			fprintf(file, "\\u%04x", utf8_code_point(c, size));
		} else {
			fwrite(c, 1, (size_t)size, file);
		}
	}
	fputc('"', file);
}

static void member(FILE *file, const char *name, const char *text)
{
	if (!text[0])
		return;
	fprintf(file, ",\"%s\":", name);
	json_string(file, text);
}

static void duration(FILE *file, const char *name, uint64_t ns)
{
	if (ns)
		fprintf(file, ",\"%s\":%" PRIu64, name, ns);
}

static void flags(FILE *file, uint32_t flags)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} names[] = {{HAWSER_TRACE_RESET, "reset"}, {HAWSER_TRACE_FIREWALL, "local_firewall"},
	    {HAWSER_TRACE_POLLED, "polled"}, {HAWSER_TRACE_WORKER, "worker"}, {HAWSER_TRACE_SQPOLL, "sqpoll"},
	    {HAWSER_TRACE_OVERFLOWED, "overflowed"}, {HAWSER_TRACE_SYN_SENT, "syn_sent"},
	    {HAWSER_TRACE_ANSWERED, "answered"}};
	const char *separator = "";

	fputs(",\"flags\":[", file);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!(flags & names[i].flag))
			continue;
		fprintf(file, "%s\"%s\"", separator, names[i].name);
		separator = ",";
	}
	fputc(']', file);
}

/* What is not known is left out; 0 is a time, too. */
static void story_members(FILE *file, const struct hawser_trace_story *story)
{
	fputs(",\"story\":{\"name\":", file);
	json_string(file, story->name);
	fprintf(file,
	    ",\"client\":%" PRIu64 ",\"attempt\":%u,\"round\":%u,\"begin_ns\":%" PRIu64
	    ",\"begin_to_submit_ns\":%" PRIu64,
	    story->client, story->attempt, story->round, story->begin_ns, story->begin_to_submit_ns);
	if (story->flags & HAWSER_TRACE_STORY_WAITED)
		fprintf(file, ",\"backoff_ns\":%" PRIu64, story->backoff_ns);
	if (story->flags & HAWSER_TRACE_STORY_ENDED)
		fprintf(file, ",\"result\":%d,\"completion_to_end_ns\":%" PRIu64,
		    story->result < 0 ? story->result : 0, story->completion_to_end_ns);
	if (story->flags & HAWSER_TRACE_STORY_TOLD)
		fprintf(file, ",\"end_to_told_ns\":%" PRIu64, story->end_to_told_ns);
	fputc('}', file);
}

void json_record(FILE *file, const struct hawser_trace_record *record, const struct hawser_trace_story *story,
    int64_t to_real_ns)
{
	/* A file may say anything: the sum wraps instead of overflowing. */
	int64_t real_ns = (int64_t)(record->start_ns + (uint64_t)to_real_ns);
	char text[256], when[WORDS_DATE_BYTES];

	fprintf(file,
	    "{\"time\":\"%s\",\"start_ns\":%" PRIu64 ",\"total_ns\":%" PRIu64
	    ",\"layer\":\"%s\",\"cause\":\"%s\",\"errno\":%d",
	    words_date(real_ns, when), record->start_ns, record->total_ns,
	    hawser_trace_layer_name(record->layer), hawser_trace_cause_name(record->cause), record->error);
	fprintf(file, ",\"pid\":%u,\"tid\":%u,\"uid\":%u,\"netns\":%u,\"cgroup\":%" PRIu64, record->tgid,
	    record->pid, record->uid, record->netns, record->cgroup);
	member(file, "comm", record->comm);
	member(file, "source", hawser_trace_source_text(record, text, sizeof(text)));
	member(file, "destination", hawser_trace_destination_text(record, text, sizeof(text)));
	fprintf(file, ",\"family\":%u,\"syn_retransmits\":%u", record->family, record->syn_retransmits);
	duration(file, "submit_to_syn_ns", record->submit_to_syn_ns);
	duration(file, "syn_to_answer_ns", record->syn_to_answer_ns);
	duration(file, "answer_to_completion_ns", record->answer_to_completion_ns);
	duration(file, "deadline_ns", record->deadline_ns);
	member(file, "detail", hawser_trace_detail_text(record, text, sizeof(text)));
	fprintf(
	    file, ",\"cookie\":%" PRIu64 ",\"user_data\":\"%" PRIu64 "\"", record->cookie, record->user_data);
	if (record->flags & HAWSER_TRACE_HAS_TAG) {
		fprintf(file, ",\"client\":%" PRIu64 ",\"attempt\":%u", record->client, record->attempt);
		member(file, "target", record->target);
	}
	flags(file, record->flags);
	if (story)
		story_members(file, story);
	fputs("}\n", file);
}
