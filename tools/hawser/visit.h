/* SPDX-License-Identifier: MIT
 *
 * What the commands that connect have in common: one loop, one client, the command's deadline, Ctrl-C, the
 * progress line, and one end.
 */
#ifndef HAWSER_TOOL_VISIT_H
#define HAWSER_TOOL_VISIT_H

#include "options.h"
#include "outcome.h"

struct visit;

/* What a command wants to be told. Each may be NULL; none is called after the visit's end. */
struct visit_events {
	void (*changed)(struct visit *visit, const struct hawser_change *change);
	/* Ready; or with protocol none: verified and handed over. */
	void (*ready)(struct visit *visit);
	/* An event of the binding; its ends fail the visit afterwards. */
	void (*binding)(struct visit *visit, hawser_binding *binding, enum hawser_binding_event event,
	    const struct hawser_error *error);
	void (*deadline)(struct visit *visit); /* NULL: it fails the visit */
};

struct visit {
	const struct options *options;
	const struct visit_events *events;
	hawser_loop *loop;
	hawser_client *client;
	hawser_binding *binding; /* of the SERVICE, if one was given */
	hawser_timer *deadline;
	hawser_timer *tick; /* of the progress line */
	uint64_t began_ns;
	uint64_t bind_began_ns; /* ready, with a SERVICE to be bound */
	uint32_t losses;
	enum phase phase;
	bool over;
	enum exit_code exit_code;
	struct outcome outcome; /* when the end was a failure: exit_code is its own */
};

/* Makes the loop, the client, and the binding of the SERVICE, and runs until one of the ends below, a signal,
 * or the client's own end. What there is then can be looked at until visit_close. */
void visit_run(struct visit *visit, const struct options *options, const struct visit_events *events);

void visit_end(struct visit *visit, enum exit_code exit_code);
void visit_fail(struct visit *visit, const struct hawser_error *error);
/* The same for what no callback told; text must outlive the call only. */
void visit_fail_with(struct visit *visit, int code, enum hawser_stage stage, const char *text);

/* Milliseconds left of --deadline-ms, at least 1; HAWSER_NONE without one. From now on they are the caller's
 * to keep. */
uint32_t visit_take_deadline_ms(struct visit *visit);

/* Tells the failure, if there was one, and frees everything: the exit code. */
enum exit_code visit_close(struct visit *visit);

#endif
