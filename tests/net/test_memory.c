/* SPDX-License-Identifier: MIT
 *
 * Memory that runs out: every allocation of a client's life is refused once. Each call then fails and changes
 * nothing, or the client gets through by itself; nothing is lost, nothing is left over.
 */
#include "../support/bed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT_ONCE .backoff_base_ms = 1, .backoff_cap_ms = 2

/* One life: a client with a setup, a binding, a call that waits, a call, a stream. Whatever is refused is
 * asked again. */
static void live(struct bed *bed)
{
	HAWSER_OPTIONS(
	    hawser_client_options, options, AT_ONCE, .attempts_kept = 3, .local_port = HAWSER_AUTO);
	HAWSER_OPTIONS(
	    hawser_setup_options, setup, .service = "Echo", .method = "Echo", .request = {"setup", 5});
	hawser_client *client = NULL;
	hawser_binding *counter = NULL;
	int result;

	while ((result = bed_client_try(bed, &options, &client)) == -ENOMEM)
		cr_assert_null(client);
	cr_assert_eq(result, 0);
	while ((result = bed_call(bed, hawser_client_setup(client, &setup, NULL, NULL))) == -ENOMEM)
		;
	cr_assert_eq(result, 0);
	while ((result = bed_call(bed, hawser_bind(client, "Counter", bed_on_binding, bed, &counter))) ==
	       -ENOMEM)
		cr_assert_null(counter);
	cr_assert_eq(result, 0);
	while ((result = bed_invoke(bed, counter, "Count", "2")) == -ENOMEM)
		;
	cr_assert_eq(result, 0);
	for (int i = 0; i < 2000 && !strstr(bed->log + bed->mark, "reply 2\n"); i++) {
		/* The call may have been lost with a connection that memory failed: then it was told so,
		 * once. */
		const char *lost = strstr(bed->log + bed->mark, "call ");

		if (lost) {
			bed->mark = (size_t)(lost - bed->log) + 5;
			while ((result = bed_invoke(bed, counter, "Count", "2")) == -ENOMEM)
				;
			cr_assert_eq(result, 0);
		}
		cr_assert_eq(hawser_loop_run_once(bed->loop, 100), 0);
	}
	bed_wait(bed, "reply 2\n");
	hawser_binding_free(counter);
	hawser_client_free(client);
	bed_settle(bed);
}

CLIENT_TEST(memory, every_allocation_of_a_life_may_be_refused_once)
{
	bed_host(bed, NULL);
	for (long at = 1; at < 1000; at++) {
		bed->refuse_at = at;
		live(bed);
		if (bed->refuse_at > 0) {
			bed->refuse_at = 0;
			cr_assert_gt(at, 3, "something was refused");
			return;
		}
	}
	cr_assert_fail("a life has no end of allocations");
}

CLIENT_TEST(memory, an_idle_client_costs_little)
{
	enum { CLIENTS = 200 };
	size_t before;
	size_t each;

	bed_host(bed, NULL);
	bed_client(bed, NULL);
	bed_wait(bed, "client ready");
	before = hawser_loop_memory(bed->loop);
	for (int i = 0; i < CLIENTS; i++)
		bed_client(bed, NULL);
	for (int i = 0; i < CLIENTS; i++)
		bed_wait(bed, "client ready");
	each = (hawser_loop_memory(bed->loop) - before) / CLIENTS;
	cr_log_info("%zu bytes a client\n", each);
	cr_assert_leq(each, 2048, "%zu bytes an idle connected client", each);
}

CLIENT_TEST(memory, status_is_json_in_every_state)
{
	char command[HOST_PATH_BYTES + 64];
	char *text = calloc(1, 65536);
	char small[20];
	hawser_client *client = bed_client(bed, NULL);
	FILE *jq;

	snprintf(command, sizeof(command), "jq -e .state > %s/state", bed->directory);
	bed_wait(bed, "client waiting");
	for (int round = 0; round < 3; round++) {
		int length = hawser_client_status_json(client, text, 65536);

		cr_assert_gt(length, 100);
		cr_assert_eq((size_t)length, strlen(text));
		cr_assert_geq(
		    hawser_client_status_json(client, small, sizeof(small)), 100, "cut, and it says so");
		cr_assert_eq(small[sizeof(small) - 1], '\0');
		jq = popen(command, "w");
		cr_assert_not_null(jq);
		fputs(text, jq);
		cr_assert_eq(pclose(jq), 0, "no JSON: %s", text);
		if (round == 0) {
			bed_host(bed, NULL);
			bed_wait(bed, "client ready");
			cr_assert(strstr(text, "\"waiting\"") || strstr(text, "\"connecting\"") ||
				  strstr(text, "\"resolving\""));
		} else if (round == 1) {
			cr_assert_not_null(strstr(text, "\"state\":\"ready\""));
			cr_assert_eq(hawser_client_close(client), 0);
			bed_wait(bed, "client closed");
		}
	}
	cr_assert_not_null(strstr(text, "\"state\":\"closed\""));
	cr_assert_eq(hawser_client_status_json(client, NULL, 0), -EINVAL);
	snprintf(command, sizeof(command), "%s/state", bed->directory);
	unlink(command);
	free(text);
}
