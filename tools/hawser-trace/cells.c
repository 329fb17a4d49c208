/* SPDX-License-Identifier: MIT
 *
 * Columns of tables. A character is what UTF-8 says it is, one column wide.
 */
#include "show.h"

#include <string.h>

#define MIDDLE "..."

static bool begins_character(char byte)
{
	return ((unsigned char)byte & 0xc0) != 0x80;
}

/* Where so many characters end. */
static const char *skip(const char *text, int characters)
{
	while (*text && characters > 0) {
		do
			text++;
		while (*text && !begins_character(*text));
		characters--;
	}
	return text;
}

int cells_width(const char *text)
{
	int width = 0;

	for (; *text; text = skip(text, 1))
		width++;
	return width;
}

void cells_put(FILE *file, const char *text, int width)
{
	int length = cells_width(text), beside = width - (int)strlen(MIDDLE);

	if (length <= width)
		fprintf(file, "%s%*s", text, width - length, "");
	else
		fprintf(file, "%.*s" MIDDLE "%s", (int)(skip(text, beside - beside / 2) - text), text,
		    skip(text, length - beside / 2));
}

/* Colours are the only sequences that tables have; they end with an m. */
static const char *put_colour(FILE *file, const char *text)
{
	size_t length = strcspn(text, "m\n");

	length += text[length] == 'm';
	fwrite(text, 1, length, file);
	return text + length;
}

void cells_put_lines(FILE *file, const char *lines, unsigned columns_max)
{
	unsigned column = 0;

	while (*lines) {
		const char *end = skip(lines, 1);

		if (*lines == '\033') {
			lines = put_colour(file, lines);
			continue;
		}
		if (*lines == '\n')
			column = 0;
		if (*lines == '\n' || column++ < columns_max)
			fwrite(lines, 1, (size_t)(end - lines), file);
		lines = end;
	}
}
