/* SPDX-License-Identifier: MIT
 *
 * hawser-host: a host to test clients of the Perfetto IPC format against. It offers well-behaved services
 * and misbehaves exactly as its options say. It uses nothing of the library but
 * its version.
 *
 * Exit status: 0 after a signal, --exit-after-ms, --die-after-calls, --help or --version; 1 if it cannot
 * listen; 2 if the command line or a target is wrong.
 */
#include <errno.h>

#include "options.h"
#include "server.h"

enum { EXIT_CANNOT_SERVE = 1, EXIT_USAGE = 2 };

int main(int argument_count, char **arguments)
{
	static struct options options;
	enum options_verdict verdict;
	if (options_parse(argument_count, arguments, &options, &verdict) < 0)
		return EXIT_USAGE;
	if (verdict == OPTIONS_SHOWN)
		return 0;
	int error = server_run(&options);
	if (error == -EINVAL)
		return EXIT_USAGE;
	return error < 0 ? EXIT_CANNOT_SERVE : 0;
}
