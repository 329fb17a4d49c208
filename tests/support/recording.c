/* SPDX-License-Identifier: MIT
 *
 * Rows of tab-separated recordings, for tests that look at every column. It knows nothing of frames.
 *
 * Happy path: recording_open(), recording_row_read() until false, fclose().
 * Failures: a missing file is NULL with errno; digits that are not hexadecimal count as 0 and then fail the
 * test that compares.
 */
#include "recording.h"

#include <stdlib.h>
#include <string.h>

FILE *recording_open(const char *name)
{
	const char *root = getenv("HAWSER_SOURCE_DIR");
	char path[RECORDING_LINE_BYTES_MAX];
	snprintf(path, sizeof(path), "%s/tests/golden/%s", root != NULL ? root : ".", name);
	return fopen(path, "re");
}

bool recording_row_read(FILE *file, struct recording_row *ret_row)
{
	do {
		if (fgets(ret_row->line, sizeof(ret_row->line), file) == NULL)
			return false;
	} while (ret_row->line[0] == '#');
	ret_row->line[strcspn(ret_row->line, "\n")] = '\0';
	char *rest = ret_row->line;
	for (size_t i = 0; i < RECORDING_COLUMNS; i++) {
		char *column = rest != NULL ? strsep(&rest, "\t") : NULL;
		ret_row->columns[i] = column != NULL ? column : "";
	}
	return true;
}

size_t hex_decode(const char *hex, uint8_t *ret_bytes)
{
	size_t length = strlen(hex) / 2;
	for (size_t i = 0; i < length; i++) {
		char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
		ret_bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return length;
}

void hex_encode(const uint8_t *bytes, size_t length, char *ret_hex)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < length; i++) {
		ret_hex[2 * i] = digits[bytes[i] >> 4];
		ret_hex[2 * i + 1] = digits[bytes[i] & 0xf];
	}
	ret_hex[2 * length] = '\0';
}
