/* SPDX-License-Identifier: MIT
 *
 * The recorded bytes of tests/golden, read from the root of the tree. protoc.tsv: what protoc encodes;
 * traced.tsv: what a real host was sent, and what it answered.
 */
#ifndef TESTS_SUPPORT_GOLDEN_H
#define TESTS_SUPPORT_GOLDEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GOLDEN_ROWS_MAX = 64, GOLDEN_BYTES_MAX = 1024, GOLDEN_PROTOC_ROWS = 14, GOLDEN_TRACED_ROWS = 38 };

struct golden_bytes {
	uint8_t data[GOLDEN_BYTES_MAX];
	size_t size; /* 0: nothing was recorded, or not bytes ("EOF") */
};

/* A row of protoc.tsv has `received` alone. */
struct golden_row {
	char name[80];
	struct golden_bytes sent;
	struct golden_bytes received;
};

/* Those of protoc.tsv, then those of traced.tsv. */
extern struct golden_row golden_rows[GOLDEN_ROWS_MAX];
extern size_t golden_rows_count;

/* A file that cannot be read, or that has another number of rows, aborts. */
void golden_read(void);
const struct golden_row *golden_find(const char *name);

#endif
