/* SPDX-License-Identifier: MIT
 *
 * What the words of a command line mean together.
 */
#ifndef HAWSER_TOOL_CHECK_H
#define HAWSER_TOOL_CHECK_H

struct options;

/* Fills in what depends on other words; EXIT_USAGE after one sentence when they cannot be meant. */
int options_check(struct options *options);

#endif
