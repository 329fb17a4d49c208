/* SPDX-License-Identifier: MIT
 *
 * A trace with an end: after --duration, at a signal, or when the command has seen enough. Once the programs
 * are attached, the process gives up every capability it has, but for CAP_BPF on kernels that let nobody else
 * read a map.
 */
#include "hawser-trace.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

void session_stop(void)
{
	stopped = 1;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static bool keep_capabilities(uint32_t permitted, uint32_t effective)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	data[CAP_TO_INDEX(CAP_BPF)].permitted = permitted;
	data[CAP_TO_INDEX(CAP_BPF)].effective = effective;
	return syscall(SYS_capset, &header, data) == 0;
}

/* Before 5.19 a kernel that forbids eBPF to ordinary users forbids them even to read a map that they hold. */
static bool needs_bpf_to_read(hawser_trace *trace)
{
	struct hawser_trace_counters counters;

	return keep_capabilities(CAP_TO_MASK(CAP_BPF), 0) &&
	       hawser_trace_counters_read(trace, &counters) == -EPERM;
}

static bool give_up_capabilities(hawser_trace *trace)
{
	uint32_t kept = trace && needs_bpf_to_read(trace) ? CAP_TO_MASK(CAP_BPF) : 0;

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && keep_capabilities(kept, kept);
}

static bool begin(struct session *session, const struct arguments *arguments, hawser_trace *trace)
{
	struct sigaction action = {.sa_handler = on_signal}; /* without SA_RESTART: a wait ends at once */

	if (!give_up_capabilities(trace)) {
		fprintf(stderr, "hawser-trace: cannot give up capabilities: %s\n", strerror(errno));
		return false;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	session->trace = trace;
	session->end_ns = UINT64_MAX;
	if (arguments->duration_s > 0)
		session->end_ns = now_ns() + (uint64_t)(arguments->duration_s * 1e9);
	return true;
}

bool session_begin(struct session *session, const struct arguments *arguments)
{
	return begin(session, arguments, NULL);
}

/* A command that wants records must not wait for what never comes. */
static int open_pinned(
    const struct arguments *arguments, struct hawser_trace_sentence *why, hawser_trace **ret_trace)
{
	struct hawser_trace_config config;
	hawser_trace *trace;
	int result = hawser_trace_open_pinned(arguments->path, why, &trace);

	if (result < 0)
		return result;
	result = hawser_trace_config_read(trace, &config);
	if (result == 0 && arguments->options.config.records && !config.records) {
		snprintf(why->text, sizeof(why->text),
		    "what is pinned sends no records: `hawser-trace pin --records` lets it");
		result = -ENODATA;
	}
	if (result < 0)
		hawser_trace_close(trace);
	else
		*ret_trace = trace;
	return result;
}

/* Whoever looks for the connects of a ring must know that this kernel does not tell of them. */
static void say_what_is_left_out(void)
{
	struct hawser_trace_ability abilities[HAWSER_TRACE_ABILITIES_MAX];
	int count = hawser_trace_probe(abilities);

	for (int i = 0; i < count; i++)
		if (!abilities[i].available && strcmp(abilities[i].name, "io_uring submissions") == 0)
			fprintf(stderr, "hawser-trace: %s\n", abilities[i].sentence);
}

bool session_open(struct session *session, const struct arguments *arguments)
{
	hawser_trace *trace;
	struct hawser_trace_sentence why = {""};
	int result = arguments->pinned ? open_pinned(arguments, &why, &trace)
				       : hawser_trace_open(&arguments->options, &why, &trace);

	if (result < 0) {
		fprintf(stderr, "hawser-trace: %s\n", why.text);
		return false;
	}
	if (!arguments->pinned && !arguments->options.no_ring)
		say_what_is_left_out();
	if (!begin(session, arguments, trace)) {
		hawser_trace_close(trace);
		return false;
	}
	return true;
}

bool session_goes_on(const struct session *session)
{
	return !stopped && now_ns() < session->end_ns;
}

void session_close(struct session *session)
{
	hawser_trace_close(session->trace);
}
