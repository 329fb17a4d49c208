/* SPDX-License-Identifier: MIT
 *
 * What the programs cost: the kernel's own account of their run time (bpf_stats), divided by the connects, of
 * the whole life of a connection: connecting and closing it, client and server. The account counts in a
 * reading of the clock for each run, which is not there when nobody keeps it: how much that is tells a
 * program that does nothing at all, and so much is taken off. Medians of interleaved rounds; the gates are
 * those of the least round, for what disturbs only adds.
 */
#include "../support/network.h"
#include "trace/trace.h"
#include "tracing.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <liburing.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROUNDS = 5, BATCH = 32, BATCHES = 60, CONNECTS = BATCH * BATCHES, PORT = 7000 };

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

/* ---- the connects ---- */

enum client { CLIENT_SOCKET, CLIENT_RING, CLIENT_RING_DEADLINE };

static struct sockaddr_in address = {.sin_family = AF_INET};
static struct io_uring ring;
static int listener;

static void begin_clients(void)
{
	address.sin_port = htons(PORT);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(listener, 4 * BATCH), 0);
	cr_assert_eq(io_uring_queue_init(4 * BATCH, &ring, 0), 0);
}

static void connect_by_ring(const int fds[BATCH], bool deadline)
{
	struct __kernel_timespec limit = {.tv_sec = 5};
	struct io_uring_cqe *cqe;

	for (unsigned i = 0; i < BATCH; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

		io_uring_prep_connect(sqe, fds[i], (struct sockaddr *)&address, sizeof(address));
		if (!deadline)
			continue;
		sqe->flags |= IOSQE_IO_LINK;
		sqe = io_uring_get_sqe(&ring);
		io_uring_prep_link_timeout(sqe, &limit, 0);
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	}
	cr_assert_geq(io_uring_submit_and_wait(&ring, BATCH), BATCH);
	for (unsigned i = 0; i < BATCH; i++) {
		cr_assert_eq(io_uring_wait_cqe(&ring, &cqe), 0);
		cr_assert_eq(cqe->res, 0);
		io_uring_cqe_seen(&ring, cqe);
	}
}

static void connect_batch(enum client client, int fds[BATCH])
{
	for (unsigned i = 0; i < BATCH; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		cr_assert_geq(fds[i], 0);
		if (client == CLIENT_SOCKET)
			cr_assert_eq(connect(fds[i], (struct sockaddr *)&address, sizeof(address)), 0);
	}
	if (client != CLIENT_SOCKET)
		connect_by_ring(fds, client == CLIENT_RING_DEADLINE);
}

static void reset_and_close(int fd)
{
	struct linger linger = {.l_onoff = 1}; /* or the ports would run out */

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

static void close_batch(const int fds[BATCH])
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		reset_and_close(fd);
	for (unsigned i = 0; i < BATCH; i++)
		reset_and_close(fds[i]);
}

/* ---- the kernel's account ---- */

struct account {
	uint64_t ns;
	uint64_t runs;
};

static struct account account_of(int program)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);

	cr_assert_eq(bpf_obj_get_info_by_fd(program, &info, &size), 0);
	return (struct account){info.run_time_ns, info.run_cnt};
}

static struct account account_of_all(const hawser_trace *trace, bool by_program)
{
	struct bpf_program *program;
	struct account sum = {0};

	bpf_object__for_each_program(program, trace->object)
	{
		struct account one;

		if (!bpf_program__autoload(program))
			continue;
		one = account_of(bpf_program__fd(program));
		sum.ns += one.ns;
		sum.runs += one.runs;
		if (by_program && one.runs)
			fprintf(stderr, "    %-22s %5.2f runs a connect, %5.0f ns each\n",
			    bpf_program__name(program), (double)one.runs / CONNECTS,
			    (double)one.ns / (double)one.runs);
	}
	return sum;
}

static void add_difference(struct account *sum, struct account from, struct account to)
{
	sum->ns += to.ns - from.ns;
	sum->runs += to.runs - from.runs;
}

/* ---- the clock's part ---- */

/* Attached where all the others are: at the states of TCP. */
static int nothing_load(void)
{
	static const struct bpf_insn instructions[] = {
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0}, {.code = BPF_JMP | BPF_EXIT}};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_TRACE_RAW_TP);
	int program;

	options.attach_btf_id = (uint32_t)libbpf_find_vmlinux_btf_id("inet_sock_set_state", BPF_TRACE_RAW_TP);
	program = bpf_prog_load(BPF_PROG_TYPE_TRACING, "nothing", "GPL", instructions, 2, &options);
	cr_assert_geq(program, 0, "%s", strerror(errno));
	return program;
}

static double run_ns(struct account account)
{
	return (double)account.ns / (double)account.runs;
}

/* ---- modes ---- */

struct mode {
	const char *name;
	enum client client;
	uint8_t records;
	uint8_t destinations;
	bool filtered_out;
	unsigned gate_ns; /* 0: none */
};

static const struct mode modes[] = {
    {"socket, histograms", CLIENT_SOCKET, 0, 0, false, 600},
    {"socket, and destinations", CLIENT_SOCKET, 0, 1, false, 0},
    {"socket, and records", CLIENT_SOCKET, 1, 1, false, 0},
    {"socket, filtered out", CLIENT_SOCKET, 0, 0, true, 300},
    {"io_uring, histograms", CLIENT_RING, 0, 0, false, 1200},
    {"io_uring with deadline, histograms", CLIENT_RING_DEADLINE, 0, 0, false, 1200},
    {"io_uring with deadline, and destinations", CLIENT_RING_DEADLINE, 0, 1, false, 0},
    {"io_uring with deadline, and records", CLIENT_RING_DEADLINE, 1, 1, false, 0},
    {"io_uring with deadline, filtered out", CLIENT_RING_DEADLINE, 0, 0, true, 300},
};
enum { MODES = sizeof(modes) / sizeof(modes[0]) };

struct cost {
	double net_ns;   /* without the clock's part, closing included */
	double clock_ns; /* of a run */
	double connect_ns;
	double connect_runs;
	double close_ns;
	double close_runs;
};

static int ignore(const struct hawser_trace_record *record, void *user)
{
	(void)record;
	(void)user;
	return 0;
}

static hawser_trace *open_mode(const struct mode *mode)
{
	HAWSER_OPTIONS(hawser_trace_options, options, .inflight_max = 16384);
	struct hawser_trace_sentence why = {""};
	hawser_trace *trace;
	int result;

	options.config.records = mode->records;
	options.config.destinations = mode->destinations;
	options.histograms = !mode->records && !mode->destinations;
	options.config.filters = HAWSER_TRACE_FILTER_TGID;
	options.config.tgid = mode->filtered_out ? 1 : (uint32_t)getpid();
	result = hawser_trace_open(&options, &why, &trace);
	if (result == -EPERM || result == -ENOENT)
		cr_skip_test("%s", why.text);
	cr_assert_eq(result, 0, "%s", why.text);
	return trace;
}

static void measure(const struct mode *mode, bool by_program, struct cost *ret_cost)
{
	struct account connecting = {0}, closing = {0};
	int nothing = nothing_load(), link = bpf_raw_tracepoint_open(NULL, nothing);
	hawser_trace *trace = open_mode(mode);
	int fds[BATCH];

	cr_assert_geq(link, 0, "%s", strerror(errno));
	for (unsigned i = 0; i < BATCHES; i++) {
		struct account before = account_of_all(trace, false), between;

		connect_batch(mode->client, fds);
		between = account_of_all(trace, false);
		close_batch(fds);
		add_difference(&connecting, before, between);
		add_difference(&closing, between, account_of_all(trace, false));
		if (mode->records)
			cr_assert_geq(hawser_trace_read(trace, 0, ignore, NULL), 0);
	}
	if (by_program) {
		fprintf(stderr, "  %s:\n", mode->name);
		account_of_all(trace, true);
	}
	hawser_trace_close(trace);
	*ret_cost = (struct cost){.clock_ns = run_ns(account_of(nothing)),
	    .connect_ns = (double)connecting.ns / CONNECTS,
	    .connect_runs = (double)connecting.runs / CONNECTS,
	    .close_ns = (double)closing.ns / CONNECTS,
	    .close_runs = (double)closing.runs / CONNECTS};
	close(link);
	close(nothing);
}

/* The least that a run of nothing took in all rounds is taken off all. */
static double clock_take_off(struct cost costs[MODES][ROUNDS])
{
	double clock = costs[0][0].clock_ns;

	for (unsigned i = 0; i < MODES * ROUNDS; i++)
		clock = costs[i / ROUNDS][i % ROUNDS].clock_ns < clock
			    ? costs[i / ROUNDS][i % ROUNDS].clock_ns
			    : clock;
	for (unsigned i = 0; i < MODES * ROUNDS; i++) {
		struct cost *cost = &costs[i / ROUNDS][i % ROUNDS];

		cost->net_ns =
		    cost->connect_ns + cost->close_ns - clock * (cost->connect_runs + cost->close_runs);
	}
	return clock;
}

static int compare_costs(const void *one, const void *other)
{
	const struct cost *a = one, *b = other;

	return (a->net_ns > b->net_ns) - (a->net_ns < b->net_ns);
}

static void report(const struct mode *mode, const struct cost costs[ROUNDS])
{
	const struct cost *median = &costs[ROUNDS / 2];
	char gate[16] = "-";

	if (mode->gate_ns)
		snprintf(gate, sizeof(gate), "%u", mode->gate_ns);
	fprintf(stderr, "  %-42s %6.0f %5s   %6.0f - %-6.0f  %5.0f in %-4.1f  %5.0f in %-4.1f\n", mode->name,
	    median->net_ns, gate, costs[0].net_ns, costs[ROUNDS - 1].net_ns, median->connect_ns,
	    median->connect_runs, median->close_ns, median->close_runs);
	if (mode->gate_ns)
		cr_expect_leq(costs[0].net_ns, mode->gate_ns, "%s: %.0f ns", mode->name, costs[0].net_ns);
}

Test(trace_cost, nanoseconds_a_connect, .timeout = 180)
{
	static struct cost costs[MODES][ROUNDS];
	bool by_program = getenv("HAWSER_COST_BY_PROGRAM") != NULL;
	int stats = bpf_enable_stats(BPF_STATS_RUN_TIME);

	if (stats < 0)
		cr_skip_test("needs CAP_SYS_ADMIN: the kernel keeps no account (%s)", strerror(errno));
	network_enter();
	begin_clients();
	for (unsigned round = 0; round < ROUNDS; round++)
		for (unsigned i = 0; i < MODES; i++)
			measure(&modes[i], by_program && round == 0, &costs[i][round]);
	fprintf(stderr, "  ns a connect and its close; without the clock's %.0f ns a run\n",
	    clock_take_off(costs));
	fprintf(stderr, "  %-42s %6s %5s   %-15s  %-13s  %s\n", "", "median", "gate", " least - most",
	    "with it: connect, in runs", "close");
	for (unsigned i = 0; i < MODES; i++) {
		qsort(costs[i], ROUNDS, sizeof(costs[i][0]), compare_costs);
		report(&modes[i], costs[i]);
	}
	io_uring_queue_exit(&ring);
	close(listener);
	close(stats);
}
