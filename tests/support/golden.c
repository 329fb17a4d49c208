/* SPDX-License-Identifier: MIT
 *
 * Reads tests/golden: lines of fields between tabs, bytes as hex. What is not as expected ends the test
 * program: a test that reads nothing would pass.
 */
#include "golden.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE = 4096 };

struct golden_row golden_rows[GOLDEN_ROWS_MAX];
size_t golden_rows_count;

static void give_up(const char *what, const char *where)
{
	fprintf(stderr, "golden: %s: %s\n", where, what);
	abort();
}

static int digit(char character)
{
	const char *digits = "0123456789abcdef";
	const char *found = character ? strchr(digits, character) : NULL;

	return found ? (int)(found - digits) : -1;
}

static void bytes_read(const char *text, struct golden_bytes *bytes)
{
	size_t size = strlen(text) / 2;

	bytes->size = 0;
	if (strlen(text) % 2)
		return;
	if (size > GOLDEN_BYTES_MAX)
		give_up("too many bytes", text);
	for (size_t i = 0; i < size; i++) {
		int high = digit(text[2 * i]);
		int low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return;
		bytes->data[i] = (uint8_t)(high * 16 + low);
	}
	bytes->size = size;
}

/* Fields: name, sent, received; protoc.tsv has words where the sent bytes would be. */
static void row_read(char *line)
{
	struct golden_row *row = &golden_rows[golden_rows_count];
	char *rest = line;
	const char *name = strsep(&rest, "\t\n");
	const char *sent = strsep(&rest, "\t\n");
	const char *received = strsep(&rest, "\t\n");

	if (*name == '#')
		return;
	if (!received || golden_rows_count == GOLDEN_ROWS_MAX)
		give_up("not as many fields or rows as expected", name);
	snprintf(row->name, sizeof(row->name), "%s", name);
	bytes_read(sent, &row->sent);
	bytes_read(received, &row->received);
	golden_rows_count++;
}

static void file_read(const char *path, size_t rows_count)
{
	FILE *file = fopen(path, "r");
	char line[LINE_SIZE];
	size_t before = golden_rows_count;

	if (!file)
		give_up("cannot be read; run the tests from the root of the tree", path);
	while (fgets(line, sizeof(line), file))
		row_read(line);
	fclose(file);
	if (golden_rows_count - before != rows_count)
		give_up("another number of rows than expected", path);
}

void golden_read(void)
{
	golden_rows_count = 0;
	file_read("tests/golden/protoc.tsv", GOLDEN_PROTOC_ROWS);
	file_read("tests/golden/traced.tsv", GOLDEN_TRACED_ROWS);
}

const struct golden_row *golden_find(const char *name)
{
	for (size_t i = 0; i < golden_rows_count; i++) {
		if (!strcmp(golden_rows[i].name, name))
			return &golden_rows[i];
	}
	give_up("no such row", name);
	return NULL;
}
