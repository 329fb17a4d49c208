/* SPDX-License-Identifier: MIT
 *
 * hawser-bench: what the library costs. Traffic stays on loopback and unix sockets; the run ends by itself.
 *
 * Exit status: 0; 1 if something failed, or with --gate a bar was missed; 2 if the command line is wrong; 77,
 * which means skipped to many who run programs, if --traced is not permitted or not possible on this kernel.
 */
#include "options.h"
#include "report.h"

#include <errno.h>
#include <hawser/hawser.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { GRACE_S = 60 };

/* The soft limit of descriptors is often 1024. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* The first and the last CPU that this process may use; -1 when that cannot be known. */
static void choose_cpus(struct results *results)
{
	cpu_set_t set;

	results->client_cpu = results->server_cpu = -1;
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET((size_t)cpu, &set))
			continue;
		if (results->client_cpu < 0)
			results->client_cpu = cpu;
		results->server_cpu = cpu;
	}
}

static void took_too_long(int signal_number)
{
	static const char text[] = "hawser-bench: a connect never came back\n";

	(void)signal_number;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(EXIT_FAILURE);
	_exit(EXIT_FAILURE);
}

static int measure_memory(const struct options *options, const struct server *server, struct results *results)
{
	for (int engine = 0; engine < ENGINE_KINDS; engine++) {
		int result = idle_measure(
		    (enum engine_kind)engine, &server->held, options->clients, &results->memory[engine]);

		if (result == 0)
			continue;
		fprintf(stderr, "hawser-bench: %u idle clients: %s\n", options->clients, strerror(-result));
		return result;
	}
	return 0;
}

static int measure(const struct options *options, struct server *server, struct results *results)
{
	int result;

	choose_cpus(results);
	if (getloadavg(&results->load, 1) != 1)
		results->load = 0;
	raise_descriptors();
	result = server_start(server, results->client_cpu, results->server_cpu);
	if (result < 0) {
		fprintf(stderr, "hawser-bench: no server: %s\n", strerror(-result));
		return result;
	}
	signal(SIGALRM, took_too_long);
	alarm(options->seconds_max + GRACE_S);
	if (options->traced)
		result = traced_measure(options, server, results);
	else
		result = connect_measure(options, server, results);
	if (result == 0 && !options->traced)
		result = measure_memory(options, server, results);
	server_stop(server);
	return result;
}

static void report(const struct options *options, const struct results *results)
{
	if (options->traced && options->json)
		traced_json(options, results);
	else if (options->traced)
		traced_text(options, results);
	else if (options->json)
		report_json(options, results);
	else
		report_text(options, results);
}

/* EXIT_SUCCESS if there is nothing in its way. */
static int traced_status(void)
{
	switch (traced_try()) {
	case 0:
		return EXIT_SUCCESS;
	case -EPERM:
	case -ENOENT:
		return EXIT_NOT_HERE;
	default:
		return EXIT_FAILURE;
	}
}

static int connect_main(int count, char **arguments)
{
	static struct results results;
	static struct server server; /* the results name its endpoints */
	struct options options;
	int status = EXIT_SUCCESS;

	switch (options_parse(count, arguments, &options)) {
	case OPTIONS_RUN:
		break;
	case OPTIONS_HELP_SHOWN:
		return EXIT_SUCCESS;
	case OPTIONS_WRONG:
		return EXIT_USAGE;
	}
	if (options.traced)
		status = traced_status();
	if (status != EXIT_SUCCESS)
		return status;
	if (measure(&options, &server, &results) < 0)
		status = EXIT_FAILURE;
	else
		report(&options, &results);
	if (status == EXIT_SUCCESS && options.gate && !bars_are_held(&results))
		status = EXIT_FAILURE;
	results_free(&results);
	traced_free(&results);
	return status;
}

static void usage_print(FILE *file)
{
	fprintf(file,
	    "Usage: hawser-bench connect [OPTION]...\n"
	    "  connect   hawser's connects next to bare loops, and the memory of an idle client;\n"
	    "            with --traced, next to hawser's connects under a trace\n"
	    "hawser-bench connect --help lists the options; hawser-bench --version prints the version.\n");
}

int main(int count, char **arguments)
{
	if (count > 1 && strcmp(arguments[1], "connect") == 0)
		return connect_main(count - 1, arguments + 1);
	if (count > 1 && (strcmp(arguments[1], "--help") == 0 || strcmp(arguments[1], "help") == 0)) {
		usage_print(stdout);
		return EXIT_SUCCESS;
	}
	if (count > 1 && strcmp(arguments[1], "--version") == 0) {
		printf("hawser-bench %s\n", hawser_version());
		return EXIT_SUCCESS;
	}
	usage_print(stderr);
	return EXIT_USAGE;
}
