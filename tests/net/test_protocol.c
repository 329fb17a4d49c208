/* SPDX-License-Identifier: MIT
 *
 * A protocol of the user's own, on hawser/protocol.h alone: lines of text. It has a handshake, services,
 * calls and a setup, so that everything the header offers is used from outside the library.
 */
#include "../support/bed.h"
#include "../support/script.h"

#include <errno.h>
#include <hawser/protocol.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct lines {
	bool greeted;
	uint64_t setup_id;
};

static int send_line(hawser_connection *connection, const char *word, uint64_t id, const char *name,
    const struct hawser_bytes *more)
{
	char head[128];
	struct hawser_bytes parts[3] = {{head, 0}, {NULL, 0}, {"\n", 1}};

	parts[0].size =
	    (size_t)snprintf(head, sizeof(head), "%s %llu %s ", word, (unsigned long long)id, name);
	if (more)
		parts[1] = *more;
	return hawser_connection_send(connection, parts, 3, NULL, 0);
}

static int lines_open(hawser_connection *connection, void *state)
{
	(void)state;
	return send_line(connection, "hello", 0, "lines", NULL) < 0 ? -EIO : 1;
}

static ssize_t lines_frame(void *state, const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);

	(void)state;
	if (!end)
		return size > 256 ? -EMSGSIZE : 0;
	return end - data + 1;
}

static void lines_answer(hawser_connection *connection, struct lines *lines, const char *word, uint64_t id,
    const struct hawser_bytes *rest)
{
	if (id && id == lines->setup_id)
		hawser_connection_check(connection, rest);
	else if (strcmp(word, "bound") == 0)
		hawser_connection_bound(connection, id, hawser_connection_allocate(connection, 8));
	else if (strcmp(word, "no") == 0)
		hawser_connection_failed(connection, id, -EACCES, HAWSER_CAUSE_REFUSED, "the host says no");
	else if (strcmp(word, "neither") == 0) {
		hawser_connection_failed(
		    connection, id, -EACCES, HAWSER_CAUSE_REFUSED, "the first is closed");
		hawser_connection_failed(connection, id + 1, -EACCES, HAWSER_CAUSE_REFUSED, NULL);
		hawser_connection_failed(
		    connection, id + 2, -EACCES, HAWSER_CAUSE_REFUSED, "the third is full");
	} else if (hawser_connection_request_kind(connection, id) == HAWSER_REQUEST_CALL)
		hawser_connection_replied(connection, id, rest, strcmp(word, "more") == 0);
}

static ssize_t lines_receive(hawser_connection *connection, void *state, const uint8_t *data, size_t size)
{
	struct lines *lines = state;
	char line[300];
	char word[16];
	unsigned long long id = 0;
	int rest = 0;
	struct hawser_bytes bytes;

	snprintf(line, sizeof(line), "%.*s", (int)size - 1, (const char *)data);
	if (sscanf(line, "%15s %llu %n", word, &id, &rest) < 1)
		return -EPROTO;
	/* Answers must lie in the frame: they are told when this has returned. */
	bytes = (struct hawser_bytes){data + rest, rest ? strlen(line + rest) : 0};
	if (!lines->greeted) {
		lines->greeted = true;
		hawser_connection_prepared(connection);
		return (ssize_t)size;
	}
	lines_answer(connection, lines, word, id, &bytes);
	return (ssize_t)size;
}

static int lines_bind(hawser_connection *connection, void *state, uint64_t id, const char *service)
{
	(void)state;
	return send_line(connection, "bind", id, service, NULL);
}

static int lines_invoke(hawser_connection *connection, void *state, uint64_t id, void *service,
    const struct hawser_protocol_call *call)
{
	(void)state;
	cr_assert_not_null(service);
	return send_line(connection, call->no_reply ? "tell" : "call", id, call->method, &call->arguments);
}

static void lines_unbind(hawser_connection *connection, void *state, void *service)
{
	(void)state;
	hawser_connection_release(connection, service, 8);
}

static int lines_setup(hawser_connection *connection, void *state, const struct hawser_setup_options *setup)
{
	struct lines *lines = state;

	cr_assert(hawser_connection_in_setup(connection));
	lines->setup_id = hawser_connection_next_id(connection);
	return send_line(connection, "setup", lines->setup_id, setup->service, &setup->request) < 0 ? -EIO
												    : 1;
}

static int closed;

static void lines_close(hawser_connection *connection, void *state)
{
	(void)connection;
	(void)state;
	closed++;
}

static const struct hawser_protocol lines = {
    .size = sizeof(struct hawser_protocol),
    .name = "lines",
    .flags = HAWSER_PROTOCOL_CALLS,
    .connection_size = sizeof(struct lines),
    .frame_max = 256,
    .open = lines_open,
    .frame = lines_frame,
    .receive = lines_receive,
    .bind = lines_bind,
    .invoke = lines_invoke,
    .unbind = lines_unbind,
    .setup = lines_setup,
    .close = lines_close,
};

/* Turns the loop until the client has sent exactly this. */
static void expect(struct script *script, struct bed *bed, const char *text)
{
	char got[512] = "";
	size_t size = 0;

	for (int i = 0; i < 2000 && size < strlen(text); i++) {
		ssize_t more = recv(script->fd, got + size, strlen(text) - size, MSG_DONTWAIT);

		size += more > 0 ? (size_t)more : 0;
		cr_assert_eq(hawser_loop_run_once(bed->loop, more > 0 ? 0 : 5), 0);
	}
	cr_assert_str_eq(got, text);
}

static void answer(struct script *script, const char *text)
{
	script_send_bytes(script, text, strlen(text));
}

CLIENT_TEST(protocol, one_of_the_users_own_has_handshake_setup_bindings_and_calls)
{
	HAWSER_OPTIONS(hawser_client_options, options, .custom_protocol = &lines, .backoff_base_ms = 1,
	    .backoff_cap_ms = 1);
	HAWSER_OPTIONS(
	    hawser_setup_options, setup, .service = "auth", .method = "none", .request = {"me", 2});
	struct script script;
	hawser_client *client;
	hawser_binding *clock;

	script_open(&script, bed);
	client = bed_client(bed, &options);
	cr_assert_eq(bed_call(bed, hawser_client_setup(client, &setup, bed_on_setup, bed)), 0);
	clock = bed_bind(bed, client, "clock");
	bed_bind(bed, client, "vault");
	script_accept(&script, bed);
	expect(&script, bed, "hello 0 lines \n");
	cr_assert_eq(hawser_client_state(client), HAWSER_PREPARING);
	answer(&script, "welcome\n");
	expect(&script, bed, "setup 1 auth me\n");
	answer(&script, "fine 1 x\n");
	bed_wait(bed, "setup done");
	expect(&script, bed, "bind 2 clock \nbind 3 vault \n");
	answer(&script, "no 3\nbou");
	bed_wait(bed, "vault refused bind EACCES refused");
	answer(&script, "nd 2\n");
	bed_wait(bed, "clock bound");
	cr_assert_eq(bed_invoke(bed, clock, "time", "now"), 0);
	cr_assert_eq(bed_call(bed, hawser_invoke(clock, "tick", NULL, 0, NULL, NULL, NULL)), 0);
	expect(&script, bed, "call 4 time now\ntell 5 tick \n");
	answer(&script, "more 4 one\nlast 4 two\nlast 4 three\n");
	bed_wait(bed, "more one");
	bed_wait(bed, "reply two");
	script_hang_up(&script);
	bed_wait(bed, "clock lost");
	cr_assert_eq(closed, 1);
	script_accept(&script, bed);
	expect(&script, bed, "hello 0 lines \n");
	answer(&script, "welcome\n");
	expect(&script, bed, "setup 1 auth me\n");
	answer(&script, "fine 1 x\n");
	expect(&script, bed, "bind 2 clock \n");
	answer(&script, "bound 2\n");
	bed_wait(bed, "clock bound");
	cr_assert_eq(bed_count(bed, "setup"), 1, "told once, run at every connect");
	script_close(&script);
}

CLIENT_TEST(protocol, what_it_forbids_ends_the_connection)
{
	HAWSER_OPTIONS(hawser_client_options, options, .custom_protocol = &lines, .rounds_max = 1);
	struct script script;
	char long_line[300];

	memset(long_line, 'x', sizeof(long_line));
	script_open(&script, bed);
	bed_client(bed, &options);
	script_accept(&script, bed);
	script_send_bytes(&script, long_line, sizeof(long_line));
	bed_wait(bed, "client closed receive EMSGSIZE protocol");
	script_close(&script);
}

CLIENT_TEST(protocol, a_table_that_cannot_work_is_refused)
{
	struct hawser_protocol broken = lines;
	HAWSER_OPTIONS(hawser_client_options, options, .custom_protocol = &broken);
	HAWSER_OPTIONS(hawser_client_options, unknown, .protocol = "gopher");
	hawser_client *client = NULL;

	broken.invoke = NULL;
	cr_assert_eq(bed_client_try(bed, &options, &client), -EINVAL);
	broken = lines;
	broken.size = 4;
	cr_assert_eq(bed_client_try(bed, &options, &client), -EINVAL);
	cr_assert_eq(bed_client_try(bed, &unknown, &client), -EPROTONOSUPPORT);
	cr_assert_null(client);
}

static void tell_text(
    hawser_binding *binding, enum hawser_binding_event event, const struct hawser_error *error, void *user)
{
	bed_note(user, "%s %s: %s", hawser_binding_service(binding), hawser_binding_event_name(event),
	    error->text);
}

CLIENT_TEST(protocol, failures_in_one_frame_keep_their_own_words)
{
	HAWSER_OPTIONS(hawser_client_options, options, .custom_protocol = &lines);
	struct script script;
	hawser_client *client;

	script_open(&script, bed);
	client = bed_client(bed, &options);
	for (int i = 0; i < 3; i++) {
		const char *const services[] = {"clock", "vault", "attic"};

		cr_assert_eq(bed_call(bed, hawser_bind(client, services[i], tell_text, bed, NULL)), 0);
	}
	script_accept(&script, bed);
	expect(&script, bed, "hello 0 lines \n");
	answer(&script, "welcome\n");
	expect(&script, bed, "bind 1 clock \nbind 2 vault \nbind 3 attic \n");
	answer(&script, "neither 1\n");
	bed_wait(bed, "clock refused: the first is closed");
	bed_wait(bed, "vault refused: the host does not offer this service");
	bed_wait(bed, "attic refused: the third is full");
	script_close(&script);
}

static int hasty_bind(hawser_connection *connection, void *state, uint64_t id, const char *service)
{
	void *mine = hawser_connection_allocate(connection, 8);

	if (strcmp(service, "yes") == 0)
		hawser_connection_bound(connection, id, mine);
	else
		hawser_connection_release(connection, mine, 8);
	if (strcmp(service, "no") == 0)
		hawser_connection_failed(connection, id, -EACCES, HAWSER_CAUSE_REFUSED, "too early");
	return lines_bind(connection, state, id, service);
}

CLIENT_TEST(protocol, an_answer_from_within_the_question_is_ignored)
{
	struct hawser_protocol hasty = lines;
	HAWSER_OPTIONS(hawser_client_options, options, .custom_protocol = &hasty);
	struct script script;
	hawser_client *client;

	hasty.bind = hasty_bind;
	script_open(&script, bed);
	client = bed_client(bed, &options);
	bed_bind(bed, client, "yes");
	bed_bind(bed, client, "no");
	script_accept(&script, bed);
	expect(&script, bed, "hello 0 lines \n");
	answer(&script, "welcome\n");
	expect(&script, bed, "bind 1 yes \nbind 2 no \n");
	bed_settle(bed);
	cr_assert_eq(bed_count(bed, "yes "), 0);
	cr_assert_eq(bed_count(bed, "no "), 0);
	answer(&script, "bound 2\nbound 1\n");
	bed_wait(bed, "no bound");
	bed_wait(bed, "yes bound");
	hawser_client_free(client);
	bed_forget_client(bed, client);
	bed_settle(bed);
	script_close(&script);
}

static int greedy_bind(hawser_connection *connection, void *state, uint64_t id, const char *service)
{
	const int fds[17] = {0};
	struct hawser_bytes part = {"x", 1};

	cr_assert_eq(hawser_connection_send(connection, &part, 1, fds, 17), -EINVAL);
	cr_assert_eq(hawser_connection_send(connection, NULL, 0, NULL, 0), -EINVAL);
	return lines_bind(connection, state, id, service);
}

CLIENT_TEST(protocol, a_send_without_bytes_or_with_too_many_descriptors_is_refused)
{
	struct hawser_protocol greedy = lines;
	HAWSER_OPTIONS(hawser_client_options, options, .custom_protocol = &greedy);
	struct script script;
	hawser_client *client;

	greedy.bind = greedy_bind;
	script_open(&script, bed);
	client = bed_client(bed, &options);
	bed_bind(bed, client, "clock");
	script_accept(&script, bed);
	answer(&script, "welcome\n");
	expect(&script, bed, "hello 0 lines \nbind 1 clock \n");
	hawser_client_free(client);
	bed_forget_client(bed, client);
	bed_settle(bed);
	script_close(&script);
}

static int sulking_setup(hawser_connection *connection, void *state, const struct hawser_setup_options *setup)
{
	(void)state;
	(void)setup;
	hawser_connection_setup_failed(connection, -EACCES, HAWSER_CAUSE_REFUSED, "not today");
	return 1;
}

CLIENT_TEST(protocol, a_setup_may_fail_at_once_on_a_ready_connection)
{
	struct hawser_protocol sulking = lines;
	HAWSER_OPTIONS(hawser_client_options, options, .custom_protocol = &sulking, .rounds_max = 1);
	HAWSER_OPTIONS(hawser_setup_options, setup, .service = "a", .method = "b");
	struct script script;
	hawser_client *client;

	sulking.setup = sulking_setup;
	script_open(&script, bed);
	client = bed_client(bed, &options);
	script_accept(&script, bed);
	answer(&script, "welcome\n");
	bed_wait(bed, "client ready");
	cr_assert_eq(bed_call(bed, hawser_client_setup(client, &setup, bed_on_setup, bed)), 0);
	bed_wait(bed, "setup setup EACCES refused");
	script_close(&script);
	hawser_client_free(client);
	bed_forget_client(bed, client);
	bed_settle(bed);
}

static int tight_asked;

static int tight_bind(hawser_connection *connection, void *state, uint64_t id, const char *service)
{
	return ++tight_asked == 1 ? -ENOBUFS : lines_bind(connection, state, id, service);
}

static int tight_invoke(hawser_connection *connection, void *state, uint64_t id, void *service,
    const struct hawser_protocol_call *call)
{
	struct hawser_bytes early = {"early", 5};

	if (strcmp(call->method, "late") == 0)
		return -ENOBUFS;
	hawser_connection_replied(connection, id, &early, false);
	return lines_invoke(connection, state, id, service, call);
}

/* The queue has room, so that nothing will tell of more: a binding is tried again, a call that waited is
 * told. */
CLIENT_TEST(protocol, room_of_its_own_that_is_short_is_not_waited_for)
{
	struct hawser_protocol tight = lines;
	HAWSER_OPTIONS(hawser_client_options, options, .custom_protocol = &tight);
	struct script script;
	hawser_client *client;
	hawser_binding *clock;

	tight_asked = 0;
	tight.bind = tight_bind;
	tight.invoke = tight_invoke;
	script_open(&script, bed);
	client = bed_client(bed, &options);
	clock = bed_bind(bed, client, "clock");
	cr_assert_eq(bed_invoke(bed, clock, "late", "x"), 0);
	cr_assert_eq(bed_invoke(bed, clock, "time", "now"), 0);
	script_accept(&script, bed);
	expect(&script, bed, "hello 0 lines \n");
	answer(&script, "welcome\n");
	expect(&script, bed, "bind 1 clock \n");
	cr_assert_eq(tight_asked, 2);
	answer(&script, "bound 1\n");
	bed_wait(bed, "call call ENOBUFS");
	expect(&script, bed, "call 2 time now\n");
	cr_assert_eq(bed_count(bed, "reply early"), 0, "an answer from within invoke is ignored");
	answer(&script, "last 2 noon\n");
	bed_wait(bed, "reply noon");
	hawser_client_free(client);
	bed_forget_client(bed, client);
	bed_settle(bed);
	script_close(&script);
}
