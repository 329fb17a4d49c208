/* SPDX-License-Identifier: MIT
 *
 * hawser's own clients, traced: each attempt, failed or not, has one record that names its client, attempt
 * and target, in both engines; what it says of the outcome is what the client was told, and its stages are
 * its whole time.
 */
#include "../support/network.h"
#include "tracing.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <hawser/hawser.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLIENTS = 50, ATTEMPTS = 200, KEPT = HAWSER_ATTEMPTS_MAX, PORT = 7000 };

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

/* ---- targets: the clients take turns ---- */

static const struct {
	const char *target;
	enum hawser_trace_cause cause;
	int error;
} targets[] = {
    {"tcp:127.0.0.1:7001", HAWSER_TRACE_REFUSED, ECONNREFUSED},
    {"tcp:127.0.0.1:7000", HAWSER_TRACE_OK, 0},
};

static unsigned target_of(uint64_t client)
{
	return client % 2;
}

/* Ends every connection before a byte, which the client counts as a failed round. */
static pid_t serve(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	struct linger linger = {.l_onoff = 1};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	pid_t server;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(listener, 4 * CLIENTS), 0);
	server = fork();
	cr_assert_geq(server, 0);
	if (server == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails must not leave it behind */
	while (server == 0) {
		fd = accept(listener, NULL, NULL);
		if (fd < 0)
			_exit(0);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		close(fd);
	}
	close(listener);
	return server;
}

/* ---- the records ---- */

static struct hawser_trace_record seen[CLIENTS + 1][ATTEMPTS + 1];
static unsigned records;

static void expect_stages(const struct hawser_trace_record *record)
{
	uint64_t sum = record->submit_to_syn_ns + record->syn_to_answer_ns + record->answer_to_completion_ns;

	cr_assert_gt(record->syn_to_answer_ns, 0);
	cr_assert_eq(sum, record->total_ns, "%lu of %lu ns", sum, record->total_ns);
}

/* A ring that looks late finds a connection that was made and reset since, and tells its client so. */
static void expect_outcome(const struct hawser_trace_record *record, unsigned target)
{
	if (targets[target].error == 0 && record->error == ECONNRESET) {
		cr_assert(record->flags & HAWSER_TRACE_ANSWERED);
		return;
	}
	cr_assert_eq(record->cause, targets[target].cause, "%s", hawser_trace_cause_name(record->cause));
	cr_assert_eq(record->error, targets[target].error, "errno %d", record->error);
}

static int on_record(const struct hawser_trace_record *record, void *user)
{
	enum hawser_trace_layer *layer = user;
	unsigned target;

	cr_assert(record->flags & HAWSER_TRACE_HAS_TAG, "record %u bears no tag", records);
	cr_assert(record->client >= 1 && record->client <= CLIENTS, "client %lu", record->client);
	cr_assert(record->attempt >= 1 && record->attempt <= ATTEMPTS, "attempt %u", record->attempt);
	cr_assert(!seen[record->client][record->attempt].start_ns, "attempt %u of client %lu has two records",
	    record->attempt, record->client);
	seen[record->client][record->attempt] = *record;
	target = target_of(record->client);
	cr_assert_str_eq(record->target, targets[target].target);
	expect_outcome(record, target);
	cr_assert_eq(record->layer, *layer);
	cr_assert_eq(record->tgid, (uint32_t)getpid());
	cr_assert_eq(!!record->deadline_ns, *layer == HAWSER_TRACE_RING);
	cr_assert_gt(record->cookie, 0);
	expect_stages(record);
	records++;
	return 0;
}

static int compare_numbers(const void *one, const void *other)
{
	uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

	return (a > b) - (a < b);
}

/* Each attempt has a socket of its own. */
static void expect_cookies_apart(void)
{
	static uint64_t cookies[CLIENTS * ATTEMPTS];
	unsigned count = 0;

	for (unsigned client = 1; client <= CLIENTS; client++)
		for (unsigned attempt = 1; attempt <= ATTEMPTS; attempt++)
			cookies[count++] = seen[client][attempt].cookie;
	qsort(cookies, count, sizeof(cookies[0]), compare_numbers);
	for (unsigned i = 1; i < count; i++)
		cr_assert_neq(cookies[i], cookies[i - 1]);
}

/* ---- what the clients say ---- */

static uint64_t shares[CLIENTS * KEPT]; /* of the client's time, what the kernel accounts for, in 1/1000 */
static unsigned shares_count;

static void compare_attempt(unsigned client, const struct hawser_attempt_status *attempt)
{
	const struct hawser_trace_record *record;

	cr_assert(attempt->attempt >= 1 && attempt->attempt <= ATTEMPTS);
	record = &seen[client][attempt->attempt];
	cr_assert(record->start_ns, "attempt %u of client %u has no record", attempt->attempt, client);
	if (record->error) {
		cr_assert_eq(abs(attempt->code), record->error);
		return;
	}
	/* The client's clock begins before the kernel's and ends after it; it counts in microseconds. */
	cr_assert_leq(record->total_ns / 1000, attempt->connect_us + 1);
	if (attempt->connect_us)
		shares[shares_count++] = record->total_ns / attempt->connect_us;
}

static void compare_client(unsigned number, const hawser_client *client)
{
	struct hawser_status status = {.size = sizeof(status)};

	cr_assert_eq(hawser_client_status(client, &status), 0);
	cr_expect_eq(status.attempt, ATTEMPTS);
	cr_expect_eq(status.attempts_count, KEPT);
	for (unsigned i = 0; i < status.attempts_count; i++)
		compare_attempt(number, &status.attempts[i]);
}

static void print_share(void)
{
	qsort(shares, shares_count, sizeof(shares[0]), compare_numbers);
	if (shares_count)
		fprintf(stderr,
		    "the kernel's stages are %.1f %% of what the client measures (median of %u)\n",
		    (double)shares[shares_count / 2] / 10, shares_count);
}

static void expect_all(enum hawser_engine_choice engine, enum hawser_trace_layer layer)
{
	HAWSER_OPTIONS(hawser_loop_options, loop_options, .engine = engine);
	HAWSER_OPTIONS(hawser_client_options, options, .protocol = "raw", .rounds_max = ATTEMPTS,
	    .backoff_base_ms = 1, .backoff_cap_ms = 1, .attempts_kept = KEPT);
	hawser_trace *trace = tracing_begin();
	hawser_client *clients[CLIENTS];
	hawser_loop *loop;
	pid_t server = serve();

	cr_assert_eq(hawser_loop_new(&loop_options, &loop), 0);
	for (unsigned i = 0; i < CLIENTS; i++) {
		options.target = targets[target_of(i + 1)].target;
		cr_assert_eq(hawser_client_new(loop, &options, &clients[i]), 0);
	}
	cr_assert_geq(hawser_loop_run(loop), 0);
	cr_assert_geq(hawser_trace_read(trace, 0, on_record, &layer), 0);
	cr_expect_eq(records, CLIENTS * ATTEMPTS, "%u records of %u attempts", records, CLIENTS * ATTEMPTS);
	expect_cookies_apart();
	for (unsigned i = 0; i < CLIENTS; i++)
		compare_client(i + 1, clients[i]);
	print_share();
	for (unsigned i = 0; i < CLIENTS; i++)
		hawser_client_free(clients[i]);
	hawser_loop_free(loop);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	tracing_end();
}

Test(trace_client, every_attempt_has_its_record_io_uring, .timeout = 60)
{
	tracing_needs("io_uring submissions");
	expect_all(HAWSER_ENGINE_URING, HAWSER_TRACE_RING);
}

Test(trace_client, every_attempt_has_its_record_epoll, .timeout = 60)
{
	tracing_needs("socket cookies");
	expect_all(HAWSER_ENGINE_EPOLL, HAWSER_TRACE_TCP);
}
