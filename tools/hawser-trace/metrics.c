/* SPDX-License-Identifier: MIT
 *
 * `hawser-trace metrics`: what was counted, for Prometheus: once to standard output, after --duration (10 s)
 * or --count or at a signal; to a file for node_exporter's textfile collector, every --interval; or by HTTP
 * on loopback. The programs count in the kernel: records are read only for --clients.
 *
 * A file that cannot be replaced is said and tried again; the first time and the last it ends with 1.
 */
#include "metrics.h"
#include "show.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <time.h>

enum { TURN_MS = 100, DURATION_S = 10, INTERVAL_S = 15 };

struct run {
	const struct arguments *arguments;
	struct session session;
	struct metrics metrics;
	struct metrics_http *http;
	uint64_t due_ns; /* the file is */
};

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int on_record(const struct hawser_trace_record *record, void *user)
{
	struct run *run = user;

	metrics_waits_add(run->metrics.waits, record);
	return 0;
}

static int read_records(struct run *run)
{
	int result = run->metrics.waits ? hawser_trace_read(run->session.trace, 0, on_record, run) : 0;

	return result < 0 && result != -EINTR ? result : 0;
}

/* Of this very moment. */
static int gather(struct run *run)
{
	int result = read_records(run);

	return result < 0 ? result : metrics_gather(&run->metrics, run->session.trace);
}

static int on_request(FILE *file, void *user)
{
	struct run *run = user;
	int result = gather(run);

	if (result == 0)
		metrics_write(&run->metrics, file);
	return result;
}

static void on_file(FILE *file, void *user)
{
	const struct run *run = user;

	metrics_write(&run->metrics, file);
}

static int replace_file(struct run *run)
{
	const char *path = run->arguments->textfile;
	int result = gather(run);

	if (result == 0)
		result = metrics_file_replace(path, on_file, run);
	if (result < 0)
		fprintf(stderr, "hawser-trace: cannot write '%s': %s\n", path, strerror(-result));
	return result;
}

static int listen_for_requests(struct run *run)
{
	struct sockaddr_storage address;
	int result = metrics_http_address(run->arguments->listen, &address);

	if (result == 0)
		result = metrics_http_open(&address, on_request, run, &run->http);
	if (result < 0)
		fprintf(stderr, "hawser-trace: cannot listen on %s: %s\n", run->arguments->listen,
		    strerror(-result));
	else
		fprintf(stderr, "metrics at http://%.*s:%u/metrics, Ctrl-C ends it\n",
		    (int)(strrchr(run->arguments->listen, ':') - run->arguments->listen),
		    run->arguments->listen, metrics_http_port(run->http));
	return result;
}

static int begin(struct run *run)
{
	const struct arguments *arguments = run->arguments;
	int result = metrics_rows_open(&run->metrics.destinations, arguments->destinations_max);

	if (result == 0 && arguments->clients)
		result = metrics_waits_open(&run->metrics.waits);
	if (result < 0)
		fprintf(stderr, "hawser-trace: %s\n", strerror(-result));
	if (result == 0 && arguments->listen)
		result = listen_for_requests(run);
	if (result == 0 && arguments->textfile)
		result = replace_file(run);
	run->due_ns = clock_ns() + (uint64_t)(arguments->interval_s * 1e9);
	return result;
}

static int turn(struct run *run)
{
	const struct arguments *arguments = run->arguments;
	int result = 0;

	if (run->http)
		result = metrics_http_run(run->http, TURN_MS);
	else
		poll(NULL, 0, TURN_MS);
	if (result == 0)
		result = read_records(run);
	if (result == 0 && arguments->textfile && clock_ns() >= run->due_ns) {
		replace_file(run);
		run->due_ns = clock_ns() + (uint64_t)(arguments->interval_s * 1e9);
	}
	if (result == 0 && arguments->count) {
		result = gather(run);
		if (metrics_connects(&run->metrics) >= arguments->count)
			session_stop();
	}
	if (result < 0)
		fprintf(stderr, "hawser-trace: %s\n", strerror(-result));
	return result;
}

static int finish(struct run *run)
{
	int result;

	if (run->http)
		return 0;
	if (run->arguments->textfile)
		return replace_file(run);
	result = gather(run);
	if (result == 0)
		(run->arguments->json ? metrics_write_json : metrics_write)(&run->metrics, stdout);
	if (result == 0) {
		output_flush(); /* while errno tells why stdio may have failed; main says it */
		return 0;
	}
	fprintf(stderr, "hawser-trace: cannot read the metrics: %s\n", strerror(-result));
	return result;
}

static bool understands(const struct arguments *arguments)
{
	struct sockaddr_storage address;

	if (arguments->json && (arguments->listen || arguments->textfile)) {
		fputs("hawser-trace: Prometheus reads no JSON: --json is for standard output\n", stderr);
		return false;
	}
	if (arguments->listen && arguments->textfile) {
		fputs("hawser-trace: either --listen or --textfile\n", stderr);
		return false;
	}
	if (arguments->options.histograms && (arguments->clients || arguments->count)) {
		fputs("hawser-trace: --histograms has neither records for --clients nor what --count needs\n",
		    stderr);
		return false;
	}
	if (!arguments->listen)
		return true;
	switch (metrics_http_address(arguments->listen, &address)) {
	case 0:
		return true;
	case -EADDRNOTAVAIL:
		fputs("hawser-trace: --listen takes an address of loopback alone: 127.0.0.1 or [::1]\n",
		    stderr);
		return false;
	default:
		fprintf(stderr, "hawser-trace: --listen does not take '%s', but 127.0.0.1:PORT\n",
		    arguments->listen);
		return false;
	}
}

/* What is pinned has counted already; waits alone are told by records that are yet to come. */
static bool prints_now(const struct arguments *arguments)
{
	return arguments->pinned && !arguments->listen && !arguments->textfile && !arguments->clients &&
	       !arguments->count && arguments->duration_s <= 0;
}

static void say_what_it_awaits(const struct arguments *arguments)
{
	if (arguments->listen || arguments->textfile)
		return;
	fputs("counting connects", stderr);
	if (arguments->count)
		fprintf(stderr, " up to %" PRIu64, arguments->count);
	if (arguments->duration_s > 0)
		fprintf(stderr, " for %g s", arguments->duration_s);
	fputs(", Ctrl-C ends it\n", stderr);
}

int command_metrics(const struct arguments *given)
{
	struct arguments arguments = *given;
	struct run run = {.arguments = &arguments};
	bool now;
	int result;

	if (!understands(given))
		return 2;
	arguments.options.config.records = arguments.clients;
	if (given->pinned) /* whatever it keeps is told */
		arguments.options.histograms = !given->count && !given->clients;
	now = prints_now(given);
	if (!arguments.listen && !arguments.textfile && arguments.duration_s <= 0 && !arguments.count)
		arguments.duration_s = DURATION_S;
	if (arguments.interval_s <= 0)
		arguments.interval_s = INTERVAL_S;
	if (!session_open(&run.session, &arguments))
		return 1;
	if (!now)
		say_what_it_awaits(&arguments);
	result = begin(&run);
	while (result == 0 && !now && session_goes_on(&run.session))
		result = turn(&run);
	if (result == 0)
		result = finish(&run);
	metrics_http_close(run.http);
	metrics_waits_close(run.metrics.waits);
	metrics_rows_close(&run.metrics.destinations);
	session_close(&run.session);
	return result < 0;
}
