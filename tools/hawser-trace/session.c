/* SPDX-License-Identifier: MIT
 *
 * A trace with an end: after --duration, at a signal, or when the command has seen enough. Once the programs
 * are attached, the process gives up its capabilities.
 */
#include "hawser-trace.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
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

void session_catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal}; /* without SA_RESTART: a wait ends at once */
	struct sigaction before;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN) /* nohup's wish */
		sigaction(SIGHUP, &action, NULL);
}

static bool begin(struct session *session, const struct arguments *arguments, hawser_trace *trace)
{
	if (!capabilities_give_up(trace, arguments->options.names && !arguments->names_file)) {
		fprintf(stderr, "hawser-trace: cannot give up capabilities: %s\n", strerror(errno));
		return false;
	}
	session_catch_signals();
	*session = (struct session){.trace = trace, .end_ns = UINT64_MAX};
	if (arguments->duration_s > 0)
		session->end_ns = now_ns() + (uint64_t)(arguments->duration_s * 1e9);
	return true;
}

bool session_begin(struct session *session, const struct arguments *arguments)
{
	return begin(session, arguments, NULL);
}

/* Nobody should take a part for the whole. */
static void say_sample(const struct hawser_trace_config *config)
{
	if (config->filters & HAWSER_TRACE_FILTER_SAMPLE)
		fprintf(stderr, "a sample, one socket in %u: all counts are of it\n", config->sample);
}

/* Its table of connects in flight has a map of its own, which tells it even after new filters. */
bool session_pins_histograms(const char *path)
{
	char buckets[512];

	snprintf(buckets, sizeof(buckets), "%s_maps/buckets", path);
	return access(buckets, F_OK) == 0;
}

static int check_pinned(const struct arguments *arguments, const struct hawser_trace_config *config,
    struct hawser_trace_sentence *why)
{
	bool usual = strcmp(arguments->path, ARGUMENTS_PATH) == 0;
	char path[192];

	snprintf(path, sizeof(path), "%s%.180s", usual ? "" : " --path ", usual ? "" : arguments->path);
	if (session_pins_histograms(arguments->path) && !arguments->options.histograms) {
		snprintf(why->text, sizeof(why->text),
		    "what is pinned keeps histograms alone, which hist and status show: `hawser-trace "
		    "unpin%.180s` "
		    "and a pin without --histograms let it do more",
		    path);
		return -ENODATA;
	}
	if (arguments->options.config.records && !config->records) {
		snprintf(why->text, sizeof(why->text),
		    "what is pinned sends no records: `hawser-trace pin --records%.180s` lets it", path);
		return -ENODATA;
	}
	return 0;
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
	if (result == 0)
		result = check_pinned(arguments, &config, why);
	else
		snprintf(why->text, sizeof(why->text), "%s: %s", arguments->path, strerror(-result));
	if (result == 0)
		say_sample(&config);
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

static int open_new(
    const struct arguments *arguments, struct hawser_trace_sentence *why, hawser_trace **ret_trace)
{
	hawser_trace *trace;
	int result = hawser_trace_open(&arguments->options, why, &trace);

	if (result == 0 && arguments->names_file) {
		result = hawser_trace_names_file(trace, arguments->names_file, why);
		if (result < 0)
			hawser_trace_close(trace);
	}
	if (result == 0)
		*ret_trace = trace;
	return result;
}

bool session_open(struct session *session, const struct arguments *arguments)
{
	hawser_trace *trace = NULL;
	struct hawser_trace_sentence why = {""};
	int result;

	session_catch_signals();
	result = arguments->pinned ? open_pinned(arguments, &why, &trace) : open_new(arguments, &why, &trace);
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
	if (!arguments->pinned)
		say_sample(&arguments->options.config);
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
