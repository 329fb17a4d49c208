/* SPDX-License-Identifier: MIT
 *
 * Generator, agenda, trace and buffers of the simulator. No part of it knows what is simulated.
 */
#include "world.h"

#include <hawser/binding.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint64_t draw(struct world *world)
{
	uint64_t mixed;

	world->generator += 0x9e3779b97f4a7c15ULL;
	mixed = world->generator;
	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
	return mixed ^ (mixed >> 31);
}

uint64_t draw_below(struct world *world, uint64_t limit)
{
	return draw(world) % limit;
}

uint64_t draw_between(struct world *world, uint64_t low, uint64_t high)
{
	return low + draw(world) % (high - low + 1);
}

bool chance(struct world *world, unsigned percent)
{
	if (percent == 0)
		return false;
	return draw(world) % 100 < percent;
}

static double elapsed_ms(const struct world *world)
{
	return (double)(world->now - WORLD_BEGINS) / 1e6;
}

void violated(const struct world *world, const char *format, ...)
{
	va_list arguments;

	fflush(stdout);
	fprintf(
	    stderr, "seed %llu, at %.3f ms: violated: ", (unsigned long long)world->seed, elapsed_ms(world));
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "\nreplay: make sim SEED=%llu\n", (unsigned long long)world->seed);
	fflush(stderr);
	_exit(1);
}

/* ---- the trace ---- */

enum { TRACE_VALUES = 3 };

static const char *const formats[TRACE_KINDS] = {
#define TRACE(name, format) format,
#include "trace.def"
#undef TRACE
};

static void print_value(char letter, uint64_t value)
{
	switch (letter) {
	case 'E':
		printf("%s", value ? hawser_errno_name((int)value) : "ok");
		break;
	case 'S':
		printf("%s", hawser_state_name((enum hawser_state)value));
		break;
	case 'B':
		printf("%s", hawser_binding_event_name((enum hawser_binding_event)value));
		break;
	case 'F':
		printf("%s", hawser_fate_name((enum hawser_fate)value));
		break;
	case 'C':
		printf("%s", api_name((enum api_call)value));
		break;
	default:
		printf("%lld", (long long)value);
	}
}

static void print_line(const struct world *world, enum trace_kind kind, const uint64_t *values)
{
	int used = 0;

	printf("%12.3f ms  ", elapsed_ms(world));
	for (const char *at = formats[kind]; *at; at++)
		if (*at == '%' && used < TRACE_VALUES)
			print_value(*++at, values[used++]);
		else
			putchar(*at);
	putchar('\n');
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash ^= value + 0x9e3779b97f4a7c15ULL;
	hash *= 0xff51afd7ed558ccdULL;
	return hash ^ (hash >> 32);
}

void trace(struct world *world, enum trace_kind kind, uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t values[TRACE_VALUES] = {a, b, c};

	world->events++;
	world->hash = mix(world->hash, world->now);
	world->hash = mix(world->hash, (uint64_t)kind);
	for (int i = 0; i < TRACE_VALUES; i++)
		world->hash = mix(world->hash, values[i]);
	if (world->readable)
		print_line(world, kind, values);
}

void trace_log(const struct world *world, int level, const char *line)
{
	printf("%12.3f ms  log %d: %s\n", elapsed_ms(world), level, line);
}

/* ---- the agenda: a binary heap ---- */

static bool is_before(const struct event *a, const struct event *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->sequence < b->sequence;
}

void agenda_add(
    struct world *world, uint64_t delay_ns, event_function happen, uint64_t subject, uint64_t detail)
{
	struct agenda *agenda = &world->agenda;
	struct event event = {world->now + delay_ns, agenda->sequence++, happen, subject, detail};
	size_t at = agenda->count++;

	if (agenda->count > agenda->room) {
		agenda->room = agenda->room ? agenda->room * 2 : 256;
		agenda->heap = realloc(agenda->heap, agenda->room * sizeof(*agenda->heap));
		if (!agenda->heap)
			violated(world, "the simulator has no memory");
	}
	while (at > 0 && is_before(&event, &agenda->heap[(at - 1) / 2])) {
		agenda->heap[at] = agenda->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	agenda->heap[at] = event;
}

const struct event *agenda_first(const struct world *world)
{
	return world->agenda.count ? &world->agenda.heap[0] : NULL;
}

void agenda_happen(struct world *world)
{
	struct agenda *agenda = &world->agenda;
	struct event first = agenda->heap[0];
	struct event last = agenda->heap[--agenda->count];
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= agenda->count)
			break;
		if (child + 1 < agenda->count && is_before(&agenda->heap[child + 1], &agenda->heap[child]))
			child++;
		if (!is_before(&agenda->heap[child], &last))
			break;
		agenda->heap[at] = agenda->heap[child];
		at = child;
	}
	agenda->heap[at] = last;
	first.happen(world, first.subject, first.detail);
}

/* ---- buffers ---- */

uint8_t *buffer_grow(struct buffer *buffer, size_t size)
{
	uint8_t *place;

	if (buffer->begin == buffer->end) {
		buffer->begin = 0;
		buffer->end = 0;
	}
	if (buffer->end + size > buffer->room) {
		buffer->room = (buffer->end + size) * 2 + 256;
		buffer->data = realloc(buffer->data, buffer->room);
		if (!buffer->data)
			abort();
	}
	place = buffer->data + buffer->end;
	buffer->end += size;
	return place;
}

void buffer_append(struct buffer *buffer, const void *data, size_t size)
{
	uint8_t *place = buffer_grow(buffer, size);

	if (size)
		memcpy(place, data, size);
}

void buffer_consume(struct buffer *buffer, size_t size)
{
	buffer->begin += size;
}

void buffer_clear(struct buffer *buffer)
{
	buffer->begin = 0;
	buffer->end = 0;
}

uint64_t digest_bytes(uint64_t digest, const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint64_t word;

	for (; size >= sizeof(word); size -= sizeof(word), bytes += sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		digest = mix(digest, word);
	}
	for (; size; size--, bytes++)
		digest = mix(digest, *bytes);
	return digest;
}
