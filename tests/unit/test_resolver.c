/* SPDX-License-Identifier: MIT
 *
 * The resolver with a lookup that hangs, fails and answers on demand: its limits, its threads, and what
 * becomes of lookups that nobody waits for any more.
 */
#include "../support/resolver_rig.h"
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

TestSuite(resolver, .timeout = 60);

Test(resolver, many_answers_are_cut_in_order)
{
	struct resolver *resolver = resolver_made_fake(1);
	struct resolver_answer *answer;

	cr_assert_eq(resolver_ask(resolver, 1, "many", 80), 0);
	answer = resolver_answer_wait(resolver);
	cr_assert_not_null(answer);
	cr_assert_eq(answer->result, ADDRESSES_MAX);
	for (int i = 0; i < ADDRESSES_MAX; i++) {
		char expected[32];
		char text[ADDRESS_TEXT_MAX];

		snprintf(expected, sizeof expected, i % 2 ? "10.9.0.%d:80" : "[fd00::%d]:80", i);
		if (i == 0)
			snprintf(expected, sizeof expected, "[fd00::]:80");
		cr_assert_str_eq(address_format(&answer->addresses[i], text, sizeof text), expected);
	}
	resolver_answer_free(answer);
	resolver_done(resolver);
}

Test(resolver, d11_each_failure_has_its_errno)
{
	static const struct {
		int code;
		int result;
	} codes[] = {{EAI_NONAME, -ENOENT}, {EAI_NODATA, -ENOENT}, {EAI_AGAIN, -EAGAIN},
	    {EAI_MEMORY, -ENOMEM}, {EAI_FAIL, -EIO}, {EAI_SERVICE, -EIO}, {EAI_FAMILY, -EIO},
	    {EAI_ADDRFAMILY, -EIO}};
	struct resolver *resolver = resolver_made_fake(2);
	char host[32];

	for (unsigned i = 0; i < sizeof codes / sizeof *codes; i++) {
		snprintf(host, sizeof host, "error %d", codes[i].code);
		cr_assert_eq(resolver_ask(resolver, i, host, 80), 0);
		cr_assert_eq(resolver_result_wait(resolver, i), codes[i].result, "%d", codes[i].code);
	}
	snprintf(host, sizeof host, "system %d", EMFILE);
	cr_assert_eq(resolver_ask(resolver, 100, host, 80), 0);
	cr_assert_eq(resolver_result_wait(resolver, 100), -EMFILE);
	cr_assert_eq(resolver_ask(resolver, 101, "system 0", 80), 0);
	cr_assert_eq(resolver_result_wait(resolver, 101), -EIO);
	cr_assert_eq(resolver_ask(resolver, 102, "none", 80), 0);
	cr_assert_eq(resolver_result_wait(resolver, 102), -ENOENT);
	cr_assert_eq(resolver_ask(resolver, 103, "foreign", 80), 0);
	cr_assert_eq(resolver_result_wait(resolver, 103), -ENOENT);
	resolver_done(resolver);
}

Test(resolver, a_host_longer_than_any_name_is_not_looked_up)
{
	struct resolver *resolver = resolver_made_fake(1);
	char host[257];

	memset(host, 'h', sizeof host);
	host[256] = '\0';
	cr_assert_eq(resolver_ask(resolver, 1, host, 80), -ENOENT);
	cr_assert_eq(resolver_threads(), 0);
	host[255] = '\0';
	cr_assert_eq(resolver_ask(resolver, 1, host, 80), 0);
	cr_assert_eq(resolver_result_wait(resolver, 1), 1);
	resolver_done(resolver);
}

Test(resolver, a_hanging_lookup_holds_up_no_other)
{
	struct resolver *resolver = resolver_made_fake(2);

	cr_assert_eq(resolver_ask(resolver, 1, "hang", 80), 0);
	for (uint64_t id = 2; id < 100; id++) {
		cr_assert_eq(resolver_ask(resolver, id, "host", 80), 0);
		cr_assert_eq(resolver_result_wait(resolver, id), 1);
	}
	resolver_gate_open();
	cr_assert_eq(resolver_result_wait(resolver, 1), 1);
	resolver_done(resolver);
}

Test(resolver, an_abandoned_lookup_is_never_answered)
{
	struct resolver *resolver = resolver_made_fake(1);

	cr_assert_eq(resolver_ask(resolver, 1, "hang", 80), 0);
	cr_assert_eq(resolver_ask(resolver, 2, "host", 80), 0);
	cr_assert_eq(resolver_ask(resolver, 3, "host", 80), 0);
	wait_until(atomic_load(&resolver_hanging) == 1);
	resolver_abandon(resolver, 1); /* it runs */
	resolver_abandon(resolver, 2); /* it waits */
	resolver_abandon(resolver, 9); /* it never was */
	cr_assert_null(resolver_take(resolver));
	resolver_gate_open();
	cr_assert_eq(resolver_result_wait(resolver, 3), 1);
	cr_assert_null(resolver_take(resolver));
	cr_assert_eq(atomic_load(&resolver_finished), 2);
	/* One that has its answer already, and the one behind it. */
	cr_assert_eq(resolver_ask(resolver, 4, "host", 80), 0);
	cr_assert_eq(resolver_ask(resolver, 5, "host", 80), 0);
	wait_until(atomic_load(&resolver_finished) == 4);
	resolver_abandon(resolver, 4);
	cr_assert_eq(resolver_result_wait(resolver, 5), 1);
	resolver_abandon(resolver, 5);
	resolver_done(resolver);
}

Test(resolver, is_destroyed_at_once_while_lookups_hang)
{
	struct resolver *resolver = resolver_made_fake(2);

	for (uint64_t id = 0; id < 10; id++)
		cr_assert_eq(resolver_ask(resolver, id, id < 2 ? "hang" : "host", 80), 0);
	wait_until(atomic_load(&resolver_hanging) == 2);
	resolver_destroy(resolver);
	cr_assert_eq(atomic_load(&resolver_hanging), 2);
	cr_assert_eq(resolver_threads(), 2);
	resolver_gate_open();
	wait_until(resolver_threads() == 0);
	cr_assert_eq(atomic_load(&resolver_finished), 2); /* those that waited were not begun */
	cr_assert_eq(atomic_load(&resolver_rung), 0);
}

Test(resolver, is_destroyed_with_answers_nobody_took)
{
	struct resolver *resolver = resolver_made_fake(2);

	for (uint64_t id = 0; id < 10; id++)
		cr_assert_eq(resolver_ask(resolver, id, "host", 80), 0);
	wait_until(atomic_load(&resolver_finished) == 10);
	resolver_done(resolver);
}

Test(resolver, has_no_more_threads_than_its_limit)
{
	struct resolver *resolver = resolver_made_fake(3);
	bool answered[10] = {false};

	for (uint64_t id = 0; id < 10; id++)
		cr_assert_eq(resolver_ask(resolver, id, "hang", 80), 0);
	wait_until(atomic_load(&resolver_hanging) == 3);
	cr_assert_eq(resolver_threads(), 3);
	resolver_gate_open();
	for (int i = 0; i < 10; i++) {
		struct resolver_answer *answer = resolver_answer_wait(resolver);

		cr_assert_not_null(answer);
		cr_assert_lt(answer->id, 10);
		cr_assert_not(answered[answer->id]);
		answered[answer->id] = true;
		resolver_answer_free(answer);
	}
	cr_assert_eq(atomic_load(&resolver_hanging_most), 3);
	resolver_done(resolver);
}

Test(resolver, without_a_limit_has_one_thread)
{
	struct resolver *resolver = resolver_made_fake(0);

	cr_assert_eq(resolver_ask(resolver, 1, "hang", 80), 0);
	cr_assert_eq(resolver_ask(resolver, 2, "hang", 80), 0);
	cr_assert_eq(resolver_threads(), 1);
	resolver_gate_open();
	cr_assert_eq(resolver_result_wait(resolver, 1), 1);
	cr_assert_eq(resolver_result_wait(resolver, 2), 1);
	resolver_done(resolver);
}

Test(resolver, a_full_queue_refuses_and_loses_nothing)
{
	struct resolver *resolver = resolver_made_fake(1);
	uint64_t id;

	cr_assert_eq(resolver_ask(resolver, 0, "hang", 80), 0);
	wait_until(atomic_load(&resolver_hanging) == 1);
	for (id = 1; id <= RESOLVER_WAITING_MAX; id++)
		cr_assert_eq(resolver_ask(resolver, id, "host", 80), 0);
	cr_assert_eq(resolver_ask(resolver, id, "host", 80), -ENOBUFS);
	resolver_abandon(resolver, 17); /* makes room for one */
	cr_assert_eq(resolver_ask(resolver, id, "host", 80), 0);
	cr_assert_eq(resolver_ask(resolver, id + 1, "host", 80), -ENOBUFS);
	resolver_gate_open();
	for (uint64_t next = 0; next <= id; next++)
		if (next != 17)
			cr_assert_eq(resolver_result_wait(resolver, next), 1);
	cr_assert_null(resolver_take(resolver));
	resolver_done(resolver);
}

Test(resolver, rings_once_for_all_answers_that_wait)
{
	struct resolver *resolver = resolver_made_fake(1);

	for (uint64_t id = 0; id < 5; id++)
		cr_assert_eq(resolver_ask(resolver, id, "host", 80), 0);
	/* One thread: when the fifth is done, the four before it have been put down. */
	wait_until(atomic_load(&resolver_finished) == 5);
	for (uint64_t id = 0; id < 5; id++)
		cr_assert_eq(resolver_result_wait(resolver, id), 1);
	cr_assert_leq(atomic_load(&resolver_rung), 2);
	cr_assert_eq(resolver_ask(resolver, 5, "host", 80), 0);
	cr_assert_eq(resolver_result_wait(resolver, 5), 1);
	cr_assert_leq(atomic_load(&resolver_rung), 3);
	resolver_done(resolver);
}

Test(resolver, an_idle_thread_ends_and_another_takes_its_place)
{
	struct resolver *resolver = resolver_made_fake(4);

	resolver_gate_open();
	for (int round = 0; round < 2; round++) {
		for (uint64_t id = 0; id < 3; id++) {
			cr_assert_eq(resolver_ask(resolver, id, "host", 80), 0);
			cr_assert_eq(resolver_result_wait(resolver, id), 1);
		}
		cr_assert_gt(resolver_threads(), 0);
		if (round == 0)
			wait_until(resolver_threads() == 0);
	}
	resolver_done(resolver);
}
