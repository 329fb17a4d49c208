/* SPDX-License-Identifier: MIT
 *
 * Text for people. It decides nothing about what is said, only how it looks.
 */
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MS 1000000ULL
#define SECOND 1000000000ULL

static bool colour_wanted(FILE *file)
{
	const char *forbidden = getenv("NO_COLOR");
	const char *terminal = getenv("TERM");

	if ((forbidden && *forbidden) || (terminal && strcmp(terminal, "dumb") == 0))
		return false;
	return isatty(fileno(file));
}

void text_coloured(FILE *file, enum colour colour, int width, const char *text)
{
	static const char *const codes[] = {
	    [COLOUR_GOOD] = "32", [COLOUR_BAD] = "31", [COLOUR_WAIT] = "33", [COLOUR_FAINT] = "2"};

	if (colour_wanted(file))
		fprintf(file, "\033[%sm%-*s\033[0m", codes[colour], width, text);
	else
		fprintf(file, "%-*s", width, text);
}

static bool continues(const unsigned char *data, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if ((data[i] & 0xc0) != 0x80)
			return false;
	return true;
}

size_t text_utf8(const unsigned char *data, size_t size)
{
	unsigned char first = size ? data[0] : 0xff;
	size_t count = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

	if (first > 0xf4 || count > size || !continues(data, count))
		return 0;
	/* Overlong forms, surrogates, and what lies above U+10FFFF. */
	if ((first == 0xe0 && data[1] < 0xa0) || (first == 0xed && data[1] > 0x9f) ||
	    (first == 0xf0 && data[1] < 0x90) || (first == 0xf4 && data[1] > 0x8f))
		return 0;
	return count;
}

/* Newlines, escape sequences, and the C1 controls that some terminals obey as well. */
static bool is_control(const unsigned char *data, size_t count)
{
	return count == 1 ? data[0] < 0x20 || data[0] == 0x7f : data[0] == 0xc2 && data[1] < 0xa0;
}

static void escape_byte(FILE *file, unsigned char byte)
{
	static const char named[] = "\n\r\t\\";
	const char *at = byte ? strchr(named, byte) : NULL;

	if (at)
		fprintf(file, "\\%c", "nrt\\"[at - named]);
	else
		fprintf(file, "\\x%02x", byte);
}

void text_escaped(FILE *file, const void *data, size_t size)
{
	const unsigned char *at = data;
	const unsigned char *end = at + size;

	while (at < end) {
		size_t count = text_utf8(at, (size_t)(end - at));

		if (count && *at != '\\' && !is_control(at, count)) {
			fwrite(at, 1, count, file);
			at += count;
			continue;
		}
		for (size_t i = 0; i < (count ? count : 1); i++)
			escape_byte(file, at[i]);
		at += count ? count : 1;
	}
}

void text_put(FILE *file, const char *text)
{
	text_escaped(file, text, strlen(text));
}

void text_hex(FILE *file, const void *data, size_t size)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		fprintf(file, "%02x", bytes[i]);
}

const char *text_duration(uint64_t ns, char text[DURATION_SIZE])
{
	if (ns < SECOND)
		snprintf(text, DURATION_SIZE, "%.*f ms", ns < 10 * MS, (double)ns / (double)MS);
	else
		snprintf(text, DURATION_SIZE, "%.1f s", (double)ns / (double)SECOND);
	return text;
}

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}
