/* SPDX-License-Identifier: MIT
 *
 * What a client says of itself: the struct, the JSON and the peer, in whatever state, target and process.
 */
#include "../support/bed.h"
#include "../support/peer.h"
#include "../support/sockets.h"
#include "client.h"
#include "net/resolver.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_ONCE .backoff_base_ms = 1, .backoff_cap_ms = 2

enum { JSON_BYTES = 65536, SOON_MS = 200 };

static hawser_client *idle_client(struct bed *bed, const char *target, const char *name)
{
	HAWSER_OPTIONS(hawser_client_options, options, .target = target, .name = name, .start_later = true);

	return bed_client(bed, &options);
}

/* ---- what is refused, and changes nothing ---- */

CLIENT_TEST(status, in_a_forked_child_it_is_echild)
{
	hawser_client *client = bed_client(bed, NULL);
	struct hawser_status status = {.size = sizeof(status), .round = 77};
	char text[64] = "untouched";
	int ended;
	pid_t pid;

	bed_wait(bed, "client waiting");
	pid = fork();
	if (pid == 0) {
		bool right = hawser_client_status(client, &status) == -ECHILD && status.round == 77 &&
			     hawser_client_status_json(client, text, sizeof(text)) == -ECHILD &&
			     hawser_client_status_json(client, NULL, 0) == -ECHILD &&
			     strcmp(text, "untouched") == 0 &&
			     hawser_diagram("binding", "mermaid", text, sizeof(text)) > 0;

		_exit(right ? 0 : 1);
	}
	cr_assert_eq(waitpid(pid, &ended, 0), pid);
	cr_assert_eq(ended, 0);
	cr_assert_eq(hawser_client_status(client, &status), 0, "the parent is as it was");
	cr_assert_geq(status.round, 1);
}

CLIENT_TEST(status, no_room_for_the_answer_is_einval)
{
	hawser_client *client = idle_client(bed, NULL, NULL);
	struct {
		struct hawser_status known;
		char newer[8];
	} status = {.known.size = sizeof(struct hawser_status) - 1, .known.round = 77};
	char text[8];

	cr_assert_eq(hawser_client_status(client, NULL), -EINVAL);
	cr_assert_eq(hawser_client_status(client, &status.known), -EINVAL);
	cr_assert_eq(status.known.round, 77);
	cr_assert_eq(hawser_client_status_json(client, NULL, 0), -EINVAL);
	cr_assert_eq(hawser_client_status_json(client, text, 0), -EINVAL);
	/* A program built with a newer header asks for more than there is. */
	status.known.size = sizeof(status);
	memset(status.newer, 'x', sizeof(status.newer));
	cr_assert_eq(hawser_client_status(client, &status.known), 0);
	cr_assert_eq(status.known.size, sizeof(status));
	cr_assert_eq(status.known.round, 0);
	cr_assert_eq(strncmp(status.newer, "xxxxxxxx", sizeof(status.newer)), 0);
}

/* ---- JSON ---- */

/* What jq makes of one string of the client's JSON. */
static void jq_read(const struct bed *bed, const char *json, const char *filter, char *ret, size_t size)
{
	char path[HOST_PATH_BYTES + 16];
	char command[HOST_PATH_BYTES + 64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/json", bed->directory);
	file = fopen(path, "we");
	cr_assert_not_null(file);
	fputs(json, file);
	fclose(file);
	snprintf(command, sizeof(command), "jq -je '%s' %s", filter, path);
	file = popen(command, "re");
	cr_assert_not_null(file);
	ret[fread(ret, 1, size - 1, file)] = '\0';
	cr_assert_eq(pclose(file), 0, "no JSON: %s", json);
	unlink(path);
}

static void expect_text(struct bed *bed, const char *name, const char *read)
{
	char target[] = "unix:/tmp/sj\xc3\xb6.sock";
	hawser_client *client = idle_client(bed, target, name);
	char *json = calloc(1, JSON_BYTES);
	char back[256];
	int length = hawser_client_status_json(client, json, JSON_BYTES);

	cr_assert_eq((size_t)length, strlen(json));
	jq_read(bed, json, ".name", back, sizeof(back));
	cr_assert_str_eq(back, read, "\"%s\" was read as \"%s\" from %s", name, back, json);
	jq_read(bed, json, ".target", back, sizeof(back));
	cr_assert_str_eq(back, target, "%s", json);
	cr_assert_not_null(strstr(json, target), "UTF-8 is left as it is: %s", json);
	free(json);
}

CLIENT_TEST(status, json_strings_are_what_they_were)
{
	static const char *const names[] = {
	    "\"quoted\\\" \t\n\x01\x1f\x7f", "sj\xc3\xb6, \xe2\x82\xac, \xf0\x9f\x98\x80",
	    "\xc2\x80\xdf\xbf",                 /* the first and last of two bytes */
	    "\xe0\xa0\x80\xed\x9f\xbf",         /* of three, up to the surrogates */
	    "\xee\x80\x80\xef\xbf\xbd",         /* and behind them */
	    "\xf0\x90\x80\x80\xf4\x8f\xbf\xbd", /* of four */
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		expect_text(bed, names[i], names[i]);
}

#define NONE "\xef\xbf\xbd" /* U+FFFD */

CLIENT_TEST(status, json_strings_have_a_mark_for_each_byte_that_is_no_utf8)
{
	static const struct {
		const char *name;
		const char *read;
	} names[] = {
	    {"a\x80z", "a" NONE "z"},
	    {"\xff\xfe", NONE NONE},
	    {"\xc0\xaf", NONE NONE},                    /* "/" in two bytes */
	    {"\xc1\xbf\xc2\xa0", NONE NONE "\xc2\xa0"}, /* the same of DEL */
	    {"\xe0\x9f\xbf", NONE NONE NONE},           /* three bytes for what has two */
	    {"\xed\xa0\x80", NONE NONE NONE},           /* a surrogate */
	    {"\xf0\x8f\xbf\xbf", NONE NONE NONE NONE},  /* four for what has three */
	    {"\xf4\x90\x80\x80", NONE NONE NONE NONE},  /* above U+10FFFF */
	    {"\xf5\x80\x80\x80", NONE NONE NONE NONE},
	    {"\xe2\x82", NONE NONE}, /* cut */
	    {"\xf0\x9f\x98", NONE NONE NONE},
	    {"\xc3", NONE},
	    {"\xe2\x82\"", NONE NONE "\""},
	    {"\xf0\x9f\xc3\xb6", NONE NONE "\xc3\xb6"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		expect_text(bed, names[i].name, names[i].read);
}

CLIENT_TEST(status, json_of_the_longest_texts_has_the_room_that_is_promised)
{
	char target[512];
	char name[512];
	HAWSER_OPTIONS(
	    hawser_client_options, options, .target = target, .name = name, .rounds_max = 70, AT_ONCE);
	char *json = calloc(1, JSON_BYTES);
	int length;

	memset(name, 0xff, sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	/* 100 bytes of an abstract name, each told as \xNN, with the backslash escaped. */
	snprintf(target, sizeof(target), "unix:@%0100d", 0);
	memset(target + strlen("unix:@"), 0xff, 100);
	for (options.attempts_kept = 4; options.attempts_kept <= 64; options.attempts_kept += 60) {
		hawser_client *client = bed_client(bed, &options);

		bed_wait(bed, "client closed connect ECONNREFUSED refused");
		length = hawser_client_status_json(client, json, JSON_BYTES);
		cr_assert_lt(length, options.attempts_kept == 4 ? 16384 : 65536);
		cr_assert_gt(length, 5000);
		cr_assert_eq((size_t)length, strlen(json));
	}
	free(json);
}

/* ---- attempts ---- */

CLIENT_TEST(status, the_time_of_an_attempt_is_right_a_hundred_years_later)
{
	static const uint64_t hundred_years_ns = 36525ULL * 86400 * 1000000000;
	HAWSER_OPTIONS(hawser_client_options, options, .start_later = true, .rounds_max = 1);
	struct hawser_status status = {.size = sizeof(status)};
	uint64_t began_ns = hawser_loop_now_ns(bed->loop);
	hawser_client *client = bed_client(bed, &options);

	client->born_ns -= hundred_years_ns;
	cr_assert_eq(hawser_client_connect(client), 0);
	bed_wait(bed, "client closed connect ENOENT no host");
	cr_assert_eq(hawser_client_status(client, &status), 0);
	cr_assert_eq(status.attempts_count, 1);
	cr_assert_geq(status.attempts[0].ended_ns, began_ns - 1000000);
	cr_assert_leq(status.attempts[0].ended_ns, hawser_loop_now_ns(bed->loop));
}

/* Names: what getaddrinfo says is the test's. Its first answer is an address. */
static atomic_int lookups;

static int fake_lookup(
    const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **ret)
{
	struct addrinfo numeric = {
	    .ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};

	(void)hints;
	if (atomic_fetch_add(&lookups, 1) == 0)
		return getaddrinfo("127.0.0.1", port, &numeric, ret);
	usleep(strcmp(host, "hangs.example") == 0 ? SOON_MS * 1000 : 2000);
	return EAI_NONAME;
}

/* The newest attempt is a lookup that ended like this, and the one before it a connect that was refused. */
static void expect_lookup(hawser_client *client, int code, enum hawser_cause cause, uint32_t at_least_us)
{
	struct hawser_status status = {.size = sizeof(status)};
	const struct hawser_attempt_status *lookup = &status.attempts[0];
	const struct hawser_attempt_status *attempt = &status.attempts[1];
	char *json = calloc(1, JSON_BYTES);

	cr_assert_eq(hawser_client_status(client, &status), 0);
	cr_assert_eq(status.attempts_count, 2);
	cr_assert_eq(status.attempt, 1);
	cr_assert_eq(lookup->stage, HAWSER_STAGE_RESOLVE);
	cr_assert_eq(lookup->code, code, "%s", hawser_errno_name(lookup->code));
	cr_assert_eq(lookup->cause, cause);
	cr_assert_eq(lookup->round, 2);
	cr_assert_eq(lookup->attempt, 0);
	cr_assert_geq(lookup->resolve_us, at_least_us);
	cr_assert_eq(lookup->connect_us + lookup->setup_us, 0, "nothing of the attempt before");
	cr_assert_str_eq(lookup->address, "");
	cr_assert_geq(lookup->ended_ns, attempt->ended_ns);
	cr_assert_eq(attempt->stage, HAWSER_STAGE_CONNECT);
	cr_assert_eq(attempt->code, -ECONNREFUSED);
	cr_assert_eq(attempt->round, 1);
	cr_assert_eq(attempt->attempt, 1);
	cr_assert_gt(strlen(attempt->address), 0);
	hawser_client_status_json(client, json, JSON_BYTES);
	cr_assert_not_null(
	    strstr(json, "\"attempts\":[{\"round\":2,\"attempt\":0,\"address\":\"\""), "%s", json);
	free(json);
}

/* A client whose first round is refused by a host and whose second has no address. */
static hawser_client *client_of_name(struct bed *bed, const char *host)
{
	char target[HOST_TARGET_BYTES];
	HAWSER_OPTIONS(hawser_client_options, options, .target = target, .rounds_max = 2,
	    .resolve_deadline_ms = 20, .start_later = true, AT_ONCE);
	hawser_client *client;
	int fd = sockets_listen_tcp(-1, target, sizeof(target)); /* nobody else listens there meanwhile */
	unsigned port = (unsigned)strtoul(strrchr(target, ':') + 1, NULL, 10);

	resolver_lookup = fake_lookup;
	snprintf(target, sizeof(target), "tcp:%s:%u", host, port);
	client = bed_client(bed, &options);
	client->resolve_deadline_ms = 5000;
	cr_assert_eq(hawser_client_connect(client), 0);
	bed_wait(bed, "client waiting connect ECONNREFUSED refused");
	client->resolve_deadline_ms = options.resolve_deadline_ms;
	close(fd);
	return client;
}

CLIENT_TEST(status, a_lookup_that_fails_is_among_the_attempts)
{
	hawser_client *client = client_of_name(bed, "nowhere.example");

	client->resolve_deadline_ms = 5000;
	bed_wait(bed, "client closed resolve ENOENT no host");
	expect_lookup(client, -ENOENT, HAWSER_CAUSE_NO_HOST, 2000);
}

CLIENT_TEST(status, a_lookup_that_takes_too_long_is_among_the_attempts)
{
	hawser_client *client = client_of_name(bed, "hangs.example");

	bed_wait(bed, "client closed resolve ETIMEDOUT deadline");
	expect_lookup(client, -ETIMEDOUT, HAWSER_CAUSE_DEADLINE, 20000);
	bed_run_ms(bed, 2 * SOON_MS); /* until the lookup has come back */
}

CLIENT_TEST(status, a_lookup_that_cannot_begin_is_among_the_attempts)
{
	HAWSER_OPTIONS(hawser_client_options, options, .target = "tcp:nowhere.example:80", .rounds_max = 1,
	    .start_later = true);
	struct hawser_status status = {.size = sizeof(status)};
	hawser_client *client;

	/* What changes need is there when one has been told. */
	cr_assert_eq(hawser_client_close(idle_client(bed, NULL, NULL)), 0);
	bed_wait(bed, "client closed");
	client = bed_client(bed, &options);
	bed->refuse_at = 1;
	cr_assert_eq(hawser_client_connect(client), 0);
	cr_assert_eq(bed->refuse_at, 0);
	bed_wait(bed, "client closed resolve ENOMEM local");
	cr_assert_eq(hawser_client_status(client, &status), 0);
	cr_assert_eq(status.attempts_count, 1);
	cr_assert_eq(status.attempts[0].stage, HAWSER_STAGE_RESOLVE);
	cr_assert_eq(status.attempts[0].code, -ENOMEM);
	cr_assert_eq(status.attempts[0].attempt, 0);
}

/* ---- the peer ---- */

/* Adopts a connection to this listener. */
static hawser_client *adopt(struct bed *bed, const char *where)
{
	char target[32];
	HAWSER_OPTIONS(hawser_client_options, options, .target = target, .protocol = "raw");

	snprintf(target, sizeof(target), "fd:%d", peer_connect(where));
	return bed_client(bed, &options);
}

CLIENT_TEST(status, a_tcp_host_has_no_credentials_however_it_came)
{
	char target[HOST_TARGET_BYTES];
	HAWSER_OPTIONS(hawser_client_options, options, .target = target, .protocol = "raw");
	struct hawser_peer peer = {.pid = 77};
	int listener = sockets_listen_tcp(2, target, sizeof(target));
	hawser_client *clients[2];

	clients[0] = bed_client(bed, &options);
	clients[1] = adopt(bed, target);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(hawser_client_peer(clients[i], &peer), -EOPNOTSUPP, "before it is connected");
	bed_wait(bed, "client ready");
	bed_wait(bed, "client ready");
	for (int i = 0; i < 2; i++)
		cr_assert_eq(hawser_client_peer(clients[i], &peer), -EOPNOTSUPP, "and then");
	cr_assert_eq(peer.pid, 77, "untouched");
	close(listener);
}

CLIENT_TEST(status, a_unix_host_has_credentials_when_it_is_adopted_too)
{
	int listener = sockets_listen_path(bed->target, 1);
	hawser_client *client = adopt(bed, bed->target);
	struct hawser_peer peer = {.pid = 77};
	int ended;
	pid_t pid;

	cr_assert_eq(hawser_client_peer(client, &peer), -ENOTCONN);
	cr_assert_eq(hawser_client_peer(client, NULL), -EINVAL);
	cr_assert_eq(peer.pid, 77);
	bed_wait(bed, "client ready");
	cr_assert_eq(hawser_client_peer(client, &peer), 0);
	cr_assert_eq(peer.pid, getpid());
	cr_assert_eq(peer.uid, getuid());
	cr_assert_eq(peer.gid, getgid());
	pid = fork();
	if (pid == 0)
		_exit(hawser_client_peer(client, &peer) == -ECHILD ? 0 : 1);
	cr_assert_eq(waitpid(pid, &ended, 0), pid);
	cr_assert_eq(ended, 0, "in a forked child");
	close(listener);
}
