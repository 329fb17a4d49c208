/* SPDX-License-Identifier: MIT
 *
 * Programs are attached one by one while connects go on: whatever is seen to begin is seen to end. And libbpf
 * has one print function in a process, which several threads that open traces share and give back.
 */
#include "../support/network.h"
#include "trace/trace.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CLOSED_PORT = 7001, ATTACHED_LEAST = 5 };

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

/* ---- connects between one program and the next ---- */

static struct {
	struct io_uring ring;
	bool connects;
	unsigned attached;
} between;

static const struct sockaddr_in *closed_address(void)
{
	static struct sockaddr_in address = {.sin_family = AF_INET};

	address.sin_port = htons(CLOSED_PORT);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return &address;
}

static void connect_by_ring(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct io_uring_sqe *sqe = io_uring_get_sqe(&between.ring);
	struct io_uring_cqe *cqe;

	io_uring_prep_connect(sqe, fd, (const struct sockaddr *)closed_address(), sizeof(struct sockaddr_in));
	cr_assert_eq(io_uring_submit(&between.ring), 1);
	cr_assert_eq(io_uring_wait_cqe(&between.ring, &cqe), 0);
	cr_assert_eq(cqe->res, -ECONNREFUSED);
	io_uring_cqe_seen(&between.ring, cqe);
	close(fd);
}

static void connect_by_call(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(connect(fd, (const struct sockaddr *)closed_address(), sizeof(struct sockaddr_in)), -1);
	close(fd);
}

/* In the place of libbpf's, which it calls. */
struct bpf_link *bpf_program__attach(const struct bpf_program *program)
{
	struct bpf_link *(*real)(const struct bpf_program *program);
	struct bpf_link *link;

	*(void **)&real = dlsym(RTLD_NEXT, "bpf_program__attach");
	cr_assert_not_null(real);
	link = real(program);
	if (between.connects) {
		between.attached++;
		connect_by_ring();
		connect_by_call();
	}
	return link;
}

static int on_inflight(const struct hawser_trace_record *record, void *user)
{
	(void)user;
	cr_expect(false, "still in flight: layer %s, flags %x", hawser_trace_layer_name(record->layer),
	    record->flags);
	return 0;
}

static int on_record(const struct hawser_trace_record *record, void *user)
{
	(void)user;
	cr_expect_eq(record->cause, HAWSER_TRACE_REFUSED, "layer %s: %s, flags %x",
	    hawser_trace_layer_name(record->layer), hawser_trace_cause_name(record->cause), record->flags);
	return 0;
}

static void attach_amid_connects(bool histograms)
{
	HAWSER_OPTIONS(hawser_trace_options, options, .calls = true, .histograms = histograms);
	struct hawser_trace_sentence why = {""};
	hawser_trace *trace;
	struct stat status;
	int result;

	network_enter();
	cr_assert_eq(stat("/proc/self/ns/net", &status), 0);
	options.config.filters = HAWSER_TRACE_FILTER_NETNS;
	options.config.netns = (uint32_t)status.st_ino;
	cr_assert_eq(io_uring_queue_init(8, &between.ring, 0), 0);
	between.connects = true;
	result = hawser_trace_open(&options, &why, &trace);
	if (result == -EPERM || result == -ENOENT)
		cr_skip_test("%s", why.text);
	cr_assert_eq(result, 0, "%s", why.text);
	cr_expect_geq(between.attached, ATTACHED_LEAST);
	cr_assert_eq(hawser_trace_inflight_read(trace, on_inflight, NULL), 0);
	cr_assert_geq(hawser_trace_read(trace, 0, on_record, NULL), 0);
	hawser_trace_close(trace);
	io_uring_queue_exit(&between.ring);
}

Test(trace_attach, what_begins_meanwhile_ends, .timeout = 60)
{
	attach_amid_connects(false);
}

Test(trace_attach, what_begins_meanwhile_ends_in_histogram_mode, .timeout = 60)
{
	attach_amid_connects(true);
}

/* ---- libbpf's complaints ---- */

static unsigned complaints;

static int print_own(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)format;
	(void)arguments;
	if (level == LIBBPF_WARN)
		complaints++;
	return 0;
}

static void make_libbpf_complain(void)
{
	cr_expect_null(bpf_object__open_mem("no object", 9, NULL));
}

static pthread_barrier_t step;

/* Begins before the other has ended, and ends after it. */
static void *listen_longer(void *unused)
{
	pthread_barrier_wait(&step);
	trace_listen();
	pthread_barrier_wait(&step);
	pthread_barrier_wait(&step);
	cr_expect_not_null(strstr(trace_heard(), "said nothing"), "%s", trace_heard());
	make_libbpf_complain();
	cr_expect_null(strstr(trace_heard(), "said nothing"));
	trace_unlisten();
	return unused;
}

Test(trace_attach, threads_give_libbpf_its_print_function_back)
{
	pthread_t other;

	libbpf_set_print(print_own);
	pthread_barrier_init(&step, NULL, 2);
	cr_assert_eq(pthread_create(&other, NULL, listen_longer, NULL), 0);
	trace_listen();
	make_libbpf_complain();
	cr_expect_null(strstr(trace_heard(), "said nothing"));
	cr_expect_eq(complaints, 0);
	pthread_barrier_wait(&step);
	pthread_barrier_wait(&step);
	trace_unlisten();
	make_libbpf_complain(); /* this thread's are the program's own again */
	cr_expect_gt(complaints, 0);
	pthread_barrier_wait(&step);
	pthread_join(other, NULL);
	cr_expect_eq(libbpf_set_print(NULL), print_own);
}

static int print_another(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return print_own(level, format, arguments);
}

Test(trace_attach, what_the_program_sets_meanwhile_stays)
{
	libbpf_set_print(print_own);
	trace_listen();
	trace_listen(); /* one within another */
	trace_unlisten();
	make_libbpf_complain();
	cr_expect_eq(complaints, 0);
	libbpf_set_print(print_another);
	trace_unlisten();
	cr_expect_eq(libbpf_set_print(NULL), print_another);
}
