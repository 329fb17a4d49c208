/* SPDX-License-Identifier: MIT
 *
 * Files of records, read: anybody may have written them. All sizes are checked against what this program
 * would have written before a record is touched, and no record is taken at its word for where a text ends.
 */
#include "file.h"

#include "show.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

void file_header_fill(struct file_header *ret_header)
{
	struct file_header header = {.byte_order = FILE_BYTE_ORDER,
	    .version = FILE_VERSION,
	    .header_size = sizeof(header),
	    .record_size = sizeof(struct hawser_trace_record),
	    .end_size = sizeof(struct file_end),
	    .start_ns = words_now_ns(),
	    .to_real_ns = words_to_real_ns()};
	struct utsname names;

	memcpy(header.magic, FILE_MAGIC, sizeof(header.magic));
	if (uname(&names) == 0)
		snprintf(header.kernel, sizeof(header.kernel), "%.*s", FILE_KERNEL_BYTES - 1, names.release);
	*ret_header = header;
}

static bool __attribute__((format(printf, 2, 3))) refuse(const char *path, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "hawser-trace: %s ", path);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return false;
}

static bool check_header(const char *path, const struct file_header *header, size_t length)
{
	size_t known = length < sizeof(header->magic) ? length : sizeof(header->magic);

	if (length == 0)
		return refuse(path, "is empty");
	if (memcmp(header->magic, FILE_MAGIC, known) != 0)
		return refuse(path, "was not written by hawser-trace record");
	if (length < sizeof(*header))
		return refuse(path, "is cut: it ends within its header");
	if (header->byte_order == __builtin_bswap32(FILE_BYTE_ORDER))
		return refuse(path, "was written on a machine of the other byte order");
	if (header->byte_order != FILE_BYTE_ORDER || header->version == 0)
		return refuse(path, "is damaged: its header makes no sense");
	if (header->version > FILE_VERSION)
		return refuse(path,
		    "was written by a newer hawser-trace (version %u of the file; this one reads up to %u)",
		    header->version, FILE_VERSION);
	if (header->header_size != sizeof(*header) ||
	    header->record_size != sizeof(struct hawser_trace_record) ||
	    header->end_size != sizeof(struct file_end))
		return refuse(path, "is damaged: the sizes in its header are not those of its version");
	return true;
}

/* The records lie between the header and the end: nothing else may. Without an end, those that are whole are
 * worth reading. */
static bool check_end(const char *path, struct file *file, uint64_t size)
{
	const struct file_end *end = &file->end;
	uint64_t room = size - sizeof(struct file_header);
	uint64_t count = room / sizeof(struct hawser_trace_record);

	if (room < sizeof(*end) || memcmp(end->magic, FILE_END_MAGIC, sizeof(end->magic)) != 0) {
		refuse(path,
		    "is cut: it has no end (whoever wrote it was killed, or the disk was full), but room for "
		    "%" PRIu64 " records; how many are missing is not known",
		    count);
		file->left = count;
		file->cut = true;
		file->end = (struct file_end){0};
		return true;
	}
	room -= sizeof(*end);
	count = room / sizeof(struct hawser_trace_record);
	if (room % sizeof(struct hawser_trace_record) || end->count != count)
		return refuse(path,
		    "is damaged: it ends as if it had %" PRIu64 " records, but has room for %" PRIu64,
		    end->count, count);
	file->left = count;
	return true;
}

static bool check(const char *path, struct file *file)
{
	struct stat status;
	ssize_t length;
	int fd = fileno(file->stream);

	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		return refuse(path, "is not a regular file");
	length = pread(fd, &file->header, sizeof(file->header), 0);
	if (length < 0)
		return refuse(path, "cannot be read: %s", strerror(errno));
	if (!check_header(path, &file->header, (size_t)length))
		return false;
	file->header.kernel[FILE_KERNEL_BYTES - 1] = '\0';
	if ((uint64_t)status.st_size >= sizeof(file->header) + sizeof(file->end) &&
	    pread(fd, &file->end, sizeof(file->end), status.st_size - (off_t)sizeof(file->end)) !=
		(ssize_t)sizeof(file->end))
		return refuse(path, "cannot be read: %s", strerror(errno));
	if (!check_end(path, file, (uint64_t)status.st_size))
		return false;
	if (fseeko(file->stream, (off_t)sizeof(file->header), SEEK_SET) < 0)
		return refuse(path, "cannot be read: %s", strerror(errno));
	return true;
}

bool file_open(const char *path, struct file *ret_file)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not make it wait */
	struct file file = {.stream = fd < 0 ? NULL : fdopen(fd, "r")};

	if (!file.stream) {
		refuse(path, "cannot be opened: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	if (!check(path, &file)) {
		fclose(file.stream);
		return false;
	}
	*ret_file = file;
	return true;
}

/* No connect began at the boot: so a file system fills what it did not get to write. Nor is the time of one
 * the mark of an end, after which there is nothing. */
static bool is_none(const struct hawser_trace_record *record)
{
	return record->start_ns == 0 || memcmp(record, FILE_END_MAGIC, sizeof(FILE_END_MAGIC) - 1) == 0;
}

int file_read(struct file *file, const char *path, struct hawser_trace_record *ret_record)
{
	struct hawser_trace_record record;

	if (!file->left)
		return 0;
	if (fread(&record, sizeof(record), 1, file->stream) != 1) {
		refuse(path, "was cut while it was read");
		return -EIO;
	}
	if (file->cut && is_none(&record)) {
		file->left = 0;
		return 0;
	}
	record.comm[sizeof(record.comm) - 1] = '\0';
	record.target[sizeof(record.target) - 1] = '\0';
	record.path[sizeof(record.path) - 1] = '\0';
	record.reserved = 0;
	file->left--;
	*ret_record = record;
	return 1;
}

void file_close(struct file *file)
{
	fclose(file->stream);
}
