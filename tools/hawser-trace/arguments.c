/* SPDX-License-Identifier: MIT
 *
 * The options that all commands share.
 */
#include "hawser-trace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	OPTION_JSON = 256,
	OPTION_DURATION,
	OPTION_COUNT,
	OPTION_PID,
	OPTION_UID,
	OPTION_CGROUP,
	OPTION_NETNS,
	OPTION_PORT,
	OPTION_PREFIX,
	OPTION_MINIMUM,
	OPTION_SAMPLE,
	OPTION_FAILURES,
	OPTION_NO_RING,
	OPTION_CALLS,
	OPTION_HISTOGRAMS,
	OPTION_COLOUR,
	OPTION_INTERVAL,
	OPTION_BYTES_MAX,
	OPTION_LISTEN,
	OPTION_TEXTFILE,
	OPTION_DESTINATIONS,
	OPTION_CLIENTS,
	OPTION_PATH,
	OPTION_PINNED,
	OPTION_RECORDS,
	OPTION_NAMES,
};

static const struct option options[] = {
    {"json", no_argument, NULL, OPTION_JSON},
    {"duration", required_argument, NULL, OPTION_DURATION},
    {"count", required_argument, NULL, OPTION_COUNT},
    {"pid", required_argument, NULL, OPTION_PID},
    {"uid", required_argument, NULL, OPTION_UID},
    {"cgroup", required_argument, NULL, OPTION_CGROUP},
    {"netns", required_argument, NULL, OPTION_NETNS},
    {"port", required_argument, NULL, OPTION_PORT},
    {"to", required_argument, NULL, OPTION_PREFIX},
    {"min-ms", required_argument, NULL, OPTION_MINIMUM},
    {"sample", required_argument, NULL, OPTION_SAMPLE},
    {"failures", no_argument, NULL, OPTION_FAILURES},
    {"no-ring", no_argument, NULL, OPTION_NO_RING},
    {"calls", no_argument, NULL, OPTION_CALLS},
    {"histograms", no_argument, NULL, OPTION_HISTOGRAMS},
    {"colour", no_argument, NULL, OPTION_COLOUR},
    {"interval", required_argument, NULL, OPTION_INTERVAL},
    {"bytes-max", required_argument, NULL, OPTION_BYTES_MAX},
    {"listen", required_argument, NULL, OPTION_LISTEN},
    {"textfile", required_argument, NULL, OPTION_TEXTFILE},
    {"destinations", required_argument, NULL, OPTION_DESTINATIONS},
    {"clients", no_argument, NULL, OPTION_CLIENTS},
    {"path", required_argument, NULL, OPTION_PATH},
    {"pinned", no_argument, NULL, OPTION_PINNED},
    {"records", no_argument, NULL, OPTION_RECORDS},
    {"names", optional_argument, NULL, OPTION_NAMES},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

void arguments_print_help(FILE *file)
{
	fputs(
	    "      --json          one JSON object a line\n"
	    "      --duration S    end after S seconds\n"
	    "      --count N       end after N connects\n"
	    "      --interval S    top, hist, inflight: show it every S seconds\n"
	    "      --bytes-max N   record: end before the file is larger (268435456)\n"
	    "      --calls         trace connect(2), too: unix sockets, and failures before a packet is "
	    "sent;\n"
	    "                      not of 32-bit programs\n"
	    "      --no-ring       leave out what io_uring says\n"
	    "      --names         live: what clients of hawser say of each attempt, too; keeps CAP_BPF, "
	    "CAP_PERFMON,\n"
	    "                      CAP_SYS_PTRACE and CAP_SYS_ADMIN, to attach to programs that are started "
	    "later\n"
	    "      --names=FILE    the same of that program and those that run, and keeps none\n"
	    "      --histograms    the cheapest: histograms by layer and cause alone, no lines, no "
	    "destinations\n"
	    "      --colour        even if the output is no terminal\n"
	    "      --pinned        read what is pinned; its filters stay\n"
	    "      --path PATH     where it is pinned (/sys/fs/bpf/hawser)\n"
	    "      --records       pin: records, too, for one who reads them (live --pinned)\n"
	    "metrics alone:\n"
	    "      --listen 127.0.0.1:PORT   hand them out by HTTP, on loopback\n"
	    "      --textfile FILE   for node_exporter; replaced every --interval S\n"
	    "      --destinations N  name so many at most (50), and sum the others up\n"
	    "      --clients         how long hawser's clients wait between attempts, too; reads every "
	    "record\n"
	    "filters, in the kernel:\n"
	    "      --pid N  --uid N  --cgroup PATH|ID  --netns PATH|INODE  --port N  --to ADDRESS[/BITS]\n"
	    "                      a cgroup without those below it\n"
	    "      --min-ms T      connects that took at least T ms\n"
	    "      --failures      connects that failed\n"
	    "      --sample N      one connect of N\n",
	    file);
}

static bool parse_number(const char *word, uint64_t max, uint64_t *ret_number)
{
	unsigned long long number;
	char *end;

	errno = 0;
	number = strtoull(word, &end, 10);
	if (errno || end == word || *end || word[0] == '-' || number > max)
		return false;
	*ret_number = number;
	return true;
}

static bool parse_seconds(const char *word, double *ret_seconds)
{
	char *end;
	double seconds = strtod(word, &end);

	if (end == word || *end || !(seconds > 0 && seconds < 1e9))
		return false;
	*ret_seconds = seconds;
	return true;
}

/* Namespaces and cgroups are known to the kernel by the inode of a path. */
static bool parse_inode(const char *word, uint64_t *ret_inode)
{
	struct stat status;

	if (parse_number(word, UINT64_MAX, ret_inode))
		return true;
	if (stat(word, &status) < 0)
		return false;
	*ret_inode = status.st_ino;
	return true;
}

static bool parse_prefix(const char *word, struct hawser_trace_config *config)
{
	char address[64];
	uint64_t bits;
	const char *slash = strchr(word, '/');
	size_t length = slash ? (size_t)(slash - word) : strlen(word);
	bool six = strchr(word, ':') != NULL;

	if (length >= sizeof(address))
		return false;
	memcpy(address, word, length);
	address[length] = '\0';
	bits = six ? 128 : 32;
	if (slash && !parse_number(slash + 1, bits, &bits))
		return false;
	config->prefix_family = six ? AF_INET6 : AF_INET;
	config->prefix_bits = (uint8_t)bits;
	return inet_pton(config->prefix_family, address, config->prefix) == 1;
}

static bool take_filter(struct hawser_trace_config *config, int option, const char *word)
{
	uint64_t number = 0;
	bool good;

	switch (option) {
	case OPTION_PID:
		config->filters |= HAWSER_TRACE_FILTER_TGID;
		good = parse_number(word, UINT32_MAX, &number);
		config->tgid = (uint32_t)number;
		return good;
	case OPTION_UID:
		config->filters |= HAWSER_TRACE_FILTER_UID;
		good = parse_number(word, UINT32_MAX, &number);
		config->uid = (uint32_t)number;
		return good;
	case OPTION_CGROUP:
		config->filters |= HAWSER_TRACE_FILTER_CGROUP;
		return parse_inode(word, &config->cgroup);
	case OPTION_NETNS:
		config->filters |= HAWSER_TRACE_FILTER_NETNS;
		good = parse_inode(word, &number);
		config->netns = (uint32_t)number;
		return good;
	case OPTION_PORT:
		config->filters |= HAWSER_TRACE_FILTER_PORT;
		good = parse_number(word, UINT16_MAX, &number);
		config->port = (uint16_t)number;
		return good;
	case OPTION_PREFIX:
		config->filters |= HAWSER_TRACE_FILTER_PREFIX;
		return parse_prefix(word, config);
	case OPTION_SAMPLE:
		config->filters |= HAWSER_TRACE_FILTER_SAMPLE;
		good = parse_number(word, UINT32_MAX, &number) && number > 0;
		config->sample = (uint32_t)number;
		return good;
	default:
		return false;
	}
}

static bool take_metrics(struct arguments *arguments, int option, const char *word)
{
	uint64_t number = 0;

	switch (option) {
	case OPTION_LISTEN:
		arguments->listen = word;
		return true;
	case OPTION_TEXTFILE:
		arguments->textfile = word;
		return word[0] != '\0';
	case OPTION_DESTINATIONS:
		if (!parse_number(word, ARGUMENTS_DESTINATIONS_MAX, &number))
			return false;
		arguments->destinations_max = (unsigned)number;
		return true;
	case OPTION_CLIENTS:
		arguments->clients = true;
		return true;
	default:
		return take_filter(&arguments->options.config, option, word);
	}
}

static bool take(struct arguments *arguments, int option, const char *word)
{
	struct hawser_trace_config *config = &arguments->options.config;
	uint64_t number = 0;

	switch (option) {
	case OPTION_JSON:
		arguments->json = true;
		return true;
	case OPTION_DURATION:
		return parse_seconds(word, &arguments->duration_s);
	case OPTION_COUNT:
		return parse_number(word, UINT64_MAX, &arguments->count) && arguments->count > 0;
	case OPTION_MINIMUM:
		if (!parse_number(word, UINT32_MAX, &number))
			return false;
		config->minimum_ns = number * 1000000;
		return true;
	case OPTION_FAILURES:
		config->failures_only = 1;
		return true;
	case OPTION_NO_RING:
		arguments->options.no_ring = true;
		return true;
	case OPTION_CALLS:
		arguments->options.calls = true;
		return true;
	case OPTION_HISTOGRAMS:
		arguments->options.histograms = true;
		return true;
	case OPTION_INTERVAL:
		return parse_seconds(word, &arguments->interval_s);
	case OPTION_BYTES_MAX:
		return parse_number(word, INT64_MAX, &arguments->bytes_max) && arguments->bytes_max > 0;
	case OPTION_PATH:
		arguments->path = word;
		return true;
	case OPTION_PINNED:
		arguments->pinned = true;
		return true;
	case OPTION_RECORDS:
		arguments->records = true;
		return true;
	case OPTION_COLOUR:
		arguments->colour = true;
		return true;
	case OPTION_NAMES:
		arguments->options.names = true;
		arguments->names_file = word;
		return !word || word[0] != '\0';
	default:
		return take_metrics(arguments, option, word);
	}
}

/* `command` is the first word. */
static bool names_fit(const struct arguments *arguments, const char *command)
{
	if (!arguments->options.names)
		return true;
	if (strcmp(command, "live") != 0)
		fprintf(
		    stderr, "hawser-trace: --names is for live; %s keeps to what the kernel saw\n", command);
	else if (arguments->pinned)
		fputs("hawser-trace: --names needs programs of its own: leave --pinned out\n", stderr);
	else if (arguments->options.histograms)
		fputs("hawser-trace: --names goes with lines, of which --histograms has none\n", stderr);
	else
		return true;
	return false;
}

static const char *name_of(int option)
{
	for (unsigned i = 0; options[i].name; i++)
		if (options[i].val == option)
			return options[i].name;
	return "?";
}

int arguments_parse(struct arguments *arguments, const char *operand, int count, char **words)
{
	int option;

	*arguments = (struct arguments){.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR"),
	    .destinations_max = 50,
	    .path = "/sys/fs/bpf/hawser"};
	hawser_trace_options_init(&arguments->options);
	while ((option = getopt_long(count, words, "h", options, NULL)) != -1) {
		if (option == 'h')
			return ARGUMENTS_HELP;
		if (option == '?') /* getopt has said it */
			return ARGUMENTS_WRONG;
		if (!take(arguments, option, optarg)) {
			fprintf(stderr, "hawser-trace: --%s does not take '%s'\n", name_of(option), optarg);
			return ARGUMENTS_WRONG;
		}
	}
	if (operand && optind == count) {
		fprintf(stderr, "hawser-trace: %s needs a %s\n", words[0], operand);
		return ARGUMENTS_WRONG;
	}
	if (operand)
		arguments->operand = words[optind++];
	if (optind < count) {
		fprintf(stderr, "hawser-trace: one word too many: '%s'\n", words[optind]);
		return ARGUMENTS_WRONG;
	}
	return names_fit(arguments, words[0]) ? ARGUMENTS_RUN : ARGUMENTS_WRONG;
}
