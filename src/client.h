/* SPDX-License-Identifier: MIT
 *
 * A client from the inside; its bindings and calls are in bindings.h. The files that share it: client.c (the
 * public face), round.c (resolve, attempts, backoff), session.c (protocol and setup on a connection), bind.c,
 * invoke.c, told.c (changes and errors for the user), status.c.
 */
#ifndef HAWSER_CLIENT_INTERNAL_H
#define HAWSER_CLIENT_INTERNAL_H

#include "core/binding.h"
#include "core/connection.h"
#include "core/histogram.h"
#include "core/requests.h"
#include "loop.h"
#include "net/target.h"
#include "wire.h"
#include <hawser/binding.h>
#include <hawser/client.h>
#include <hawser/protocol.h>
#include <hawser/status.h>

/* What went wrong, as it is kept until somebody is told. text is static, its owner's host_words, or NULL. */
struct failure {
	int code; /* 0: nothing */
	uint8_t stage;
	uint8_t cause;
	uint8_t fate;
	const char *text;
};

/* An operation of a round: a lookup or a connect. It outlives the client's interest in it: abandoned, it ends
 * quietly. */
struct errand {
	hawser_client *client;
	uint64_t id;
	uint64_t began_ns;
	uint32_t attempt; /* for its probe: the client may be further when it ends */
	bool abandoned;
};

/* A change of state on its way to the user. */
struct note {
	struct task task;
	hawser_client *client;
	uint8_t from;
	uint8_t to;
	uint32_t round;
	uint32_t attempt;
	const char *why;
	uint64_t retry_at_ns; /* of a wait */
	struct failure failure;
	uint32_t failed_attempt; /* the failure's: the change may be about the next one */
	struct brief_address failed_at;
};

/* One remembered attempt: 48 bytes (design.md). */
struct past_attempt {
	uint64_t ended_ms : 48; /* since the client was made: some 8900 years */
	uint64_t family : 8;    /* AF_INET, AF_INET6; AF_UNSPEC: a lookup; others have one address, the
				   target's own */
	uint64_t stage : 4;
	uint64_t cause : 4;
	uint32_t round;
	uint32_t attempt;
	uint32_t resolve_us;
	uint32_t connect_us;
	uint32_t setup_us;
	int16_t code;
	uint16_t port; /* network byte order */
	uint8_t bytes[16];
};
_Static_assert(HAWSER_STAGES <= 16 && HAWSER_CAUSES <= 16, "they fit into four bits");
_Static_assert(sizeof(struct past_attempt) <= 48, "design.md promises at most 48 bytes");

struct setup {
	hawser_client *client;
	uint64_t began_ns;
	char *service;
	char *method;
	void *request;
	size_t request_size;
	size_t service_size;
	size_t method_size;
	struct hawser_setup_options options; /* its strings are the copies above */
	hawser_on_setup told;
	void *user;
	bool pending; /* its one answer is owed */
	struct failure failure;
	struct task task;
};

struct counters {
	uint64_t connections;
	uint64_t losses;
	uint64_t rebinds;
	uint64_t bytes_sent;
	uint64_t bytes_received;
	uint32_t causes[HAWSER_CAUSES];
	struct histogram ready_time;
};

enum request_kind { REQUEST_BINDING = HAWSER_REQUEST_BIND, REQUEST_CALL = HAWSER_REQUEST_CALL };

/* One established connection: the wire and the protocol on it. Detached when the client has left it. */
struct hawser_connection {
	struct wire wire; /* first: the wire's owner functions find it by it */
	hawser_client *client;
	struct requests requests;
	uint64_t next_id;
	uint64_t frame_end; /* of the frame that is being received, in the stream */
	const struct hawser_protocol *protocol;
	bool attached;
	bool handshake_done;
	bool in_setup;
	bool opened;
	bool asking; /* the protocol's bind or invoke is on the stack: it may not answer yet */
	_Alignas(16) unsigned char state[];
};

enum client_next {
	NEXT_NONE,
	NEXT_RESOLVED,
	NEXT_ATTEMPT_FAILED,
	NEXT_FAILED,
	NEXT_PREPARED,
	NEXT_HANDED_OVER
};

struct hawser_client {
	struct connection connection; /* first: the machine's effects find the client by it */
	hawser_loop *loop;
	struct list link; /* of the loop's clients, until closed */
	uint64_t number;  /* for logs and traces */
	const char *target_text;
	const char *name;
	struct {
		enum target_kind kind;
		uint16_t port;
		uint16_t host_at; /* of a name: where it stands in the text */
		uint16_t host_size;
		int fd;
	} target;
	const struct hawser_protocol *protocol;
	struct socket_options *socket_options; /* NULL: the defaults */
	void *user;
	hawser_on_change on_change;
	hawser_on_data on_data;
	hawser_on_writable on_writable;
	hawser_on_handover on_handover;

	uint32_t resolve_deadline_ms;
	uint32_t attempt_deadline_ms;
	uint32_t setup_deadline_ms;
	uint32_t bind_deadline_ms;
	uint32_t call_deadline_ms;
	uint32_t drain_deadline_ms;
	uint32_t overall_deadline_ms;
	uint32_t requests_max;
	uint32_t unsent_bytes_max;
	uint32_t peer_uid;

	/* The round that goes on. */
	struct errand *errand;
	struct address *addresses; /* those a name resolved to */
	uint32_t addresses_count;
	uint32_t addresses_next;
	uint32_t resolve_us;
	uint32_t connect_us;
	uint64_t attempt_began_ns;
	uint64_t connected_ns;
	struct address address; /* of the last attempt; a name has none before */
	struct timer timer;     /* of the state: lookup, backoff, setup or drain */
	struct timer overall_timer;
	struct timer useful_timer; /* 10 s ready */
	struct failure failure;    /* the last one */
	char *host_words;          /* its text, when that is the host's */
	uint64_t moved_ns;
	uint64_t born_ns;
	struct post retry_post; /* retry_now, from any thread */
	atomic_bool retry_posted;

	hawser_connection *session; /* from connected to gone */
	struct list bindings;       /* in the order of the calls */
	uint32_t requests_count;    /* bindings and calls that have not ended */
	uint32_t waiting_bytes;     /* of calls that wait for their binding */
	uint32_t busy;              /* errands and wires that have not come back */
	struct setup *setup;
	struct socket_peer peer;
	struct list watch_link; /* among the clients of its directory */
	struct directory *directory;

	struct task step_task; /* released, drained, lost: found out in an effect or an API call, done from
				  the loop */
	struct task writable_task;
	struct task handover_task;
	struct task end_task;   /* gives the memory back */
	struct note *last_note; /* queued and not yet told */
	bool spare_note_used;
	char *texts; /* target, name and device in one piece */
	size_t texts_size;
	struct note spare_note; /* when the slab has none */
	struct counters counters;
	uint64_t sent_completely; /* of the last connection, for hawser_client_sent */
	uint64_t sent_possibly;
	uint8_t attempts_kept; /* asked for */
	uint8_t attempts_room; /* 1 while there is but the first */
	uint8_t attempts_count;
	uint8_t attempts_next;
	bool fail_fast;
	bool half_close;
	bool queue_drained; /* the connection's, after it had refused something */
	bool wants_room;    /* a request was refused for want of room: on_writable is owed */
	bool held;          /* the owner has not freed the handle */
	bool is_unix;       /* the target is a unix socket, or an adopted descriptor that is one */
	bool peer_known;
	bool round_open; /* a round was begun and has not succeeded or failed: its time is counted to ready */
	bool path_hit;   /* the path appeared while a round was going on */
	bool over;       /* end_task has run but for a retry_post that is still on its way */
	uint8_t next;    /* enum client_next: what an effect found out at once */
	int handed_fd;   /* on its way to the user; -1 */
	int pending_fd;  /* connected, on its way into a session */
	struct failure next_failure;
	struct failure end;            /* what bindings and setup are told when the client closes */
	struct past_attempt *attempts; /* the first, until there is another one */
	struct past_attempt first_attempt;
};

/* client.c */
void client_release_when_done(hawser_client *client);
int client_enter(hawser_client *client);
static inline bool client_is_over(const hawser_client *client)
{
	return client->connection.state >= CONNECTION_closing;
}
static inline bool client_is_connected(const hawser_client *client)
{
	return client->session != NULL;
}
/* Room for one more binding or call? 0, -ENOBUFS. */
int client_take_request(hawser_client *client);
void client_give_request(hawser_client *client);
void client_untake_request(hawser_client *client); /* it was refused after all: nothing has become free */
/* Less is waiting: is there room again for one who was refused? */
void client_look_for_room(hawser_client *client);
void client_stop(hawser_client *client, int code, const char *text);

/* attempt.c */
void lookup_start(hawser_client *client);
void attempt_begin(struct connection *connection); /* an effect */
void errand_abandon(hawser_client *client);
/* Ended from outside: the attempt or lookup that goes on, if one does. */
void attempt_remember_cut(hawser_client *client, const struct failure *failure);
/* The attempt, or the lookup, that has ended: failed, or NULL: ready. As of loop->now_ns: whatever ended it
 * has read the clock. */
void attempt_remember(hawser_client *client, const struct failure *failure);

/* round.c, advance.c */
extern const struct connection_effects client_effects;
void client_fire(hawser_client *client, enum connection_event event);
/* A round or connection failed: decides between another round and the end. */
void client_fail(hawser_client *client, const struct failure *failure);
/* Makes it the client's last failure and counts its cause. */
void client_failure_take(hawser_client *client, const struct failure *failure);
void client_next(hawser_client *client, enum client_next next, const struct failure *failure);
void client_give_up(hawser_client *client, const struct failure *failure);
void client_retry(hawser_client *client); /* the backoff is over at once, if one is going on */
void client_timers_init(hawser_client *client);
void client_path_appeared(hawser_client *client, uint64_t delay_ns); /* the watch's hit */

/* session.c */
int session_begin(hawser_client *client, int fd);
void session_end(
    hawser_client *client, const struct failure *failure); /* all is told; the wire goes by itself */
void session_drain_queue(hawser_client *client);
void session_fail(hawser_client *client, const struct failure *failure);
void session_hand_over(hawser_client *client);
bool session_answered(const hawser_client *client); /* nothing is awaited and nothing unsent */
void session_look_for_end(hawser_client *client);   /* after an answer: a drain may be done */
bool session_in_effect(const hawser_client *client);
static inline bool session_takes_requests(const hawser_client *client)
{
	return client->connection.state == CONNECTION_ready;
}

/* setup.c */
void setup_begin(hawser_client *client);
void setup_answer(hawser_client *client, const struct failure *failure); /* NULL: done */
void setup_done(hawser_client *client);
void setup_free(hawser_client *client);

/* told.c */
void tell_change(hawser_client *client, enum connection_state from, const char *why);
void tell_change_settled(
    hawser_client *client); /* its effect has run: it names the round and attempt it led to */
/* Fills what the user sees; client may be NULL. */
void error_fill(struct hawser_error *error, hawser_loop *loop, const hawser_client *client,
    const struct failure *failure, uint64_t began_ns);
const char *failure_text(const struct failure *failure);
/* Keeps the host's sentence in *kept instead of the one before; NULL when there is none, or no memory. */
const char *words_keep(struct memory *memory, char **kept, const char *text);
void words_drop(struct memory *memory, char **kept);
enum hawser_cause cause_of(int code, enum hawser_stage stage);
void failure_set(struct failure *failure, int code, enum hawser_stage stage, const char *text);

/* watch.c */
void watch_join(hawser_client *client);
void watch_leave(hawser_client *client);
void watches_close(hawser_loop *loop);

#include "bindings.h"

#endif
