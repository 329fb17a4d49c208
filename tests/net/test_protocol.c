/* SPDX-License-Identifier: MIT
 *
 * A protocol of the user's own, on hawser/protocol.h alone: lines of text. It has a handshake, services,
 * calls and a setup, so that everything the header offers is used from outside the library. And the other
 * hooks: log, names.
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
	else if (hawser_connection_request_kind(connection, id) == HAWSER_REQUEST_CALL)
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

struct log {
	char lines[8192];
	size_t length;
};

static void keep_line(enum hawser_log_level level, const hawser_client *client, const char *line, void *user)
{
	struct log *log = user;

	(void)client;
	log->length += (size_t)snprintf(
	    log->lines + log->length, sizeof(log->lines) - log->length, "%d %s\n", (int)level, line);
}

Test(protocol, the_log_hook_gets_the_lines_of_its_level)
{
	struct log log = {.length = 0};
	HAWSER_OPTIONS(hawser_loop_options, loop_options, .engine = HAWSER_ENGINE_EPOLL, .log = keep_line,
	    .log_user = &log, .log_level = HAWSER_LOG_WARNING);
	HAWSER_OPTIONS(hawser_client_options, options, .target = "unix:/nonexistent/x.sock", .name = "store",
	    .rounds_max = 2);
	hawser_loop *loop;
	hawser_client *client;

	cr_assert_eq(hawser_loop_new(&loop_options, &loop), 0);
	cr_assert_eq(hawser_client_new(loop, &options, &client), 0);
	cr_assert_eq(hawser_loop_run(loop), 0);
	cr_assert_not_null(strstr(log.lines, "1 store: connecting -> waiting"), "%s", log.lines);
	cr_assert_not_null(strstr(log.lines, "nothing is at this path"), "%s", log.lines);
	cr_assert_null(strstr(log.lines, "2 "), "info is above the level");
	hawser_client_free(client);
	hawser_loop_free(loop);
}

Test(protocol, names_are_never_null)
{
	for (int i = -2; i < 40; i++) {
		cr_assert_not_null(hawser_stage_name((enum hawser_stage)i));
		cr_assert_not_null(hawser_cause_name((enum hawser_cause)i));
		cr_assert_not_null(hawser_fate_name((enum hawser_fate)i));
		cr_assert_not_null(hawser_state_name((enum hawser_state)i));
		cr_assert_not_null(hawser_binding_state_name((enum hawser_binding_state)i));
		cr_assert_not_null(hawser_binding_event_name((enum hawser_binding_event)i));
	}
	cr_assert_str_eq(hawser_errno_name(-ECONNREFUSED), "ECONNREFUSED");
	cr_assert_str_eq(hawser_errno_name(ECONNREFUSED), "ECONNREFUSED");
	cr_assert_str_eq(hawser_errno_name(123456), "unknown");
	cr_assert_str_eq(hawser_stage_name(HAWSER_STAGES), "unknown");
	cr_assert_str_eq(hawser_version(), "0.1.0");
}
