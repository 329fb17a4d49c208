/* SPDX-License-Identifier: MIT
 *
 * What `hawser-trace metrics` writes and hands out, from made-up numbers: no eBPF is needed here. The text is
 * also read by promtool, and the rules and the dashboard of tools/monitoring by it and jq.
 */
#include "../../tools/hawser-trace/metrics.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct metrics metrics;

static void begin(unsigned rows_max)
{
	cr_assert_eq(metrics_rows_open(&metrics.destinations, rows_max), 0);
}

static void end(void)
{
	metrics_rows_close(&metrics.destinations);
	metrics_waits_close(metrics.waits);
	metrics.waits = NULL;
}

/* So many connects that took as long as the floor of a slot. */
static void took(struct hawser_trace_histogram *histogram, unsigned slot, uint64_t count)
{
	histogram->count += count;
	histogram->sum_ns += count * hawser_trace_slot_floor_ns(slot);
	histogram->slots[slot] += count;
}

static struct metrics_row seen_row(const char *name, enum hawser_trace_cause cause, uint64_t count)
{
	struct metrics_row row = {.netns = 7};

	snprintf(row.name, sizeof(row.name), "%s", name);
	row.numbers.causes[cause] = count;
	if (cause == HAWSER_TRACE_OK)
		took(&row.numbers.connected, 40, count);
	return row;
}

static char *text_of(void)
{
	size_t size;
	char *text;
	FILE *file = open_memstream(&text, &size);

	cr_assert_not_null(file);
	metrics_write(&metrics, file);
	cr_assert_eq(fclose(file), 0);
	return text;
}

static void expect_line(const char *text, const char *line)
{
	char whole[512];

	snprintf(whole, sizeof(whole), "\n%s\n", line);
	cr_expect_not_null(strstr(text, whole), "no line '%s' in:\n%s", line, text);
}

/* ---- the text ---- */

Test(trace_metrics, every_cause_of_every_layer_is_there_from_the_start)
{
	char *text;

	begin(1);
	text = text_of();
	for (unsigned layer = 0; layer < HAWSER_TRACE_LAYERS; layer++) {
		for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++) {
			char line[128];

			snprintf(line, sizeof(line), "hawser_connects_total{layer=\"%s\",cause=\"%s\"} 0",
			    hawser_trace_layer_name(layer), hawser_trace_cause_name(cause));
			expect_line(text, line);
		}
	}
	cr_expect_null(strstr(text, "hawser_client_wait_seconds"), "nobody asked for it");
	free(text);
	end();
}

Test(trace_metrics, counters_and_gauge)
{
	char *text;

	begin(1);
	metrics.in_flight = 3;
	metrics.counters = (struct hawser_trace_counters){.records_lost = 1,
	    .inflight_full = 2,
	    .start_unseen = 4,
	    .destinations_other = 5,
	    .completions_in_overflow = 6,
	    .addresses_unread = 7,
	    .ends_unseen = 8,
	    .events_missed = 9};
	text = text_of();
	expect_line(text, "hawser_connects_in_flight 3");
	expect_line(text, "hawser_trace_records_lost_total 1");
	expect_line(text, "hawser_trace_connects_unseen_total 2");
	expect_line(text, "hawser_trace_starts_unseen_total 4");
	expect_line(text, "hawser_trace_destinations_other_total 5");
	expect_line(text, "hawser_trace_completions_overflowed_total 6");
	expect_line(text, "hawser_trace_addresses_unread_total 7");
	expect_line(text, "hawser_trace_ends_unseen_total 8");
	expect_line(text, "hawser_trace_events_missed_total 9");
	free(text);
	end();
}

/* The numbers behind `prefix`, in their order. */
static unsigned values_of(const char *text, const char *prefix, uint64_t *ret_values, unsigned max)
{
	unsigned count = 0;

	for (const char *line = text; (line = strstr(line, prefix)); line++) {
		const char *value = strstr(line, "} ");

		cr_assert_not_null(value);
		cr_assert_lt(count, max);
		ret_values[count++] = strtoull(value + 2, NULL, 10);
	}
	return count;
}

#define RING_OK "{layer=\"ring\",cause=\"ok\""

Test(trace_metrics, buckets_are_cumulative)
{
	struct hawser_trace_histogram *histogram = &metrics.histograms[HAWSER_TRACE_RING][HAWSER_TRACE_OK];
	uint64_t values[64];
	unsigned count;
	char *text;

	begin(1);
	for (unsigned slot = 0; slot < HAWSER_TRACE_SLOTS; slot++)
		took(histogram, slot, 1);
	text = text_of();
	count = values_of(text, "hawser_connect_duration_seconds_bucket" RING_OK, values, 64);
	cr_assert_gt(count, 10);
	for (unsigned i = 1; i < count; i++)
		cr_expect_geq(values[i], values[i - 1]);
	cr_expect_eq(values[count - 1], HAWSER_TRACE_SLOTS, "+Inf holds all of them");
	expect_line(text, "hawser_connect_duration_seconds_bucket" RING_OK ",le=\"+Inf\"} 128");
	expect_line(text, "hawser_connect_duration_seconds_count" RING_OK "} 128");
	expect_line(text, "hawser_connects_total" RING_OK "} 128");
	free(text);
	end();
}

/* 8192 ns are 32 units of 256: the first that are not below the first bound. */
Test(trace_metrics, buckets_end_where_slots_end)
{
	struct hawser_trace_histogram *histogram = &metrics.histograms[HAWSER_TRACE_RING][HAWSER_TRACE_OK];
	unsigned slot = 0;
	char *text;

	begin(1);
	while (hawser_trace_slot_floor_ns(slot) < 8192)
		slot++;
	cr_assert_eq(hawser_trace_slot_floor_ns(slot), 8192);
	took(histogram, slot - 1, 2);
	took(histogram, slot, 3);
	text = text_of();
	expect_line(text, "hawser_connect_duration_seconds_bucket" RING_OK ",le=\"8.192e-06\"} 2");
	expect_line(text, "hawser_connect_duration_seconds_bucket" RING_OK ",le=\"1.6384e-05\"} 5");
	expect_line(text, "hawser_connect_duration_seconds_bucket" RING_OK ",le=\"137.438953472\"} 5");
	free(text);
	end();
}

/* A count of another moment than the slots must not make a histogram that contradicts itself. */
Test(trace_metrics, the_count_is_that_of_the_buckets)
{
	struct hawser_trace_histogram *histogram = &metrics.histograms[HAWSER_TRACE_RING][HAWSER_TRACE_OK];
	char *text;

	begin(1);
	took(histogram, 20, 3);
	histogram->count = 5;
	text = text_of();
	expect_line(text, "hawser_connect_duration_seconds_bucket" RING_OK ",le=\"+Inf\"} 3");
	expect_line(text, "hawser_connect_duration_seconds_count" RING_OK "} 3");
	free(text);
	end();
}

/* ---- destinations ---- */

Test(trace_metrics, labels_are_escaped)
{
	struct metrics_row row = seen_row("a\"b\\c\nd", HAWSER_TRACE_OK, 2);
	char *text;

	begin(1);
	metrics_rows_update(&metrics.destinations, &row, 1);
	text = text_of();
	expect_line(text,
	    "hawser_destination_connects_total{destination=\"a\\\"b\\\\c\\nd\",netns=\"7\",cause=\"ok\"} 2");
	expect_line(text, "hawser_destination_connect_duration_seconds_count{destination=\"a\\\"b\\\\c\\nd\","
			  "netns=\"7\"} 2");
	free(text);
	end();
}

Test(trace_metrics, beyond_the_limit_is_other)
{
	struct metrics_row seen[] = {seen_row("few", HAWSER_TRACE_REFUSED, 1),
	    seen_row("most", HAWSER_TRACE_OK, 9), seen_row("", HAWSER_TRACE_OK, 100),
	    seen_row("many", HAWSER_TRACE_OK, 5)};
	char *text;

	begin(2);
	metrics_rows_update(&metrics.destinations, seen, 4);
	cr_expect_eq(metrics_connects(&metrics), 115);
	text = text_of();
	expect_line(
	    text, "hawser_destination_connects_total{destination=\"most\",netns=\"7\",cause=\"ok\"} 9");
	expect_line(
	    text, "hawser_destination_connects_total{destination=\"many\",netns=\"7\",cause=\"ok\"} 5");
	expect_line(text, "hawser_destination_connects_total{destination=\"other\",cause=\"refused\"} 1");
	expect_line(text, "hawser_destination_connects_total{destination=\"other\",cause=\"ok\"} 100");
	expect_line(text, "hawser_destination_connect_duration_seconds_count{destination=\"other\"} 100");
	cr_expect_null(strstr(text, "few"));
	free(text);
	end();
}

/* A counter that fell would look like a restart: no row changes its place when another grows. */
Test(trace_metrics, rows_stay)
{
	struct metrics_row seen[] = {
	    seen_row("first", HAWSER_TRACE_OK, 9), seen_row("late", HAWSER_TRACE_OK, 1)};
	struct metrics_row later[] = {
	    seen_row("first", HAWSER_TRACE_OK, 9), seen_row("late", HAWSER_TRACE_OK, 1000)};

	begin(1);
	metrics_rows_update(&metrics.destinations, seen, 2);
	metrics_rows_update(&metrics.destinations, later, 2);
	cr_assert_eq(metrics.destinations.count, 1);
	cr_assert_not_null(metrics.destinations.rows);
	cr_expect_str_eq(metrics.destinations.rows[0].name, "first");
	cr_expect_eq(metrics.destinations.rows[0].numbers.causes[HAWSER_TRACE_OK], 9);
	cr_expect_eq(metrics.destinations.other.numbers.causes[HAWSER_TRACE_OK], 1000);
	end();
}

Test(trace_metrics, namespaces_are_apart_and_equal_names_are_one)
{
	struct metrics_row seen[] = {seen_row("a", HAWSER_TRACE_OK, 2), seen_row("a", HAWSER_TRACE_OK, 3),
	    seen_row("a", HAWSER_TRACE_OK, 4)};

	begin(5);
	seen[2].netns = 8;
	metrics_rows_update(&metrics.destinations, seen, 3);
	cr_expect_eq(metrics.destinations.count, 2);
	cr_expect_eq(metrics_connects(&metrics), 9);
	cr_expect_eq(metrics.destinations.rows[0].numbers.causes[HAWSER_TRACE_OK] +
			 metrics.destinations.rows[1].numbers.causes[HAWSER_TRACE_OK],
	    9);
	end();
}

Test(trace_metrics, waits_are_there_when_they_are_asked_for)
{
	struct hawser_trace_record first = {.start_ns = 1000,
	    .total_ns = 1000,
	    .attempt = 1,
	    .tgid = 10,
	    .cause = HAWSER_TRACE_REFUSED,
	    .flags = HAWSER_TRACE_HAS_TAG};
	struct hawser_trace_record second = first;
	char *text;

	begin(1);
	cr_assert_eq(metrics_waits_open(&metrics.waits), 0);
	second.attempt = 2;
	second.start_ns = 2000000;
	metrics_waits_add(metrics.waits, &first);
	metrics_waits_add(metrics.waits, &second);
	text = text_of();
	expect_line(text, "hawser_client_wait_seconds_bucket{le=\"0.001048576\"} 0");
	expect_line(text, "hawser_client_wait_seconds_bucket{le=\"0.002097152\"} 1");
	expect_line(text, "hawser_client_wait_seconds_sum 0.001998");
	expect_line(text, "hawser_client_wait_seconds_count 1");
	free(text);
	end();
}

Test(trace_metrics, json_has_other_and_escapes)
{
	struct metrics_row seen[] = {
	    seen_row("a\"b\\c", HAWSER_TRACE_OK, 2), seen_row("", HAWSER_TRACE_REFUSED, 1)};
	size_t size;
	char *text;
	FILE *file = open_memstream(&text, &size);

	begin(1);
	metrics_rows_update(&metrics.destinations, seen, 2);
	metrics_write_json(&metrics, file);
	cr_assert_eq(fclose(file), 0);
	cr_expect_not_null(
	    strstr(text, "{\"destination\":\"a\\\"b\\\\c\",\"netns\":7,\"causes\":{\"ok\":2,"), "%s", text);
	cr_expect_not_null(
	    strstr(text, "},{\"destination\":\"other\",\"causes\":{\"ok\":0,\"refused\":1,"), "%s", text);
	free(text);
	end();
}

/* ---- promtool and jq ---- */

/* All there can be, in a file. */
static void write_everything(char path[32])
{
	struct metrics_row seen[] = {seen_row("10.0.0.3:80", HAWSER_TRACE_OK, 4),
	    seen_row("/run/\"x\"\\y", HAWSER_TRACE_BACKLOG_FULL, 2), seen_row("", HAWSER_TRACE_REFUSED, 1)};

	FILE *file;

	begin(2);
	cr_assert_eq(metrics_waits_open(&metrics.waits), 0);
	for (uint32_t attempt = 1; attempt <= 2; attempt++)
		metrics_waits_add(metrics.waits, &(struct hawser_trace_record){.start_ns = attempt * 9000,
						     .attempt = attempt,
						     .tgid = 1,
						     .cause = HAWSER_TRACE_REFUSED,
						     .flags = HAWSER_TRACE_HAS_TAG});
	for (unsigned layer = 0; layer < HAWSER_TRACE_LAYERS; layer++)
		for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++)
			took(&metrics.histograms[layer][cause], 20 + cause, 1 + layer);
	metrics_rows_update(&metrics.destinations, seen, 3);
	memcpy(path, "/tmp/hawser-metrics-XXXXXX", 27);
	file = fdopen(mkstemp(path), "w");
	cr_assert_not_null(file);
	metrics_write(&metrics, file);
	cr_assert_eq(fclose(file), 0);
	end();
}

static void check(const char *what, const char *path)
{
	char command[128], output[8192];
	size_t length;
	FILE *pipe;
	int code;

	snprintf(command, sizeof(command), "tools/monitoring/check %s %s 2>&1", what, path);
	pipe = popen(command, "re");
	cr_assert_not_null(pipe);
	length = fread(output, 1, sizeof(output) - 1, pipe);
	output[length] = '\0';
	code = WEXITSTATUS(pclose(pipe));
	if (path[0])
		unlink(path);
	if (code == 77)
		cr_skip_test("%s", output);
	cr_expect_eq(code, 0, "%s", output);
}

Test(trace_metrics, promtool_likes_the_text, .timeout = 60)
{
	char path[32];

	write_everything(path);
	check("metrics", path);
}

Test(trace_metrics, alert_rules_fire_when_they_must, .timeout = 60)
{
	check("rules", "");
}

Test(trace_metrics, the_scrape_configuration_is_one, .timeout = 60)
{
	check("scrape", "");
}

Test(trace_metrics, the_dashboard_asks_for_what_there_is, .timeout = 60)
{
	char path[32];

	write_everything(path);
	check("dashboard", path);
}
