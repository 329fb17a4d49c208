/* SPDX-License-Identifier: MIT
 *
 * `hawser-trace metrics` with eBPF: what it tells of real connects, in each of its ways out.
 */
#include "../../tools/hawser-trace/metrics.h"
#include "../support/network.h"
#include "../support/shell.h"
#include "tracing.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <hawser/hawser.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

/* ---- the numbers ---- */

Test(trace_metrics_live, real_connects_are_counted, .timeout = 60)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = htons(7001), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	hawser_trace *trace = tracing_begin();
	struct metrics metrics = {0};

	cr_assert_eq(metrics_rows_open(&metrics.destinations, 1), 0);
	for (unsigned i = 0; i < 4; i++) {
		struct attempt attempt = {.way = i % 2 ? WAY_RING : WAY_BLOCKING,
		    .address = (struct sockaddr *)&address,
		    .address_size = sizeof(address)};

		cr_expect_eq(tracing_connect(&attempt), ECONNREFUSED);
		tracing_record();
	}
	cr_assert_eq(metrics_gather(&metrics, trace), 0);
	cr_expect_eq(metrics_connects(&metrics), 4);
	cr_expect_eq(metrics.histograms[HAWSER_TRACE_TCP][HAWSER_TRACE_REFUSED].count, 4);
	cr_expect_eq(metrics.histograms[HAWSER_TRACE_RING][HAWSER_TRACE_REFUSED].count, 2);
	cr_expect_eq(metrics.in_flight, 0);
	cr_assert_eq(metrics.destinations.count, 1);
	cr_expect_str_eq(metrics.destinations.rows[0].name, "127.0.0.1:7001");
	cr_expect_eq(metrics.destinations.rows[0].numbers.causes[HAWSER_TRACE_REFUSED], 4);
	metrics_rows_close(&metrics.destinations);
	tracing_end();
}

static int on_record(const struct hawser_trace_record *record, void *user)
{
	metrics_waits_add(user, record);
	return 0;
}

/* Without jitter each wait is as long as the backoff, at least. */
Test(trace_metrics_live, clients_wait_for_their_backoff, .timeout = 60)
{
	enum { ROUNDS = 5, BACKOFF_MS = 20 };
	HAWSER_OPTIONS(hawser_loop_options, loop_options, .engine = HAWSER_ENGINE_EPOLL);
	HAWSER_OPTIONS(hawser_client_options, options, .target = "tcp:127.0.0.1:7001", .protocol = "raw",
	    .rounds_max = ROUNDS, .backoff_base_ms = BACKOFF_MS, .backoff_cap_ms = BACKOFF_MS,
	    .backoff_jitter_percent = 0);
	hawser_trace *trace = tracing_begin();
	const struct hawser_trace_histogram *histogram;
	struct metrics_waits *waits;
	hawser_client *client;
	hawser_loop *loop;

	cr_assert_eq(metrics_waits_open(&waits), 0);
	cr_assert_eq(hawser_loop_new(&loop_options, &loop), 0);
	cr_assert_eq(hawser_client_new(loop, &options, &client), 0);
	cr_assert_geq(hawser_loop_run(loop), 0);
	cr_assert_eq(hawser_trace_read(trace, 0, on_record, waits), ROUNDS);
	histogram = metrics_waits_histogram(waits);
	cr_expect_eq(histogram->count, ROUNDS - 1);
	cr_expect_geq(histogram->sum_ns, (ROUNDS - 1) * (BACKOFF_MS - 1) * 1000000ull);
	metrics_waits_close(waits);
	hawser_client_free(client);
	hawser_loop_free(loop);
	tracing_end();
}

/* ---- the command ---- */

/* Runs a shell command, in which TOOL is `hawser-trace metrics` of this network; its exit code. */
static int run(const char *command, char *ret_output, size_t size)
{
	return shell_capture("hawser-trace", " metrics --netns /proc/self/ns/net", command, ret_output, size);
}

static void expect(const char *command, int code, const char *words)
{
	static char output[1 << 20];
	int result = run(command, output, sizeof(output));

	if (strstr(output, "not permitted"))
		cr_skip_test("%s", output);
	cr_expect_eq(result, code, "%s ended with %d: %s", command, result, output);
	cr_expect_not_null(strstr(output, words), "%s does not say '%s': %s", command, words, output);
}

/* Connects to nobody, in a moment. */
#define CONNECT "(sleep 1; for i in 1 2 3; do bash -c ': </dev/tcp/127.0.0.1/9' 2>/dev/null; done) & "
#define REFUSED "hawser_connects_total{layer=\"tcp\",cause=\"refused\"} 3\n"

Test(trace_metrics_live, once_to_standard_output, .timeout = 60)
{
	network_enter();
	expect(CONNECT "$TOOL --count 3 --duration 20", 0, REFUSED);
	expect(
	    "timeout --preserve-status -s INT 1 $TOOL --clients", 0, "hawser_client_wait_seconds_count 0\n");
	expect(CONNECT "$TOOL --json --clients --count 3 --duration 20 | jq -c '[(.connects[] | "
		       "select(.duration.count > 0) "
		       "| .layer, .cause, .duration.count), .destinations[0].destination, "
		       ".destinations[0].causes.refused, "
		       ".in_flight, .client_wait.count]'",
	    0, "[\"tcp\",\"refused\",3,\"127.0.0.1:9\",3,0,0]");
	expect("$TOOL --duration 0.1 >/dev/full", 1,
	    "standard output cannot be written: No space left on device");
}

Test(trace_metrics_live, to_a_file, .timeout = 60)
{
	network_enter();
	expect("d=$(mktemp -d); " CONNECT
	       "$TOOL --textfile $d/a.prom --interval 0.2 --duration 3 & sleep 2.5; "
	       "cat $d/a.prom; wait; ls $d | wc -l; rm -r $d",
	    0, REFUSED);
	expect("$TOOL --textfile /nonexistent/a.prom", 1, "cannot write '/nonexistent/a.prom': No such file");
}

/* Beginning and end of a scrape without any program that a small machine may lack. */
#define SCRAPE(path)                                                                               \
	"f=$(mktemp); $TOOL --listen 127.0.0.1:0 --duration 20 2>$f & tool=$!; "                   \
	"for i in $(seq 100); do grep -q metrics $f && break; sleep 0.1; done; cat $f; "           \
	"port=$(sed -n 's/.*:\\([0-9]*\\)\\/metrics.*/\\1/p' $f); export port; bash -c '"          \
	"for i in 1 2 3; do : </dev/tcp/127.0.0.1/9; done 2>/dev/null; "                           \
	"exec 3<>/dev/tcp/127.0.0.1/$port && "                                                     \
	"printf \"GET " path " HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n\" >&3 && " \
	"cat <&3'; kill -INT $tool; wait $tool; code=$?; rm $f; exit $code"

Test(trace_metrics_live, by_http, .timeout = 60)
{
	network_enter();
	expect(SCRAPE("/metrics"), 0, REFUSED);
	expect(SCRAPE("/else"), 0, "404");
}

Test(trace_metrics_live, a_port_in_use_is_said, .timeout = 60)
{
	network_enter();
	expect("$TOOL --listen 127.0.0.1:7002 --duration 5 & tool=$!; sleep 1; "
	       "$TOOL --listen 127.0.0.1:7002 --duration 1; code=$?; kill -INT $tool; wait $tool; exit $code",
	    1, "cannot listen on 127.0.0.1:7002: Address already in use");
}

Test(trace_metrics_live, arguments)
{
	expect("$TOOL --listen 0.0.0.0:80", 2, "loopback alone");
	expect("$TOOL --listen 80", 2, "--listen does not take '80'");
	expect("$TOOL --listen 127.0.0.1:80 --textfile x", 2, "either --listen or --textfile");
	expect("$TOOL --textfile ''", 2, "--textfile does not take ''");
	expect("$TOOL --destinations 1025", 2, "--destinations does not take '1025'");
	expect("$TOOL --destinations x", 2, "--destinations does not take 'x'");
	expect("$TOOL --json --textfile x", 2, "Prometheus reads no JSON");
}
