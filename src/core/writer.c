/* SPDX-License-Identifier: MIT
 *
 * Text in pieces: writer.h.
 */
#include "core/writer.h"

#include <stdarg.h>
#include <stdio.h>

void writer_put(struct writer *writer, const char *format, ...)
{
	size_t room = writer->length < writer->size ? writer->size - writer->length : 0;
	va_list arguments;
	int written;

	va_start(arguments, format);
	written = vsnprintf(room ? writer->text + writer->length : NULL, room, format, arguments);
	va_end(arguments);
	if (written > 0)
		writer->length += (size_t)written;
}
