/* SPDX-License-Identifier: MIT
 *
 * What went wrong, in a sentence. libbpf speaks to the log of its process; while a thread is listening, its
 * first complaint is kept here instead, and quoted where nothing better is known. Other threads' complaints
 * go where they went before.
 */
#include "trace.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static __thread char heard[160];
static __thread unsigned listens; /* of this thread; one may begin within another */

/* libbpf has one print function for the whole process. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned listeners;
static libbpf_print_fn_t _Atomic before;

static int listen_to(enum libbpf_print_level level, const char *format, va_list arguments)
{
	libbpf_print_fn_t other = before;
	char line[sizeof(heard)];

	if (listens == 0)
		return other ? other(level, format, arguments) : 0;
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
	if (listens++ > 0)
		return;
	pthread_mutex_lock(&mutex);
	if (listeners++ == 0)
		before = libbpf_set_print(listen_to);
	pthread_mutex_unlock(&mutex);
}

void trace_unlisten(void)
{
	libbpf_print_fn_t last;

	if (--listens > 0)
		return;
	pthread_mutex_lock(&mutex);
	if (--listeners == 0) {
		last = libbpf_set_print(before);
		if (last != listen_to) /* the program has set another meanwhile */
			libbpf_set_print(last);
	}
	pthread_mutex_unlock(&mutex);
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
