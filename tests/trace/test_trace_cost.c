/* SPDX-License-Identifier: MIT
 *
 * What the programs cost: the kernel's own account of their run time (bpf_stats), divided by the connects. It
 * is steady where wall time is not, and counts in two readings of the clock for each run, which the line
 * "floor" shows: a program that ends at once. Medians of interleaved rounds.
 */
#include "../support/network.h"
#include "trace/trace.h"
#include "tracing.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <liburing.h>
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
	double connect_ns;
	double close_ns;
	double runs;
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
	hawser_trace *trace = open_mode(mode);
	int fds[BATCH];

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
	*ret_cost = (struct cost){(double)connecting.ns / CONNECTS, (double)closing.ns / CONNECTS,
	    (double)connecting.runs / CONNECTS};
}

static int compare_costs(const void *one, const void *other)
{
	const struct cost *a = one, *b = other;

	return (a->connect_ns > b->connect_ns) - (a->connect_ns < b->connect_ns);
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
	for (unsigned i = 0; i < MODES; i++) {
		const struct cost *median = &costs[i][ROUNDS / 2];

		qsort(costs[i], ROUNDS, sizeof(costs[i][0]), compare_costs);
		fprintf(stderr,
		    "  %-42s %5.0f ns a connect in %4.1f runs (%.0f-%.0f), %4.0f at its close; gate %u\n",
		    modes[i].name, median->connect_ns, median->runs, costs[i][0].connect_ns,
		    costs[i][ROUNDS - 1].connect_ns, median->close_ns, modes[i].gate_ns);
	}
	io_uring_queue_exit(&ring);
	close(listener);
	close(stats);
}
