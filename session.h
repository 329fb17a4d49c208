/* SPDX-License-Identifier: MIT
 *
 * What the commands that connect have in common: one loop, one client, the command's deadline, Ctrl-C, the
 * progress line, and one end.
 */
#ifndef HAWSER_TOOL_SESSION_H
#define HAWSER_TOOL_SESSION_H

#include "exits.h"
#include "options.h"
#include "outcome.h"

struct session;

/* What a command wants to be told. Each may be NULL; none is called after the session's end. */
struct session_events {
	/* Every change of the client. */
	void (*changed)(struct session *session, const struct hawser_change *change);
	/* Ready; or with protocol none: verified, and handed over. */
	void (*ready)(struct session *session);
	/* Instead of the usual end, when the client will not try again. */
	bool keeps_deadline_to_itself;
};

struct session {
	const struct options *options;
	const struct session_events *events;
	void *user;
	hawser_loop *loop;
	hawser_client *client;
	hawser_binding *binding;
	hawser_timer *deadline;
	hawser_timer *tick; /* of the progress line; NULL without one */
	uint64_t began_ns;
	uint64_t ready_ns;
	enum phase phase;
	bool over;
	enum exit_code exit_code;
	struct outcome outcome; /* when exit_code came from an error */

	/* For the progress line: the change there was last, and when its wait ends. */
	enum hawser_state state;
	uint64_t changed_ns;
	uint64_t retry_at_ns;
	uint32_t round;
	char reason[128];
};

/* Makes loop and client. 0, or an exit code after the failure was printed. */
int session_open(struct session *session, const struct options *options, const struct session_events *events,
    void *user);

/* Asks for the service of the command line; told by callback(session). */
int session_bind(struct session *session, hawser_on_binding callback);

/* Runs until one of the two below, or a signal. */
enum exit_code session_run(struct session *session);
void session_end(struct session *session, enum exit_code exit_code);
void session_fail(struct session *session, const struct hawser_error *error);

/* A failure of an API call on the spot. */
void session_fail_with(struct session *session, int code, enum hawser_stage stage, const char *text);

/* Milliseconds that are left of --deadline-ms, at least 1; HAWSER_NONE without one. */
uint32_t session_left_ms(const struct session *session);

/* Of the last attempt, which became ready. */
struct hawser_attempt_status session_attempt(const struct session *session);

/* Prints the failure, if there was one; frees everything. */
void session_close(struct session *session);

#endif
