/* SPDX-License-Identifier: MIT
 *
 * What was measured, for people and for programs, and whether the bars are held.
 */
#ifndef HAWSER_BENCH_REPORT_H
#define HAWSER_BENCH_REPORT_H

#include "bench.h"
#include "statistics.h"

/* Bytes of the library's memory for a connected client that does nothing. */
enum { MEMORY_BAR = 2048 };

struct comparison {
	enum variant_key of;
	enum variant_key over;
	double bar; /* 0: none */
};

enum { COMPARISONS = 4, COMPARISONS_WITH_BAR = 2 };
extern const struct comparison comparisons[COMPARISONS]; /* those with a bar first */

struct machine {
	char kernel[160];
	char processor[128];
};
void machine_read(struct machine *ret_machine);

struct ratio wall_ratio(
    const struct contest *contest, const struct results *results, enum variant_key of, enum variant_key over);
struct ratio cpu_ratio(
    const struct contest *contest, const struct results *results, enum variant_key of, enum variant_key over);

/* Judged by CPU time, which other programs on the machine stretch less than wall time: the ratio of medians.
 */
bool bars_are_held(const struct results *results);

void report_text(const struct options *options, const struct results *results);
void report_json(const struct options *options, const struct results *results);

/* traced_report.c */
void traced_text(const struct options *options, const struct results *results);
void traced_json(const struct options *options, const struct results *results);

/* What the reports for people share: columns of a fixed width. */
void text_head_print(const struct options *options, const struct results *results);
void text_spread_print(struct spread spread);
void text_ratio_print(struct ratio ratio);

/* What those for programs share. */
void json_head_print(const struct options *options, const struct results *results);
void json_spread_print(const char *name, struct spread spread);
void json_ratio_print(const char *name, struct ratio ratio);

#endif
