/* SPDX-License-Identifier: MIT
 *
 * The command line of `hawser-bench connect`.
 */
#ifndef HAWSER_BENCH_OPTIONS_H
#define HAWSER_BENCH_OPTIONS_H

#include "bench.h"

enum { EXIT_USAGE = 2, EXIT_NOT_HERE = 77 };

enum options_verdict { OPTIONS_RUN, OPTIONS_HELP_SHOWN, OPTIONS_WRONG };

/* Starts from the defaults; arguments[0] is the subcommand. What is wrong was said on stderr. */
enum options_verdict options_parse(int count, char **arguments, struct options *ret_options);

#endif
