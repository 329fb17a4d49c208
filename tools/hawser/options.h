/* SPDX-License-Identifier: MIT
 *
 * The command line of hawser: which commands there are, and what was asked of one.
 */
#ifndef HAWSER_TOOL_OPTIONS_H
#define HAWSER_TOOL_OPTIONS_H

#include <hawser/hawser.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum command {
	COMMAND_CONNECT,
	COMMAND_BIND,
	COMMAND_INVOKE,
	COMMAND_WATCH,
	COMMAND_STATUS,
	COMMAND_DIAGRAM,
	COMMANDS
};

enum arguments_kind { ARGUMENTS_NONE, ARGUMENTS_TEXT, ARGUMENTS_HEX, ARGUMENTS_FILE };

enum reply_format {
	REPLY_AUTO, /* text on a terminal, raw elsewhere */
	REPLY_RAW,
	REPLY_TEXT,
	REPLY_HEX,
};

enum { SEND_FDS_MAX = 16 };

struct options {
	enum command command;
	const char *positional[3]; /* what the command calls them: TARGET SERVICE METHOD, or TABLE KIND */
	bool help;

	uint32_t engine;  /* enum hawser_engine_choice */
	uint32_t backoff; /* enum hawser_backoff_preset */
	const char *protocol;
	uint32_t attempts;            /* rounds; HAWSER_NONE */
	uint32_t deadline_ms;         /* of the whole command; HAWSER_NONE */
	uint32_t attempt_deadline_ms; /* HAWSER_AUTO */
	uint32_t timeout_ms;          /* of the bind and of the call; HAWSER_AUTO */
	uint32_t peer_uid;            /* HAWSER_AUTO */
	bool fail_fast;

	enum arguments_kind arguments_kind;
	const char *arguments; /* text, digits or a path */
	const char *send_fds[SEND_FDS_MAX];
	size_t send_fds_count;
	enum reply_format format;

	uint32_t count;       /* HAWSER_NONE */
	uint32_t duration_ms; /* HAWSER_NONE */

	bool json;
	bool quiet;
	bool verbose;
};

#define TARGET(options) ((options)->positional[0])
#define SERVICE(options) ((options)->positional[1])
#define METHOD(options) ((options)->positional[2])

/* Takes what follows the command's name. Anything wrong is said in one sentence: EXIT_USAGE; else 0. */
int options_parse(enum command command, int count, char **words, struct options *ret_options);

/* One sentence about the command line, where errors go: EXIT_USAGE. command may be COMMANDS. */
__attribute__((format(printf, 3, 4))) int usage_refuse(
    enum command command, bool json, const char *format, ...);

/* The lines of --help about the options of one command. */
void options_print(enum command command, FILE *file);

const char *command_name(enum command command);
/* COMMANDS: there is no such command. */
enum command command_find(const char *name);

#endif
