/* SPDX-License-Identifier: MIT
 *
 * What every part of the simulator stands on: the one generator, the agenda of future events, the trace, and
 * what is said when a promise was broken. A world is drawn from its seed alone: nothing here asks the machine
 * for anything, and no expression holds two draws whose order C leaves open, because gcc and clang would
 * choose differently.
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct world;

#define MICROSECOND 1000ULL
#define MILLISECOND 1000000ULL
#define SECOND 1000000000ULL
#define WORLD_BEGINS (1000 * SECOND)

/* The generator: splitmix64. */
uint64_t draw(struct world *world);
uint64_t draw_below(struct world *world, uint64_t limit);                /* 0 .. limit - 1 */
uint64_t draw_between(struct world *world, uint64_t low, uint64_t high); /* both included */
bool chance(struct world *world, unsigned percent);

/* A promise was broken (or the simulator is wrong): says what, and how to see it again, and ends the process.
 */
__attribute__((noreturn, format(printf, 2, 3))) void violated(
    const struct world *world, const char *format, ...);

/* The trace: what is hashed is what is printed. */
enum trace_kind {
#define TRACE(name, format) TRACE_##name,
#include "trace.def"
#undef TRACE
	TRACE_KINDS
};
void trace(struct world *world, enum trace_kind kind, uint64_t a, uint64_t b, uint64_t c);
void trace_log(const struct world *world, int level, const char *line); /* of the library */
static inline uint64_t trace_number(int64_t number)
{
	return (uint64_t)number;
}

/* The agenda: what will happen, in the order of time and, within one moment, of entry. */
typedef void (*event_function)(struct world *world, uint64_t subject, uint64_t detail);

struct event {
	uint64_t at_ns;
	uint64_t sequence;
	event_function happen;
	uint64_t subject;
	uint64_t detail;
};

struct agenda {
	struct event *heap;
	size_t count;
	size_t room;
	uint64_t sequence;
};

void agenda_add(
    struct world *world, uint64_t delay_ns, event_function happen, uint64_t subject, uint64_t detail);
const struct event *agenda_first(const struct world *world); /* NULL: nothing will happen */
void agenda_happen(struct world *world);                     /* takes the first and runs it */

/* Bytes that grow at the end and are taken from the front. */
struct buffer {
	uint8_t *data;
	size_t begin;
	size_t end;
	size_t room;
};

static inline size_t buffer_size(const struct buffer *buffer)
{
	return buffer->end - buffer->begin;
}
static inline uint8_t *buffer_bytes(const struct buffer *buffer)
{
	return buffer->data + buffer->begin;
}
/* Room for size more bytes at the end; they are the caller's to fill. */
uint8_t *buffer_grow(struct buffer *buffer, size_t size);
void buffer_append(struct buffer *buffer, const void *data, size_t size);
void buffer_consume(struct buffer *buffer, size_t size);
void buffer_clear(struct buffer *buffer); /* keeps the room for the next world */

uint64_t digest_bytes(uint64_t digest, const void *data, size_t size);

/* The byte at a place of a text that number names: whoever gets it can tell whose it is and where it belongs.
 */
static inline uint8_t pattern_byte(uint64_t number, uint64_t place)
{
	return (uint8_t)((number * 131 + place * 7 + (place >> 8)) & 0xff);
}

#endif
