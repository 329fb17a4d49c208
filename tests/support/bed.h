/* SPDX-License-Identifier: MIT
 *
 * A bed: a loop of the library under test, a host to talk to, and a log of everything its clients, bindings
 *and calls are told, a line each, so that a test reads as what a user would see.
 *
 *	CLIENT_TEST(bindings, a13_queued_binds_are_sent_in_order)
 *	{
 *		hawser_client *client = bed_client(bed, NULL);
 *		bed_bind(bed, client, "Echo");
 *		bed_host(bed, NULL);
 *		bed_wait(bed, "Echo bound");
 *	}
 *
 * Every such test runs on both engines, with ordinary and with tiny rings. The bed checks for all of them: no
 *callback runs inside an API call made through it (bed_enter, bed_leave), no descriptor and no byte of the
 *loop's memory is left over.
 *
 * Lines:
 *	client ready                               client waiting connect ECONNREFUSED refused
 *	Echo bound                                 Echo lost receive ECONNRESET lost
 *	Echo refused bind ECONNREFUSED refused     Echo released ECANCELED none cancelled
 *	reply hello                                more 1
 *	call ETIMEDOUT call deadline, maybe executed
 *	data +OK                                   setup done      setup ECANCELED none cancelled
 */
#ifndef TESTS_SUPPORT_BED_H
#define TESTS_SUPPORT_BED_H

#include "engine_rig.h"
#include "host.h"
#include <hawser/hawser.h>
#include <stdatomic.h>

enum { BED_LOG_MAX = 1 << 20, BED_PATIENCE_MS = 10000, BED_HANDLES_MAX = 2048 };

struct bed {
	const struct rig_kind *kind;
	hawser_loop *loop;
	struct host host;
	char directory[HOST_PATH_BYTES];
	char target[HOST_TARGET_BYTES]; /* unix, in the directory */
	char *log;
	size_t length;
	size_t mark;           /* bed_wait looks from here on */
	atomic_size_t memory;  /* the loop's, and nothing may be left */
	atomic_bool overdrawn; /* more was released than there was, in whatever thread */
	atomic_long refuse_at; /* fail this allocation from now on; 0: none */
	unsigned descriptors;
	bool inside;    /* an API call is on the stack */
	bool loop_gone; /* the test freed the loop itself */
	hawser_client *clients[BED_HANDLES_MAX];
	size_t clients_count;
	hawser_binding *bindings[BED_HANDLES_MAX];
	size_t bindings_count;
	/* Called with each line as it is told, from within the callback: whatever it does is legal there.
	 * handle is the client, the binding or the call. */
	void (*told)(struct bed *bed, const char *line, void *handle);
	void *user;
};

/* Nothing of it may block the loop: a turn that does not return ends the test much sooner. */
#define CLIENT_TEST_NEVER_BLOCKS(suite, name) CLIENT_TEST_WITHIN(suite, name, 6)
#define CLIENT_TEST(suite, name) CLIENT_TEST_WITHIN(suite, name, 60)
#define CLIENT_TEST_WITHIN(suite, name, seconds)                                          \
	static void suite##_##name(struct bed *bed);                                      \
	ParameterizedTestParameters(suite, name)                                          \
	{                                                                                 \
		return cr_make_param_array(struct rig_kind, rig_kinds, RIG_KINDS);        \
	}                                                                                 \
	ParameterizedTest(const struct rig_kind *kind, suite, name, .timeout = (seconds)) \
	{                                                                                 \
		struct bed bed;                                                           \
                                                                                          \
		bed_open(&bed, kind);                                                     \
		suite##_##name(&bed);                                                     \
		bed_close(&bed);                                                          \
	}                                                                                 \
	static void suite##_##name(struct bed *bed)

void bed_open(struct bed *bed, const struct rig_kind *kind);
/* Frees every handle that the bed still has, then the loop. */
void bed_close(struct bed *bed);

/* API calls that must not call back are made between these two. */
#define bed_call(bed, call)                    \
	({                                     \
		bool bed_was_ = (bed)->inside; \
		__typeof__(call) bed_result_;  \
		(bed)->inside = true;          \
		bed_result_ = (call);          \
		(bed)->inside = bed_was_;      \
		bed_result_;                   \
	})

/* Starts hawser-host on the bed's target; more arguments may be NULL or HOST_ARGUMENTS(...) without a target.
 */
void bed_host(struct bed *bed, const char *const *arguments);
/* The same on another target ("tcp:127.0.0.1:0"); host_target(&bed->host, 0) is the real one. */
void bed_host_on(struct bed *bed, const char *target, const char *const *arguments);

/* A client with these options, or defaults, whose callbacks are the bed's; target NULL becomes the bed's own.
 */
hawser_client *bed_client(struct bed *bed, const struct hawser_client_options *options);
int bed_client_try(struct bed *bed, const struct hawser_client_options *options, hawser_client **ret_client);
hawser_binding *bed_bind(struct bed *bed, hawser_client *client, const char *service);
hawser_binding *bed_bind_with(
    struct bed *bed, hawser_client *client, const struct hawser_bind_options *options);
/* The call's handle is the bed's; lines name no call unless the arguments come back. */
int bed_invoke(struct bed *bed, hawser_binding *binding, const char *method, const char *arguments);
void bed_forget_client(struct bed *bed, hawser_client *client); /* the test frees it itself */
void bed_forget_binding(struct bed *bed, hawser_binding *binding);

void bed_on_change(hawser_client *client, const struct hawser_change *change, void *user);
void bed_on_binding(
    hawser_binding *binding, enum hawser_binding_event event, const struct hawser_error *error, void *user);
void bed_on_reply(hawser_call *call, const struct hawser_bytes *reply, bool more,
    const struct hawser_error *error, void *user);
void bed_on_data(hawser_client *client, const struct hawser_bytes *data, void *user);
void bed_on_setup(hawser_client *client, const struct hawser_error *error, void *user);
void bed_on_writable(hawser_client *client, void *user);

/* Runs the loop until a line with these words comes (looking on from behind the last one found). Fails the
 * test when it does not come in BED_PATIENCE_MS. */
void bed_wait(struct bed *bed, const char *words);
unsigned bed_patience_ms(void);
/* Runs the loop for so long, or until nothing is left to do. */
void bed_run_ms(struct bed *bed, unsigned ms);
/* Turns that do not wait: what is queued is told. */
void bed_settle(struct bed *bed);

/* How often these words stand in the log, anywhere. */
unsigned bed_count(const struct bed *bed, const char *words);
/* Fails unless a line with `first` comes before the first line with `then`. */
void bed_expect_order(const struct bed *bed, const char *first, const char *then);
void bed_note(struct bed *bed, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
