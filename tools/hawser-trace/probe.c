/* SPDX-License-Identifier: MIT
 *
 * `hawser-trace probe`: what this kernel allows, and what is lost where it does not. Exits 1 where nothing
 * can be traced.
 */
#include "hawser-trace.h"

#include <string.h>

int command_probe(const struct arguments *arguments)
{
	struct hawser_trace_ability abilities[HAWSER_TRACE_ABILITIES_MAX];
	int count = hawser_trace_probe(abilities);
	int usable = 1;

	for (int i = 0; i < count; i++) {
		const struct hawser_trace_ability *ability = &abilities[i];

		if (!ability->available &&
		    (!strcmp(ability->name, "BTF") || !strcmp(ability->name, "permission")))
			usable = 0;
		if (arguments->json) {
			printf("{\"name\":\"%s\",\"available\":%s,\"sentence\":", ability->name,
			    ability->available ? "true" : "false");
			json_string(stdout, ability->sentence);
			puts("}");
		} else {
			printf("%-4s %-22s %s\n", ability->available ? "yes" : "no", ability->name,
			    strcmp(ability->sentence, "yes") == 0 ? "" : ability->sentence);
		}
	}
	return !usable;
}
