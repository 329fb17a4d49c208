/* SPDX-License-Identifier: MIT
 *
 * `hawser-trace status`: what is pinned, since when, what it has counted, and what was lost. Exits 1 where
 * nothing is pinned.
 */
#include "show.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { PROGRAMS_MAX = 32 };

struct status {
	struct stat pinned;
	char programs[PROGRAMS_MAX][64];
	unsigned programs_count;
	struct hawser_trace_config config;
	struct hawser_trace_counters counters;
	uint64_t causes[HAWSER_TRACE_LAYERS][HAWSER_TRACE_CAUSES];
	uint64_t connects[HAWSER_TRACE_LAYERS];
	struct hawser_trace_histogram connected[HAWSER_TRACE_LAYERS];
	uint64_t inflight;
};

static const struct {
	const char *name;
	const char *sentence;
	size_t place;
} counters[] = {
    {"records_lost", "records lost: nobody read them", offsetof(struct hawser_trace_counters, records_lost)},
    {"inflight_full", "connects not seen: the table was full",
	offsetof(struct hawser_trace_counters, inflight_full)},
    {"start_unseen", "connects that had begun before", offsetof(struct hawser_trace_counters, start_unseen)},
    {"destinations_other", "counted under other destinations",
	offsetof(struct hawser_trace_counters, destinations_other)},
    {"completions_in_overflow", "completions that overflowed a ring",
	offsetof(struct hawser_trace_counters, completions_in_overflow)},
    {"addresses_unread", "addresses not in memory", offsetof(struct hawser_trace_counters, addresses_unread)},
    {"ends_unseen", "connects whose end was never seen", offsetof(struct hawser_trace_counters, ends_unseen)},
    {"events_missed", "events that no program saw", offsetof(struct hawser_trace_counters, events_missed)},
};
enum { COUNTERS = sizeof(counters) / sizeof(counters[0]) };

static uint64_t counter_of(const struct status *status, unsigned counter)
{
	uint64_t value;

	memcpy(&value, (const char *)&status->counters + counters[counter].place, sizeof(value));
	return value;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int programs_read(const char *path, struct status *status)
{
	struct dirent **entries;
	int count;

	if (stat(path, &status->pinned) < 0)
		return -errno;
	count = scandir(path, &entries, is_visible, alphasort);
	if (count < 0)
		return -errno;
	for (int i = 0; i < count; i++) {
		if (status->programs_count < PROGRAMS_MAX)
			snprintf(status->programs[status->programs_count++], sizeof(status->programs[0]),
			    "%.63s", entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return 0;
}

static int count_record(const struct hawser_trace_record *record, void *user)
{
	(void)record;
	(*(uint64_t *)user)++;
	return 0;
}

static int counts_read(hawser_trace *trace, struct status *status)
{
	struct hawser_trace_histogram histogram;
	int result;

	for (unsigned layer = 0; layer < HAWSER_TRACE_LAYERS; layer++) {
		for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++) {
			result = hawser_trace_histogram_read(trace, layer, cause, &histogram);
			if (result < 0)
				return result;
			if (cause == HAWSER_TRACE_OK)
				status->connected[layer] = histogram;
			status->causes[layer][cause] = histogram.count;
			status->connects[layer] += histogram.count;
		}
	}
	result = hawser_trace_config_read(trace, &status->config);
	if (result == 0)
		result = hawser_trace_counters_read(trace, &status->counters);
	return result < 0 ? result : hawser_trace_inflight_read(trace, count_record, &status->inflight);
}

/* ---- filters ---- */

/* Named as the options that set them. */
struct filter {
	const char *name;
	char value[80]; /* as JSON has it, "..." if it is text; "": there is nothing but the name */
};
enum { FILTERS_MAX = 9 };

static void prefix_text(const struct hawser_trace_config *config, char text[80])
{
	char address[INET6_ADDRSTRLEN] = "?";

	inet_ntop(config->prefix_family, config->prefix, address, sizeof(address));
	snprintf(text, 80, "\"%s/%u\"", address, config->prefix_bits);
}

static unsigned filters_of(const struct hawser_trace_config *config, struct filter ret_filters[FILTERS_MAX])
{
	const struct {
		uint32_t filter;
		const char *name;
		uint64_t value;
	} numbers[] = {{HAWSER_TRACE_FILTER_TGID, "pid", config->tgid},
	    {HAWSER_TRACE_FILTER_UID, "uid", config->uid},
	    {HAWSER_TRACE_FILTER_CGROUP, "cgroup", config->cgroup},
	    {HAWSER_TRACE_FILTER_NETNS, "netns", config->netns},
	    {HAWSER_TRACE_FILTER_PORT, "port", config->port},
	    {HAWSER_TRACE_FILTER_SAMPLE, "sample", config->sample}};
	struct filter *filter = ret_filters;

	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (!(config->filters & numbers[i].filter))
			continue;
		filter->name = numbers[i].name;
		snprintf(filter++->value, sizeof(filter->value), "%" PRIu64, numbers[i].value);
	}
	if (config->filters & HAWSER_TRACE_FILTER_PREFIX) {
		filter->name = "to";
		prefix_text(config, filter++->value);
	}
	if (config->failures_only) {
		filter->name = "failures";
		filter++->value[0] = '\0';
	}
	if (config->minimum_ns) {
		filter->name = "min-ms";
		snprintf(filter++->value, sizeof(filter->value), "%.15g", (double)config->minimum_ns / 1e6);
	}
	return (unsigned)(filter - ret_filters);
}

/* ---- for people ---- */

static void print_filters(const struct hawser_trace_config *config)
{
	struct filter filters[FILTERS_MAX];
	unsigned count = filters_of(config, filters);

	fputs("filters:", stdout);
	for (unsigned i = 0; i < count; i++) {
		const char *value = filters[i].value;
		bool quoted = value[0] == '"';

		printf("%s%s%s%.*s", i ? ", " : " ", filters[i].name, value[0] ? "=" : "",
		    (int)strlen(value) - 2 * quoted, value + quoted);
	}
	puts(count ? "" : " none");
	if (config->filters & HAWSER_TRACE_FILTER_SAMPLE)
		puts("all counts are of the sample");
}

static void print_layer(const struct status *status, unsigned layer)
{
	const struct hawser_trace_histogram *connected = &status->connected[layer];
	char half[WORDS_DURATION_BYTES], most[WORDS_DURATION_BYTES];
	const char *separator = "  ";

	printf("%-8s %12" PRIu64 " %12" PRIu64 " %10s %10s", hawser_trace_layer_name(layer),
	    status->connects[layer], status->causes[layer][HAWSER_TRACE_OK],
	    words_duration(hawser_trace_quantile_ns(connected, 500), half),
	    words_duration(hawser_trace_quantile_ns(connected, 990), most));
	for (unsigned cause = HAWSER_TRACE_OK + 1; cause < HAWSER_TRACE_CAUSES; cause++) {
		if (!status->causes[layer][cause])
			continue;
		printf("%s%" PRIu64 " %s", separator, status->causes[layer][cause],
		    hawser_trace_cause_name(cause));
		separator = ", ";
	}
	putchar('\n');
}

static void print_text(const char *path, const struct status *status)
{
	char when[64];
	struct tm parts;
	uint64_t value;

	localtime_r(&status->pinned.st_mtime, &parts);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &parts);
	printf("pinned under %s since %s\n%u programs:", path, when, status->programs_count);
	for (unsigned i = 0; i < status->programs_count; i++)
		printf(" %s", status->programs[i]);
	printf("\nrecords: %s\n", status->config.records ? "sent" : "not sent, connects are counted");
	print_filters(&status->config);
	printf("in flight: %" PRIu64 "\n\n%-8s %12s %12s %10s %10s  %s\n", status->inflight, "LAYER",
	    "CONNECTS", "OK", "P50", "P99", "FAILURES");
	for (unsigned layer = 0; layer < HAWSER_TRACE_LAYERS; layer++)
		print_layer(status, layer);
	putchar('\n');
	for (unsigned i = 0; i < COUNTERS; i++) {
		value = counter_of(status, i);
		if (value || i < 2) /* that nothing was lost is worth a line */
			printf("%12" PRIu64 "  %s\n", value, counters[i].sentence);
	}
}

/* ---- for programs ---- */

static void print_filters_json(const struct hawser_trace_config *config)
{
	struct filter filters[FILTERS_MAX];
	unsigned count = filters_of(config, filters);

	fputs("\"filters\":{", stdout);
	for (unsigned i = 0; i < count; i++) {
		fputs(i ? ",\"" : "\"", stdout);
		for (const char *c = filters[i].name; *c; c++) /* as all members are named */
			putchar(*c == '-' ? '_' : *c);
		printf("\":%s", filters[i].value[0] ? filters[i].value : "true");
	}
	putchar('}');
}

static void print_json(const char *path, const struct status *status)
{
	fputs("{\"path\":", stdout);
	json_string(stdout, path);
	printf(",\"since_s\":%lld,\"records\":%s,", (long long)status->pinned.st_mtime,
	    status->config.records ? "true" : "false");
	print_filters_json(&status->config);
	printf(",\"in_flight\":%" PRIu64 ",\"programs\":[", status->inflight);
	for (unsigned i = 0; i < status->programs_count; i++) {
		fputs(i ? "," : "", stdout);
		json_string(stdout, status->programs[i]);
	}
	fputs("],\"connects\":{", stdout);
	for (unsigned layer = 0; layer < HAWSER_TRACE_LAYERS; layer++) {
		printf("%s\"%s\":{", layer ? "," : "", hawser_trace_layer_name(layer));
		for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++)
			printf("%s\"%s\":%" PRIu64, cause ? "," : "", hawser_trace_cause_name(cause),
			    status->causes[layer][cause]);
		putchar('}');
	}
	fputs("},\"counters\":{", stdout);
	for (unsigned i = 0; i < COUNTERS; i++)
		printf("%s\"%s\":%" PRIu64, i ? "," : "", counters[i].name, counter_of(status, i));
	puts("}}");
}

int command_status(const struct arguments *arguments)
{
	struct hawser_trace_sentence why = {""};
	struct status status = {0};
	hawser_trace *trace;
	int result;

	if (hawser_trace_open_pinned(arguments->path, &why, &trace) < 0) {
		fprintf(stderr, "hawser-trace: %s\n", why.text);
		return 1;
	}
	result = counts_read(trace, &status);
	hawser_trace_close(trace);
	if (result == 0)
		result = programs_read(arguments->path, &status);
	if (result < 0) {
		fprintf(stderr, "hawser-trace: %s: %s\n", arguments->path, strerror(-result));
		return 1;
	}
	if (arguments->json)
		print_json(arguments->path, &status);
	else
		print_text(arguments->path, &status);
	return 0;
}
