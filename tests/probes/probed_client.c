/* SPDX-License-Identifier: MIT
 *
 * What tests/probes/run traces: clients of known fates, so that a trace of them has known numbers.
 *
 *	probed_client NOBODY REFUSING HOST
 *
 * NOBODY is a unix target without a socket file: "storm" fails there 30 times, 5 ms apart. REFUSING is a tcp
 * port where nobody listens: "refused" fails there 3 times, 20 ms apart. HOST closes each connection after
 *its first bind: "rebound" is bound there 3 times and then leaves; "picky" asks for a service that HOST does
 *not have. Ends with 0 when all of that came about.
 */
#include <errno.h>
#include <hawser/hawser.h>
#include <stdio.h>

enum { STORM_ROUNDS = 30, REFUSED_ROUNDS = 3, BOUND_TIMES = 3, SECONDS_MAX = 20 };

static hawser_loop *loop;
static hawser_client *rebound;
static int bound;
static int refusals;
static int gave_up;

static void look_for_end(void)
{
	if (gave_up == 2 && bound == BOUND_TIMES && refusals == 1)
		hawser_loop_stop(loop);
}

static void on_change(hawser_client *client, const struct hawser_change *change, void *user)
{
	(void)client;
	(void)user;
	if (change->to == HAWSER_CLOSED)
		gave_up++;
	look_for_end();
}

static void on_rebound(
    hawser_binding *binding, enum hawser_binding_event event, const struct hawser_error *error, void *user)
{
	(void)binding;
	(void)error;
	(void)user;
	if (event == HAWSER_BINDING_BOUND && ++bound == BOUND_TIMES)
		hawser_client_free(rebound);
	look_for_end();
}

static void on_picky(
    hawser_binding *binding, enum hawser_binding_event event, const struct hawser_error *error, void *user)
{
	(void)binding;
	(void)error;
	if (event == HAWSER_BINDING_REFUSED) {
		refusals++;
		hawser_client_free(*(hawser_client **)user);
	}
	look_for_end();
}

static int start_failing(
    const char *name, const char *target, uint32_t rounds_max, uint32_t delay_ms, hawser_client **ret_client)
{
	HAWSER_OPTIONS(hawser_client_options, options, .target = target, .name = name, .on_change = on_change,
	    .rounds_max = rounds_max, .backoff_base_ms = delay_ms, .backoff_cap_ms = delay_ms,
	    .backoff_jitter = HAWSER_JITTER_NONE);

	return hawser_client_new(loop, &options, ret_client);
}

static int start_binding(const char *name, const char *target, const char *service,
    hawser_on_binding on_binding, hawser_client **ret_client)
{
	HAWSER_OPTIONS(hawser_client_options, options, .target = target, .name = name);
	int result = hawser_client_new(loop, &options, ret_client);

	return result < 0 ? result : hawser_bind(*ret_client, service, on_binding, ret_client, NULL);
}

static void too_late(hawser_timer *timer, void *user)
{
	(void)timer;
	(void)user;
	hawser_loop_stop(loop);
}

static int run(char **targets)
{
	static hawser_client *storm, *refused, *picky;
	hawser_timer *timer;
	int result = hawser_timer_new(loop, SECONDS_MAX * 1000000000ULL, 0, too_late, NULL, &timer);

	if (result == 0)
		result = start_failing("storm", targets[0], STORM_ROUNDS, 5, &storm);
	if (result == 0)
		result = start_failing("refused", targets[1], REFUSED_ROUNDS, 20, &refused);
	if (result == 0)
		result = start_binding("rebound", targets[2], "Echo", on_rebound, &rebound);
	if (result == 0)
		result = start_binding("picky", targets[2], "Nothing", on_picky, &picky);
	return result == 0 ? hawser_loop_run(loop) : result;
}

int main(int count, char **arguments)
{
	int result = -EINVAL;

	if (count == 4)
		result = hawser_loop_new(NULL, &loop);
	if (result == 0) {
		result = run(arguments + 1);
		hawser_loop_free(loop);
	}
	printf("%d gave up, %d bound, %d refused: %s\n", gave_up, bound, refusals, hawser_errno_name(result));
	return result < 0 || gave_up != 2 || bound != BOUND_TIMES || refusals != 1;
}
