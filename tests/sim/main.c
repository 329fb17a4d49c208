/* SPDX-License-Identifier: MIT
 *
 * hawser-sim: runs seeds, and says how to see a violation again.
 */
#include "world.h"

#include "core/binding.h"
#include "core/connection.h"
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HANG_SECONDS = 60 };

static struct world world;

struct run {
	uint64_t first;
	uint64_t count;
	bool one;
	bool hash;
	bool coverage;
};

static const char usage[] =
    "usage: hawser-sim [--seeds N] [--first K] [--hash] [--coverage]\n"
    "       hawser-sim --seed K\n"
    "Runs the library in simulated worlds, one for each seed, and checks what it promises.\n"
    "  --seeds N    how many (1000)\n"
    "  --first K    the first of them (1)\n"
    "  --seed K     one, with its trace\n"
    "  --hash       print one hash over the traces of all seeds\n"
    "  --coverage   print how often each move of both tables fired; exit 1 if one never did\n"
    "Exit: 0 nothing was violated, 1 something was, 2 wrong usage.\n";

/* How to see this seed again, made ready before it runs: a signal handler may not. */
static char replay[64];

static void say(const char *text)
{
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		_exit(2);
}

static void on_crash(int number)
{
	say(number == SIGALRM ? "violated: the library hangs\n"
			      : "violated: the library crashed or failed its own check\n");
	say(replay);
	if (number == SIGALRM)
		_exit(1);
	signal(number, SIG_DFL);
	raise(number);
}

/* A sanitizer says what, and then lets on_crash say where. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "abort_on_error=1";
}
const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
	return "abort_on_error=1:print_stacktrace=1";
}

static void catch_crashes(void)
{
	signal(SIGABRT, on_crash);
	signal(SIGALRM, on_crash);
#ifndef __SANITIZE_ADDRESS__
	signal(SIGSEGV, on_crash);
	signal(SIGBUS, on_crash);
	signal(SIGFPE, on_crash);
#endif
}

/* ---- coverage ---- */

static unsigned print_moves(const struct machine *machine, bool all, unsigned *ret_missing)
{
	unsigned moves = 0;

	for (unsigned state = 0; state < machine->states; state++)
		for (unsigned event = 0; event < machine->events; event++) {
			size_t pair = (size_t)state * machine->events + event;

			if (!machine->moves[pair].why)
				continue;
			moves++;
			*ret_missing += machine->fired[pair] == 0;
			if (all)
				printf("%12llu  %s: %s, %s%s\n", (unsigned long long)machine->fired[pair],
				    machine->name, machine->state_names[state], machine->event_names[event],
				    machine->fired[pair] ? "" : "  NEVER");
		}
	return moves;
}

static int report_coverage(bool all)
{
	unsigned missing = 0;
	unsigned moves = print_moves(&connection_machine, all, &missing);

	moves += print_moves(&binding_machine, all, &missing);
	printf("%u of %u moves fired\n", moves - missing, moves);
	return all && missing ? 1 : 0;
}

/* ---- the run ---- */

static double seconds_since(const struct timespec *begin)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - begin->tv_sec) + (double)(now.tv_nsec - begin->tv_nsec) / 1e9;
}

static int run_seeds(const struct run *run)
{
	struct timespec begin;
	uint64_t events = 0;
	uint64_t hash = 0;
	double simulated = 0;
	double took;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (uint64_t i = 0; i < run->count; i++) {
		uint64_t seed = run->first + i;

		alarm(HANG_SECONDS);
		snprintf(replay, sizeof(replay), "replay: make sim SEED=%llu\n", (unsigned long long)seed);
		world_run(&world, seed);
		events += world.events;
		simulated += (double)(world.now - WORLD_BEGINS) / 1e9;
		hash = (hash ^ world.hash) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 29;
	}
	alarm(0);
	if (run->hash) {
		printf("%016llx\n", (unsigned long long)hash);
		return 0;
	}
	took = seconds_since(&begin);
	printf("%llu seeds, %llu events, %.1f simulated hours, %.1f s: %.0f seeds/s, 0 violations\n",
	    (unsigned long long)run->count, (unsigned long long)events, simulated / 3600, took,
	    (double)run->count / took);
	return report_coverage(run->coverage);
}

static bool read_number(const char *text, uint64_t *ret_number)
{
	char *end;

	*ret_number = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && *end == '\0';
}

static bool read_arguments(int argc, char **argv, struct run *run)
{
	static const struct option options[] = {{"seeds", required_argument, NULL, 'n'},
	    {"first", required_argument, NULL, 'f'}, {"seed", required_argument, NULL, 's'},
	    {"hash", no_argument, NULL, 'h'}, {"coverage", no_argument, NULL, 'c'},
	    {"trace", no_argument, NULL, 't'}, {0}};
	bool good = true;
	int letter;

	while (good && (letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (letter == 'n') {
			good = read_number(optarg, &run->count);
		} else if (letter == 'f') {
			good = read_number(optarg, &run->first);
		} else if (letter == 's') {
			good = read_number(optarg, &run->first);
			run->one = true;
		} else if (letter == 'h') {
			run->hash = true;
		} else if (letter == 'c') {
			run->coverage = true;
		} else if (letter != 't') { /* --seed always traces */
			good = false;
		}
	}
	return good && optind == argc;
}

int main(int argc, char **argv)
{
	struct run run = {.first = 1, .count = 1000};

	if (!read_arguments(argc, argv, &run)) {
		fputs(usage, stderr);
		return 2;
	}
	if (run.one) {
		run.count = 1;
		world.readable = true;
	}
	setvbuf(stdout, NULL, run.one ? _IOLBF : _IOFBF, 1 << 16);
	catch_crashes();
	return run_seeds(&run);
}
