/* SPDX-License-Identifier: MIT
 *
 * Reads tests/golden: lines of columns between tabs, some of them bytes as hexadecimal text. It knows nothing
 * of frames. What is not as expected ends the test program: a test that reads nothing would pass.
 */
#include "golden.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char digits[] = "0123456789abcdef";

struct golden_row golden_rows[GOLDEN_ROWS];

static void give_up(const char *what, const char *where)
{
	fprintf(stderr, "golden: %s: %s\n", where, what);
	abort();
}

static int digit(char character)
{
	const char *found = character ? strchr(digits, character) : NULL;

	return found ? (int)(found - digits) : -1;
}

int hex_decode(const char *hex, uint8_t *ret_bytes, size_t bytes_max)
{
	size_t size = strlen(hex) / 2;

	if (strlen(hex) % 2 || size > bytes_max)
		return -1;
	for (size_t i = 0; i < size; i++) {
		int high = digit(hex[2 * i]);
		int low = digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return -1;
		ret_bytes[i] = (uint8_t)(high * 16 + low);
	}
	return (int)size;
}

void hex_encode(const uint8_t *bytes, size_t length, char *ret_hex)
{
	for (size_t i = 0; i < length; i++) {
		ret_hex[2 * i] = digits[bytes[i] >> 4];
		ret_hex[2 * i + 1] = digits[bytes[i] & 0xf];
	}
	ret_hex[2 * length] = '\0';
}

static void bytes_read(const char *text, struct golden_bytes *bytes)
{
	int size = hex_decode(text, bytes->data, sizeof(bytes->data));

	if (size < 0 && strspn(text, digits) == strlen(text))
		give_up("too many bytes, or half a one", text);
	bytes->size = size < 0 ? 0 : (size_t)size;
}

/* The line is in the row already. */
static void row_read(struct golden_row *row)
{
	char *rest = row->line;

	rest[strcspn(rest, "\n")] = '\0';
	for (size_t i = 0; i < GOLDEN_COLUMNS; i++) {
		const char *column = rest ? strsep(&rest, "\t") : NULL;

		row->columns[i] = column ? column : "";
	}
	row->name = row->columns[0];
	if (!row->columns[2][0])
		give_up("not as many columns as expected", row->name);
	bytes_read(row->columns[1], &row->sent);
	bytes_read(row->columns[2], &row->received);
}

static void file_read(const char *path, struct golden_row *rows, size_t rows_count)
{
	static struct golden_row row;
	FILE *file = fopen(path, "re");
	size_t count = 0;

	if (!file)
		give_up("cannot be read; run the tests from the root of the tree", path);
	while (fgets(row.line, sizeof(row.line), file)) {
		if (row.line[0] == '#')
			continue;
		if (count == rows_count)
			give_up("more rows than expected", path);
		memcpy(rows[count].line, row.line, sizeof(row.line));
		row_read(&rows[count++]);
	}
	fclose(file);
	if (count != rows_count)
		give_up("fewer rows than expected", path);
}

void golden_read(void)
{
	file_read("tests/golden/protoc.tsv", golden_rows, GOLDEN_PROTOC_ROWS);
	file_read("tests/golden/traced.tsv", golden_rows + GOLDEN_PROTOC_ROWS, GOLDEN_TRACED_ROWS);
}

const struct golden_row *golden_find(const char *name)
{
	for (size_t i = 0; i < GOLDEN_ROWS; i++) {
		if (!strcmp(golden_rows[i].name, name))
			return &golden_rows[i];
	}
	give_up("no such row", name);
	return NULL;
}
