/* SPDX-License-Identifier: MIT
 *
 * Records in words, and histograms in figures.
 */
#include "trace.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

const char *hawser_trace_layer_name(unsigned layer)
{
	static const char *const names[HAWSER_TRACE_LAYERS] = {"tcp", "ring", "syscall"};

	return layer < HAWSER_TRACE_LAYERS ? names[layer] : "unknown";
}

const char *hawser_trace_cause_name(unsigned cause)
{
	static const char *const names[HAWSER_TRACE_CAUSES] = {"ok", "refused", "icmp", "timeout",
	    "local_drop", "local_error", "backlog_full", "aborted", "cancelled", "deadline", "false_success"};

	return cause < HAWSER_TRACE_CAUSES ? names[cause] : "unknown";
}

static const char *endpoint(uint16_t family, const uint8_t *address, uint16_t port, char *text, size_t size)
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (family != AF_INET && family != AF_INET6) {
		snprintf(text, size, "?");
		return text;
	}
	inet_ntop(family, address, host, sizeof(host));
	snprintf(text, size, family == AF_INET6 ? "[%s]:%u" : "%s:%u", host, port);
	return text;
}

const char *hawser_trace_source_text(const struct hawser_trace_record *record, char *text, size_t size)
{
	static const uint8_t none[sizeof(record->source)];

	/* Before an address was chosen, and for unix sockets, there is nothing to say. */
	if (record->family == AF_UNIX || memcmp(record->source, none, sizeof(none)) == 0) {
		snprintf(text, size, "%s", "");
		return text;
	}
	return endpoint(record->family, record->source, record->source_port, text, size);
}

const char *hawser_trace_destination_text(const struct hawser_trace_record *record, char *text, size_t size)
{
	if (record->family == AF_UNIX) {
		snprintf(text, size, "%.*s", HAWSER_TRACE_PATH_BYTES, record->path);
		return text;
	}
	return endpoint(record->family, record->destination, record->destination_port, text, size);
}

/* Appends, separated by ", "; cuts what does not fit. */
static void __attribute__((format(printf, 4, 5)))
append(char *text, size_t size, size_t *used, const char *format, ...)
{
	va_list arguments;
	int length;

	if (*used && *used + 2 < size) {
		memcpy(text + *used, ", ", 3);
		*used += 2;
	}
	va_start(arguments, format);
	length = vsnprintf(text + *used, size - *used, format, arguments);
	va_end(arguments);
	*used += length > 0 ? (size_t)length : 0;
	if (*used >= size)
		*used = size - 1;
}

static void append_icmp(const struct hawser_trace_record *record, char *text, size_t size, size_t *used)
{
	char host[INET_ADDRSTRLEN] = "?";
	bool own = memcmp(record->icmp_from, record->source, 4) == 0;

	if (record->family != AF_INET) {
		append(text, size, used, "icmp6 %u/%u", record->icmp_type, record->icmp_code);
		return;
	}
	inet_ntop(AF_INET, record->icmp_from, host, sizeof(host));
	append(text, size, used, "icmp %u/%u from %s%s", record->icmp_type, record->icmp_code, host,
	    own ? " (this host)" : "");
}

const char *hawser_trace_detail_text(const struct hawser_trace_record *record, char *text, size_t size)
{
	size_t used = 0;

	if (!size)
		return text;
	text[0] = '\0';
	if (record->flags & HAWSER_TRACE_HAS_ICMP)
		append_icmp(record, text, size, &used);
	else if (record->cause == HAWSER_TRACE_ICMP && record->family == AF_INET6)
		append(text, size, &used, "icmp6");
	if (record->flags & HAWSER_TRACE_FIREWALL)
		append(text, size, &used, "local firewall");
	if (record->cause == HAWSER_TRACE_DEADLINE)
		append(text, size, &used, "after %.6g ms", (double)record->deadline_ns / 1e6);
	if (record->flags & HAWSER_TRACE_OVERFLOWED)
		append(text, size, &used, "completion overflowed");
	return text;
}

/* ---- figures ---- */

uint64_t hawser_trace_slot_floor_ns(unsigned slot)
{
	if (slot < 4)
		return (uint64_t)slot * HAWSER_TRACE_SLOT_UNIT_NS;
	return (uint64_t)(4 + slot % 4) << (slot / 4 - 1) << 8;
}

/* The slots' own sum is taken for the count: read while it is written, the count may be ahead. */
uint64_t hawser_trace_quantile_ns(const struct hawser_trace_histogram *histogram, unsigned per_thousand)
{
	uint64_t below = 0, count = 0, wanted;

	for (unsigned i = 0; i < HAWSER_TRACE_SLOTS; i++)
		count += histogram->slots[i];
	wanted = (count * per_thousand + 999) / 1000;
	for (unsigned i = 0; i < HAWSER_TRACE_SLOTS && count; i++) {
		below += histogram->slots[i];
		if (below >= wanted && below)
			return hawser_trace_slot_floor_ns(i + 1);
	}
	return 0;
}
