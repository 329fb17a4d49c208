/* SPDX-License-Identifier: MIT
 *
 * JSON lines on standard output. Whether a comma is needed is the only state there is: it is, unless an
 * object or an array has just begun.
 */
#include "text.h"

#include <string.h>

static bool fresh; /* nothing is in the innermost object or array yet */

static void put_string(const void *data, size_t size)
{
	const unsigned char *at = data;
	const unsigned char *end = at + size;

	putchar('"');
	while (at < end) {
		size_t count = text_utf8(at, (size_t)(end - at));

		if (count == 0)
			fputs("\\ufffd", stdout);
		else if (*at == '"' || *at == '\\')
			printf("\\%c", *at);
		else if (*at < 0x20 || *at == 0x7f)
			printf("\\u%04x", *at);
		else
			fwrite(at, 1, count, stdout);
		at += count ? count : 1;
	}
	putchar('"');
}

static void put_name(const char *name)
{
	if (!fresh)
		putchar(',');
	fresh = false;
	if (!name)
		return;
	put_string(name, strlen(name));
	putchar(':');
}

void json_begin(const char *event)
{
	putchar('{');
	fresh = true;
	json_text("event", event);
}

void json_end(void)
{
	fputs("}\n", stdout);
	fflush(stdout);
}

void json_text(const char *name, const char *text)
{
	json_bytes(name, text, strlen(text));
}

void json_bytes(const char *name, const void *data, size_t size)
{
	put_name(name);
	put_string(data, size);
}

void json_hex(const char *name, const void *data, size_t size)
{
	put_name(name);
	putchar('"');
	text_hex(stdout, data, size);
	putchar('"');
}

void json_number(const char *name, uint64_t number)
{
	put_name(name);
	printf("%llu", (unsigned long long)number);
}

void json_word(const char *name, const char *word)
{
	put_name(name);
	fputs(word, stdout);
}

void json_open(const char *name, char bracket)
{
	put_name(name);
	putchar(bracket);
	fresh = true;
}

void json_close(char bracket)
{
	putchar(bracket);
	fresh = false;
}

void json_error(const struct hawser_error *error)
{
	json_text("text", error->text);
	json_text("stage", hawser_stage_name(error->stage));
	json_text("errno", hawser_errno_name(error->code));
	json_text("cause", hawser_cause_name(error->cause));
	json_text("address", error->address);
	json_number("round", error->round);
	json_number("attempt", error->attempt);
	if (error->fate != HAWSER_FATE_NONE)
		json_text("fate", hawser_fate_name(error->fate));
	else
		json_word("fate", "null");
}
