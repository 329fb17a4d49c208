/* SPDX-License-Identifier: MIT
 *
 * What the user is told of a client: changes of its state, each once and in order, and failures as errors
 * with a cause and a sentence.
 *
 * A change is a note from the loop's slab; when memory is short the client's spare note serves, and when that
 * is on its way too the newest waiting note is stretched to the newer state, so that `from` always continues
 * the last `to`.
 */
#include "client.h"
#include "probes.h"

#include <errno.h>
#include <string.h>

enum { HOST_WORDS_MAX = 255 };

enum hawser_cause cause_of(int code, enum hawser_stage stage)
{
	switch (-code) {
	case 0:
		return HAWSER_CAUSE_NONE;
	case ECONNREFUSED:
		return HAWSER_CAUSE_REFUSED;
	case ENOENT:
	case ENOTDIR:
		return HAWSER_CAUSE_NO_HOST;
	case ETIMEDOUT:
		return stage == HAWSER_STAGE_RECEIVE || stage == HAWSER_STAGE_SEND ? HAWSER_CAUSE_LOST
										   : HAWSER_CAUSE_DEADLINE;
	case EAGAIN:
		return stage == HAWSER_STAGE_RESOLVE ? HAWSER_CAUSE_NO_HOST : HAWSER_CAUSE_BACKLOG_FULL;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENETDOWN:
	case EHOSTDOWN:
	case EACCES:
	case EPERM:
		return stage == HAWSER_STAGE_SOCKET ? HAWSER_CAUSE_LOCAL : HAWSER_CAUSE_UNREACHABLE;
	case EINVAL: /* what a blackhole route answers */
		return stage == HAWSER_STAGE_CONNECT ? HAWSER_CAUSE_UNREACHABLE : HAWSER_CAUSE_LOCAL;
	case EPROTO:
	case EMSGSIZE:
		return HAWSER_CAUSE_PROTOCOL;
	case ECANCELED:
		return HAWSER_CAUSE_CANCELLED;
	case ECONNRESET:
	case EPIPE:
	case ENOTCONN:
		return HAWSER_CAUSE_LOST;
	default:
		return stage == HAWSER_STAGE_RECEIVE || stage == HAWSER_STAGE_SEND ? HAWSER_CAUSE_LOST
										   : HAWSER_CAUSE_LOCAL;
	}
}

void failure_set(struct failure *failure, int code, enum hawser_stage stage, const char *text)
{
	memset(failure, 0, sizeof(*failure));
	failure->code = code;
	failure->stage = (uint8_t)stage;
	failure->cause = (uint8_t)cause_of(code, stage);
	failure->text = text;
}

const char *failure_text(const struct failure *failure)
{
	const char *text;

	if (failure->text)
		return failure->text;
	if (failure->stage == HAWSER_STAGE_CONNECT || failure->stage == HAWSER_STAGE_VERIFY) {
		switch (-failure->code) {
		case ECONNREFUSED:
			return "nobody listens there";
		case EAGAIN:
			return "the host's backlog is full: it does not accept fast enough";
		case ETIMEDOUT:
			return "nobody answered before the attempt's deadline";
		case ENOENT:
			return "nothing is at this path: the host has not started";
		default:
			break;
		}
	}
	if (failure->stage == HAWSER_STAGE_BIND && failure->cause == HAWSER_CAUSE_REFUSED)
		return "the host does not offer this service";
	if (failure->stage == HAWSER_STAGE_RESOLVE && failure->code == -ENOENT)
		return "the name has no address";
	text = strerrordesc_np(-failure->code);
	return text ? text : "an error without a name";
}

void words_drop(struct memory *memory, char **kept)
{
	memory_release(memory, *kept, *kept ? strlen(*kept) + 1 : 0);
	*kept = NULL;
}

const char *words_keep(struct memory *memory, char **kept, const char *text)
{
	size_t length = text ? strnlen(text, HOST_WORDS_MAX) : 0;

	words_drop(memory, kept);
	if (length == 0)
		return NULL;
	*kept = memory_allocate(memory, length + 1);
	if (!*kept)
		return NULL;
	memcpy(*kept, text, length);
	(*kept)[length] = '\0';
	return *kept;
}

void error_fill(struct hawser_error *error, hawser_loop *loop, const hawser_client *client,
    const struct failure *failure, uint64_t began_ns)
{
	uint64_t now_ns = hawser_loop_now_ns(loop);

	memset(error, 0, sizeof(*error));
	error->code = failure->code;
	error->stage = failure->stage;
	error->cause = failure->cause;
	error->fate = failure->fate;
	error->elapsed_ns = now_ns > began_ns ? now_ns - began_ns : 0;
	error->address = "";
	error->text = failure_text(failure);
	if (!client)
		return;
	error->round = client->connection.round;
	error->attempt = client->connection.attempt;
	if (client->connection.state == CONNECTION_waiting && client->timer.deadline_ns > now_ns)
		error->next_retry_ns = client->timer.deadline_ns - now_ns;
	if (client->address.size)
		error->address = address_format(&client->address, loop->address, sizeof(loop->address));
}

static void note_free(struct note *note)
{
	hawser_client *client = note->client;

	if (client->last_note == note)
		client->last_note = NULL;
	if (note == &client->spare_note)
		client->spare_note_used = false;
	else
		slots_give(&client->loop->note_slots, note);
}

static void tell(struct task *task)
{
	struct note *note = container_of(task, struct note, task);
	hawser_client *client = note->client;
	hawser_loop *loop = client->loop;
	struct hawser_change change = {
	    .from = note->from,
	    .to = note->to,
	    .why = note->why,
	    .round = note->round,
	    .attempt = note->attempt,
	    .address = "",
	};
	struct failure failure = note->failure;
	struct address failed_at = address_unbrief(&note->failed_at, &client->address);
	uint32_t failed_attempt = note->failed_attempt;
	uint64_t retry_at_ns = change.to == HAWSER_WAITING ? note->retry_at_ns : 0;
	uint64_t now_ns = retry_at_ns ? hawser_loop_now_ns(loop) : 0;
	char failed_text[ADDRESS_TEXT_MAX];
	struct hawser_error error;

	if (retry_at_ns > now_ns)
		change.next_retry_ns = retry_at_ns - now_ns;
	note_free(note);
	if (!client->held || !client->on_change)
		return;
	if (failure.code) {
		error_fill(&error, loop, client, &failure, client->connection.round_began_ns);
		error.round = change.round;
		error.attempt = failed_attempt;
		error.address = address_format(&failed_at, failed_text, sizeof(failed_text));
		error.next_retry_ns = change.next_retry_ns;
		change.error = &error;
	}
	if (client->address.size)
		change.address = address_format(&client->address, loop->address, sizeof(loop->address));
	PROBE(told, client->number, client->name, (int)change.from, (int)change.to, change.round,
	    change.attempt);
	client->on_change(client, &change, client->user);
}

static struct note *note_new(hawser_client *client)
{
	uint64_t id;
	struct note *note = slots_take(&client->loop->note_slots, &id);

	if (note)
		return note;
	if (client->spare_note_used)
		return NULL;
	client->spare_note_used = true;
	return &client->spare_note;
}

/* The failure that a move into this state is about. */
static struct failure failure_behind(
    const hawser_client *client, enum connection_state from, enum connection_state to)
{
	static const struct failure none;

	if (to >= CONNECTION_closing)
		return client->end.code ? client->end : client->failure;
	if (to == CONNECTION_waiting || (from == to && to == CONNECTION_connecting))
		return client->failure;
	if (to == CONNECTION_resolving && from != CONNECTION_waiting && from != CONNECTION_idle)
		return client->failure;
	return none;
}

static enum hawser_log_level change_level(const hawser_client *client)
{
	return client->connection.state == CONNECTION_waiting ? HAWSER_LOG_WARNING : HAWSER_LOG_INFO;
}

static void log_change(const hawser_client *client, enum connection_state from, const char *why)
{
	enum connection_state to = client->connection.state;
	bool waits = to == CONNECTION_waiting;

	loop_log(client->loop, change_level(client), client, "%s: %s -> %s: %s%s%s", client->name,
	    connection_machine.state_names[from], connection_machine.state_names[to], why, waits ? ": " : "",
	    waits ? failure_text(&client->failure) : "");
}

static void queue_note(hawser_client *client, enum connection_state from, const char *why)
{
	enum connection_state to = client->connection.state;
	struct note *note = note_new(client);

	if (note) {
		task_init(&note->task, tell);
		note->client = client;
		note->from = (uint8_t)from;
		loop_queue(client->loop, &note->task);
		client->last_note = note;
	} else {
		note = client->last_note;
	}
	note->to = (uint8_t)to;
	note->why = why;
	note->round = client->connection.round;
	note->attempt = client->connection.attempt;
	note->failure = failure_behind(client, from, to);
	note->failed_attempt = client->connection.attempt;
	address_brief(&client->address, &note->failed_at);
}

void tell_change(hawser_client *client, enum connection_state from, const char *why)
{
	PROBE(change, client->number, client->name, (int)from, (int)client->connection.state,
	    client->connection.attempt, why);
	if (loop_logs(client->loop, change_level(client)))
		log_change(client, from, why);
	if (client->on_change)
		queue_note(client, from, why);
}

void tell_change_settled(hawser_client *client)
{
	if (!client->last_note)
		return;
	client->last_note->round = client->connection.round;
	client->last_note->attempt = client->connection.attempt;
	client->last_note->retry_at_ns = client->connection.next_round_at_ns;
}
