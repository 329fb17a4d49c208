/* SPDX-License-Identifier: MIT
 *
 * What went wrong, in a sentence. libbpf speaks to the log of its process; its last complaint is kept here
 * instead, by thread, and quoted where nothing better is known.
 */
#include "trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static __thread char heard[160];
static __thread libbpf_print_fn_t before;
static __thread unsigned listeners; /* one may begin inside another */

static int listen_to(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char line[sizeof(heard)];

	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(line, sizeof(line), format, arguments);
	line[strcspn(line, "\n")] = '\0';
	/* The first complaint is the cause, the others what follows from it; the verifier's log is no
	 * sentence. */
	if (!heard[0] && !strstr(line, "BEGIN PROG LOAD LOG"))
		memcpy(heard, line, sizeof(heard));
	return 0;
}

void trace_listen(void)
{
	heard[0] = '\0';
	if (listeners++ == 0)
		before = libbpf_set_print(listen_to);
}

void trace_unlisten(void)
{
	if (--listeners == 0)
		libbpf_set_print(before);
}

const char *trace_heard(void)
{
	return heard[0] ? heard : "libbpf said nothing";
}

void trace_say(struct hawser_trace_sentence *why, const char *format, ...)
{
	va_list arguments;

	if (!why)
		return;
	va_start(arguments, format);
	vsnprintf(why->text, sizeof(why->text), format, arguments);
	va_end(arguments);
}
