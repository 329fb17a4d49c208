/* SPDX-License-Identifier: MIT
 *
 * A file of records: a header, records one after another, and an end that says how many there are, so that a
 * file that was cut is known without reading it. In the byte order of the machine that wrote it.
 */
#ifndef HAWSER_TRACE_FILE_H
#define HAWSER_TRACE_FILE_H

#include "hawser-trace.h"

#define FILE_MAGIC "hawser\n\t"
#define FILE_END_MAGIC "hawsend\n"

enum { FILE_VERSION = 1, FILE_BYTE_ORDER = 0x01020304, FILE_KERNEL_BYTES = 64 };

struct file_header {
	char magic[8];
	uint32_t byte_order;
	uint32_t version;
	uint32_t header_size;
	uint32_t record_size;
	uint32_t end_size;
	uint32_t reserved;
	uint64_t start_ns;  /* CLOCK_MONOTONIC, as the times of records */
	int64_t to_real_ns; /* added to them, it gives the time of day */
	char kernel[FILE_KERNEL_BYTES];
};

struct file_end {
	char magic[8];
	uint64_t count;
	struct hawser_trace_counters counters;
};

void file_header_fill(struct file_header *ret_header);

struct file {
	FILE *stream; /* at the first record */
	struct file_header header;
	struct file_end end;
	uint64_t left; /* records not read yet; of a file that is cut, at most */
	bool cut;      /* it has no end, and `end` is all zeros */
};
/* Opens and checks all but the records. On failure says on standard error what is wrong with the file; of one
 * that is cut, too. */
bool file_open(const char *path, struct file *ret_file);
/* Hands over the next record, made safe to print. 1: there was one; 0: there is none; -EIO, as above. */
int file_read(struct file *file, const char *path, struct hawser_trace_record *ret_record);
void file_close(struct file *file);

#endif
