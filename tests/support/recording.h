/* SPDX-License-Identifier: MIT
 *
 * Recordings under tests/golden/ as text, row by row, and hexadecimal text.
 */
#ifndef HAWSER_TESTS_RECORDING_H
#define HAWSER_TESTS_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { RECORDING_COLUMNS = 4, RECORDING_LINE_BYTES_MAX = 4096 };

struct recording_row {
	char line[RECORDING_LINE_BYTES_MAX];
	const char *columns[RECORDING_COLUMNS]; /* missing ones are empty */
};

/* Opens tests/golden/NAME below HAWSER_SOURCE_DIR, or below the working directory. NULL: errno says why. */
FILE *recording_open(const char *name);

/* The next row that is not a comment; false at the end. */
bool recording_row_read(FILE *file, struct recording_row *ret_row);

/* Returns the number of bytes; ret_bytes has room for half the digits. */
size_t hex_decode(const char *hex, uint8_t *ret_bytes);

/* ret_hex has room for two digits a byte and the end. */
void hex_encode(const uint8_t *bytes, size_t length, char *ret_hex);

#endif
