/* SPDX-License-Identifier: MIT
 *
 * What `hawser-trace metrics` tells, in four parts: gathering the numbers, writing them, handing them out by
 * HTTP or in a file, and the waits of hawser's clients, which only records tell.
 */
#ifndef HAWSER_TRACE_METRICS_H
#define HAWSER_TRACE_METRICS_H

#include <hawser/trace.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

/* ---- metrics_rows.c: destinations, of which a limited number has a row of its own ---- */
enum { METRICS_NAME_BYTES = 440 };

struct metrics_row {
	char name[METRICS_NAME_BYTES]; /* printable ASCII */
	uint32_t netns;
	struct hawser_trace_destination numbers;
};

/* A row once shown is shown for good, and what is summed into `other` stays there: else a counter could
 * fall. */
struct metrics_rows {
	struct metrics_row *rows;
	unsigned count;
	unsigned max;
	struct metrics_row other;
	bool has_other;
};

int metrics_rows_open(struct metrics_rows *rows, unsigned max);
void metrics_rows_close(struct metrics_rows *rows);
/* "10.0.0.3:80", "/run/x.sock"; bytes that are not printable ASCII as \xNN. */
void metrics_row_name(struct metrics_row *row, const struct hawser_trace_destination_key *key,
    const struct hawser_trace_destination *destination);
/* Replaces all numbers by those that were seen now. New ones take the rows that are left in the order of
 * their size. Sorts `seen`. */
void metrics_rows_update(struct metrics_rows *rows, struct metrics_row *seen, unsigned seen_count);

/* ---- metrics_waits.c: how long hawser's clients wait between attempts, by the tags of records ---- */
struct metrics_waits;
int metrics_waits_open(struct metrics_waits **ret_waits);
void metrics_waits_close(struct metrics_waits *waits);
void metrics_waits_add(struct metrics_waits *waits, const struct hawser_trace_record *record);
const struct hawser_trace_histogram *metrics_waits_histogram(const struct metrics_waits *waits);

/* ---- metrics_gather.c ---- */
struct metrics {
	struct hawser_trace_histogram histograms[HAWSER_TRACE_LAYERS][HAWSER_TRACE_CAUSES];
	struct hawser_trace_counters counters;
	uint64_t in_flight;
	struct metrics_rows destinations;
	struct metrics_waits *waits; /* NULL: not asked for */
};

int metrics_gather(struct metrics *metrics, hawser_trace *trace);
/* Connects that ended, each counted once. */
uint64_t metrics_connects(const struct metrics *metrics);

/* ---- metrics_write.c: Prometheus's text format ---- */
/* What it writes may be read by promtool, node_exporter and Prometheus; stdio tells what went wrong. */
void metrics_write(const struct metrics *metrics, FILE *file);

/* ---- metrics_json.c ---- */
void metrics_write_json(const struct metrics *metrics, FILE *file);

/* ---- metrics_file.c ---- */
typedef void (*metrics_write_function)(FILE *file, void *user);
/* Whoever reads `path` reads the old text or the new, never half of one. */
int metrics_file_replace(const char *path, metrics_write_function function, void *user);

/* ---- metrics_http.c: GET and HEAD of /metrics, on loopback ---- */
struct metrics_http;
enum { METRICS_LISTEN_BYTES = 64 };
/* "127.0.0.1:19843", "[::1]:0". -EINVAL: it is no address with a port; -EADDRNOTAVAIL: it is not of loopback.
 */
int metrics_http_address(const char *text, struct sockaddr_storage *ret_address);
/* A negative return of the function is answered by 500. */
typedef int (*metrics_http_function)(FILE *file, void *user);
int metrics_http_open(const struct sockaddr_storage *address, metrics_http_function function, void *user,
    struct metrics_http **ret_http);
uint16_t metrics_http_port(const struct metrics_http *http);
/* Serves for at most timeout_ms, or until a signal. */
int metrics_http_run(struct metrics_http *http, int timeout_ms);
void metrics_http_close(struct metrics_http *http);

#endif
