/* SPDX-License-Identifier: MIT
 *
 * The recorded exchanges of tests/golden, read from the root of the tree, and hexadecimal text. protoc.tsv:
 * what protoc encodes; traced.tsv: what a real host was sent, and what it answered.
 */
#ifndef TESTS_SUPPORT_GOLDEN_H
#define TESTS_SUPPORT_GOLDEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	GOLDEN_LINE_MAX = 4096,
	GOLDEN_COLUMNS = 4,
	GOLDEN_BYTES_MAX = 1024,
	GOLDEN_PROTOC_ROWS = 14,
	GOLDEN_TRACED_ROWS = 38,
	GOLDEN_ROWS = GOLDEN_PROTOC_ROWS + GOLDEN_TRACED_ROWS
};

struct golden_bytes {
	uint8_t data[GOLDEN_BYTES_MAX];
	size_t size; /* 0: nothing was recorded, or not bytes ("EOF") */
};

/* A row as it was recorded: name, sent, received, note; and the middle two as bytes. Those of protoc.tsv have
 * words where the sent bytes would be. */
struct golden_row {
	char line[GOLDEN_LINE_MAX];
	const char *columns[GOLDEN_COLUMNS]; /* missing ones are empty */
	const char *name;                    /* the first of them */
	struct golden_bytes sent;
	struct golden_bytes received;
};

/* Those of protoc.tsv, then those of traced.tsv. */
extern struct golden_row golden_rows[GOLDEN_ROWS];

/* A file that cannot be read, or that has another number of rows, aborts. */
void golden_read(void);
const struct golden_row *golden_find(const char *name);

/* Bytes of the digits, or -1 when it is no hexadecimal text or has more than bytes_max. */
int hex_decode(const char *hex, uint8_t *ret_bytes, size_t bytes_max);
/* ret_hex has room for two digits a byte and the end. */
void hex_encode(const uint8_t *bytes, size_t length, char *ret_hex);

#endif
