/* SPDX-License-Identifier: MIT
 *
 * How a command ended when it did not end well: the error, kept beyond its callback, the exit code it means,
 * and what it looks like to a person and to a program.
 */
#ifndef HAWSER_TOOL_OUTCOME_H
#define HAWSER_TOOL_OUTCOME_H

#include "options.h"

/* How far a command had come. */
enum phase { PHASE_CONNECT, PHASE_BIND, PHASE_CALL };

struct outcome {
	enum exit_code exit_code;
	struct hawser_error error; /* its pointers lead to the two below */
	char address[HAWSER_ADDRESS_MAX];
	char text[512];
	uint64_t elapsed_ns; /* of the whole command */
	/* When --deadline-ms ended the command: code, stage and cause of what had failed last, else code 0.
	 */
	struct hawser_error last;
};

void outcome_set(struct outcome *outcome, const struct hawser_error *error, enum phase phase);

/* The failure as words on standard error, or as a JSON line on standard output; nothing when quiet. */
void outcome_print(const struct outcome *outcome, const struct options *options);

/* One sentence on what to do about it. */
const char *advice_for(const struct hawser_error *error, const struct options *options);

#endif
