/* SPDX-License-Identifier: MIT
 *
 * Options: each command has a list of those that it takes, and refuses all others, so that none is ignored.
 */
#include "hawser-trace.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
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

static bool take_filter(struct hawser_trace_config *config, int option, const char *word)
{
	uint64_t number = 0;
	bool good;

	switch (option) {
	case OPTION_PID:
		config->filters |= HAWSER_TRACE_FILTER_TGID;
		good = value_number(word, UINT32_MAX, &number);
		config->tgid = (uint32_t)number;
		return good;
	case OPTION_UID:
		config->filters |= HAWSER_TRACE_FILTER_UID;
		good = value_number(word, UINT32_MAX, &number);
		config->uid = (uint32_t)number;
		return good;
	case OPTION_CGROUP:
		config->filters |= HAWSER_TRACE_FILTER_CGROUP;
		return value_cgroup(word, &config->cgroup);
	case OPTION_NETNS:
		config->filters |= HAWSER_TRACE_FILTER_NETNS;
		good = value_network(word, &number);
		config->netns = (uint32_t)number;
		return good;
	case OPTION_PORT:
		config->filters |= HAWSER_TRACE_FILTER_PORT;
		good = value_number(word, UINT16_MAX, &number);
		config->port = (uint16_t)number;
		return good;
	case OPTION_PREFIX:
		config->filters |= HAWSER_TRACE_FILTER_PREFIX;
		return value_prefix(word, config);
	case OPTION_SAMPLE:
		config->filters |= HAWSER_TRACE_FILTER_SAMPLE;
		good = value_number(word, UINT32_MAX, &number) && number > 0;
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
		if (!value_number(word, ARGUMENTS_DESTINATIONS_MAX, &number))
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

	switch (option) {
	case OPTION_JSON:
		arguments->json = true;
		return true;
	case OPTION_DURATION:
		return value_seconds(word, &arguments->duration_s);
	case OPTION_COUNT:
		return value_number(word, UINT64_MAX, &arguments->count) && arguments->count > 0;
	case OPTION_MINIMUM:
		return value_milliseconds(word, &config->minimum_ns);
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
		return value_seconds(word, &arguments->interval_s);
	case OPTION_BYTES_MAX:
		return value_number(word, INT64_MAX, &arguments->bytes_max) && arguments->bytes_max > 0;
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

static const char *name_of(int option)
{
	for (unsigned i = 0; options[i].name; i++)
		if (options[i].val == option)
			return options[i].name;
	return "?";
}

/* Whether the word is in a list of words, of which each is followed by a space. */
static bool lists(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (; *list; list += strcspn(list, " ") + 1)
		if (strncmp(list, word, length) == 0 && list[length] == ' ')
			return true;
	return false;
}

bool command_takes(const struct command *command, const char *option)
{
	return lists(command->options, option);
}

static bool refuse(const struct command *command, const char *option)
{
	if (command->counts && lists("min-ms failures ", option))
		fprintf(stderr, "hawser-trace: --%s chooses records; %s counts every connect\n", option,
		    command->name);
	else
		fprintf(stderr,
		    "hawser-trace: %s does not take --%s; hawser-trace %s --help lists what it does\n",
		    command->name, option, command->name);
	return false;
}

/* What is pinned was told its filters when it was pinned. Records can be chosen once more when they are read,
 * but for a sample. */
static bool fits_pins(const struct arguments *arguments, const struct command *command, uint64_t given)
{
	const char *fixed = command->prints_records
				? "sample no-ring calls histograms "
				: "pid uid cgroup netns port to sample no-ring calls histograms ";

	if (!command_takes(command, "pinned"))
		return true;
	if (arguments->pinned && arguments->options.names) {
		fputs("hawser-trace: --names needs programs of its own: leave --pinned out\n", stderr);
		return false;
	}
	if (!arguments->pinned && given & 1ULL << (OPTION_PATH - OPTION_JSON)) {
		fputs("hawser-trace: --path is of what is pinned: it needs --pinned\n", stderr);
		return false;
	}
	for (unsigned i = 0; arguments->pinned && options[i].val >= OPTION_JSON; i++) {
		if (given & 1ULL << (options[i].val - OPTION_JSON) && lists(fixed, options[i].name)) {
			fprintf(stderr,
			    "hawser-trace: --%s does not change what is pinned: `hawser-trace pin` does\n",
			    options[i].name);
			return false;
		}
	}
	return true;
}

static const char *hint_of(int option)
{
	switch (option) {
	case OPTION_CGROUP:
		return ", but a folder of the cgroup file system (version 2), or its number";
	case OPTION_NETNS:
		return ", but a file such as /proc/1/ns/net, or its inode's number";
	default:
		return "";
	}
}

static int parse_options(struct arguments *arguments, const struct command *command, int count, char **words)
{
	uint64_t given = 0;
	int option;

	while ((option = getopt_long(count, words, "h", options, NULL)) != -1) {
		if (option == 'h')
			return ARGUMENTS_HELP;
		if (option == '?') /* getopt has said it */
			return ARGUMENTS_WRONG;
		if (!command_takes(command, name_of(option)) && !refuse(command, name_of(option)))
			return ARGUMENTS_WRONG;
		if (!take(arguments, option, optarg)) {
			fprintf(stderr, "hawser-trace: --%s does not take '%s'%s\n", name_of(option), optarg,
			    hint_of(option));
			return ARGUMENTS_WRONG;
		}
		given |= 1ULL << (option - OPTION_JSON);
	}
	return fits_pins(arguments, command, given) ? ARGUMENTS_RUN : ARGUMENTS_WRONG;
}

int arguments_parse(struct arguments *arguments, const struct command *command, int count, char **words)
{
	int result;

	*arguments = (struct arguments){.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR"),
	    .destinations_max = 50,
	    .path = ARGUMENTS_PATH};
	hawser_trace_options_init(&arguments->options);
	result = parse_options(arguments, command, count, words);
	if (result != ARGUMENTS_RUN)
		return result;
	if (command->operand && optind == count) {
		fprintf(stderr, "hawser-trace: %s needs a %s\n", words[0], command->operand);
		return ARGUMENTS_WRONG;
	}
	if (command->operand)
		arguments->operand = words[optind++];
	if (optind < count) {
		fprintf(stderr, "hawser-trace: one word too many: '%s'\n", words[optind]);
		return ARGUMENTS_WRONG;
	}
	return ARGUMENTS_RUN;
}
