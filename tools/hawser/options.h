/* SPDX-License-Identifier: MIT
 *
 * What was asked of the command `hawser`, and the exit codes it answers with.
 */
#ifndef HAWSER_TOOL_OPTIONS_H
#define HAWSER_TOOL_OPTIONS_H

#include <hawser/hawser.h>
#include <stdbool.h>
#include <stdint.h>

/* Scripts depend on these: a number never changes its meaning. */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_NOT_CONNECTED = 1, /* also: hawser could not do its work (no engine, output not written) */
	EXIT_USAGE = 2,
	EXIT_NOT_BOUND = 3,
	EXIT_CALL_FAILED = 4,
	EXIT_DEADLINE = 5,
	EXIT_IDENTITY = 6,
	EXIT_SIGNAL = 128, /* and the signal's number: 130 is Ctrl-C */
};

enum command {
	COMMAND_CONNECT,
	COMMAND_BIND,
	COMMAND_INVOKE,
	COMMAND_WATCH,
	COMMAND_STATUS,
	COMMAND_DIAGRAM,
	COMMANDS
};

enum { WORDS_MAX = 4 };

struct options {
	enum command command;
	const char *words[WORDS_MAX]; /* TARGET SERVICE METHOD TEXT, or TABLE; NULL where none was given */
	bool help;

	uint32_t engine;  /* enum hawser_engine_choice */
	uint32_t backoff; /* enum hawser_backoff_preset */
	const char *protocol;
	uint32_t attempts;    /* rounds; HAWSER_NONE */
	uint32_t deadline_ms; /* of the whole command; HAWSER_NONE */
	uint32_t peer_uid;    /* HAWSER_AUTO */
	uint32_t count;       /* HAWSER_NONE */

	const char *hex;  /* the payload of a call: at most one of words[3], hex and file */
	const char *file; /* "-": standard input */
	bool hex_output;
	const char *output; /* replies as they came go there; "-": standard output */

	bool dot;
	bool json;
	bool quiet;
	bool verbose;
};

#define TARGET(options) ((options)->words[0])
#define SERVICE(options) ((options)->words[1])
#define METHOD(options) ((options)->words[2])
#define TEXT(options) ((options)->words[3])

/* Takes the command's name and what follows it. 0, or EXIT_USAGE after one sentence. */
int options_parse(enum command command, int count, char **words, struct options *ret_options);
/* The lines of --help about the options of one command. */
void options_print(enum command command);
/* What the words mean together, and defaults that depend on them. 0, or EXIT_USAGE after one sentence. */
int options_check(struct options *options);

/* One sentence on standard error: EXIT_USAGE. command may be COMMANDS. */
__attribute__((format(printf, 2, 3))) int usage_refuse(enum command command, const char *format, ...);

const char *command_name(enum command command);

void help_print(void);
void help_print_command(enum command command);

enum exit_code command_connect(const struct options *options);
enum exit_code command_bind(const struct options *options);
enum exit_code command_invoke(const struct options *options);
enum exit_code command_watch(const struct options *options);
enum exit_code command_status(const struct options *options);
enum exit_code command_diagram(const struct options *options);

#endif
