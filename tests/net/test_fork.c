/* SPDX-License-Identifier: MIT
 *
 * A loop belongs to the process that made it: in a forked child every function of a handle refuses, and the
 * parent's connections go on.
 */
#include "../support/bed.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

CLIENT_TEST(fork, in_a_forked_child_everything_is_echild)
{
	hawser_client *client = bed_client(bed, NULL);
	hawser_binding *binding = bed_bind(bed, client, "Echo");
	HAWSER_OPTIONS(hawser_client_options, options, .target = bed->target);
	HAWSER_OPTIONS(hawser_setup_options, setup, .service = "X", .method = "Y");
	struct hawser_status described = {.size = sizeof(described)};
	struct hawser_peer peer;
	uint64_t positions[2];
	hawser_client *other = NULL;
	hawser_call *call;
	int status;
	pid_t pid;

	cr_assert_eq(hawser_invoke(binding, "X", NULL, 0, bed_on_reply, bed, &call), 0);
	pid = fork();
	if (pid == 0) {
		const int results[] = {
		    hawser_client_new(bed->loop, &options, &other),
		    hawser_client_connect(client),
		    hawser_client_retry_now(client),
		    hawser_client_drain(client),
		    hawser_client_close(client),
		    hawser_client_peer(client, &peer),
		    hawser_client_setup(client, &setup, NULL, NULL),
		    hawser_client_sent(client, &positions[0], &positions[1]),
		    hawser_client_status(client, &described),
		    hawser_client_take_fd(client),
		    hawser_send(client, "x", 1, NULL, 0, NULL),
		    hawser_pause(client),
		    hawser_resume(client),
		    hawser_shutdown_send(client),
		    hawser_bind(client, "X", bed_on_binding, bed, NULL),
		    hawser_binding_release(binding),
		    hawser_invoke(binding, "X", NULL, 0, NULL, NULL, NULL),
		    hawser_call_cancel(call),
		    hawser_call_take_fd(call),
		    hawser_timer_new(bed->loop, 0, 0, NULL, NULL, NULL),
		    hawser_loop_run(bed->loop),
		    hawser_loop_run_once(bed->loop, 0),
		    hawser_loop_stop(bed->loop),
		    hawser_loop_wake(bed->loop),
		    hawser_loop_fd(bed->loop),
		    hawser_loop_dispatch(bed->loop),
		};

		for (int i = 0; i < (int)(sizeof(results) / sizeof(results[0])); i++)
			if (results[i] != -ECHILD)
				_exit(i + 1);
		hawser_call_free(call);
		hawser_binding_free(binding);
		hawser_client_free(client);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0, "the function of line %d does not refuse", WEXITSTATUS(status));
	hawser_call_free(call);
	bed_host(bed, NULL);
	bed_wait(bed, "Echo bound");
}
