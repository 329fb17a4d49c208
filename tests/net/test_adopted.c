/* SPDX-License-Identifier: MIT
 *
 * fd:N targets: whose the descriptor is, whatever happens. The bed checks that none is left open.
 */
#include "../support/bed.h"
#include "../support/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct pair {
	int ours; /* adopted */
	int host;
	char target[32];
};

static struct pair pair_open(void)
{
	struct pair pair;
	int ends[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	pair.ours = ends[0];
	pair.host = ends[1];
	snprintf(pair.target, sizeof(pair.target), "fd:%d", pair.ours);
	return pair;
}

static void expect_closed(const struct pair *pair)
{
	char byte;

	cr_assert_eq(recv(pair->host, &byte, 1, MSG_DONTWAIT), 0, "the adopted end is closed");
	close(pair->host);
}

static void expect_open(const struct pair *pair)
{
	cr_assert_geq(fcntl(pair->ours, F_GETFD), 0, "it stays the caller's");
	close(pair->ours);
	close(pair->host);
}

CLIENT_TEST(adopted, never_started_it_is_closed_with_its_client)
{
	struct pair pair = pair_open();
	HAWSER_OPTIONS(hawser_client_options, options, .target = pair.target, .start_later = true);
	hawser_client *client = bed_client(bed, &options);

	bed_forget_client(bed, client);
	hawser_client_free(client);
	bed_settle(bed);
	expect_closed(&pair);
}

CLIENT_TEST(adopted, never_started_it_is_closed_with_its_loop)
{
	struct pair pair = pair_open();
	HAWSER_OPTIONS(hawser_client_options, options, .target = pair.target, .start_later = true);

	bed_client(bed, &options);
	hawser_loop_free(bed->loop);
	bed->loop_gone = true;
	expect_closed(&pair);
}

CLIENT_TEST(adopted, freed_before_the_first_turn_it_is_closed)
{
	struct pair pair = pair_open();
	HAWSER_OPTIONS(hawser_client_options, options, .target = pair.target);
	hawser_client *client = bed_client(bed, &options);

	bed_forget_client(bed, client);
	hawser_client_free(client);
	bed_settle(bed);
	expect_closed(&pair);
}

CLIENT_TEST(adopted, the_loop_freed_before_the_first_turn_it_is_closed)
{
	struct pair pair = pair_open();
	HAWSER_OPTIONS(hawser_client_options, options, .target = pair.target);

	bed_client(bed, &options);
	hawser_loop_free(bed->loop);
	bed->loop_gone = true;
	expect_closed(&pair);
}

CLIENT_TEST(adopted, closed_by_its_owner_when_ready)
{
	struct pair pair = pair_open();
	HAWSER_OPTIONS(hawser_client_options, options, .target = pair.target, .protocol = "raw");
	hawser_client *client = bed_client(bed, &options);

	bed_wait(bed, "client ready");
	cr_assert_eq(bed_call(bed, hawser_client_connect(client)), -EOPNOTSUPP, "there is no second one");
	cr_assert_eq(bed_call(bed, hawser_client_close(client)), 0);
	bed_wait(bed, "client closed");
	expect_closed(&pair);
}

static void keep_fd(hawser_client *client, int fd, void *user)
{
	(void)client;
	bed_note(user, "handed over");
	close(fd);
}

CLIENT_TEST(adopted, handed_over_it_cannot_be_connected_again)
{
	struct pair pair = pair_open();
	HAWSER_OPTIONS(hawser_client_options, options, .target = pair.target, .protocol = "none",
	    .on_handover = keep_fd);
	hawser_client *client = bed_client(bed, &options);

	bed_wait(bed, "handed over");
	cr_assert_eq(hawser_client_state(client), HAWSER_IDLE);
	cr_assert_eq(bed_call(bed, hawser_client_connect(client)), -EOPNOTSUPP);
	cr_assert_eq(hawser_client_state(client), HAWSER_IDLE);
	expect_closed(&pair);
}

CLIENT_TEST(adopted, a_client_that_cannot_be_made_leaves_it_with_the_caller)
{
	struct pair pair = pair_open();
	HAWSER_OPTIONS(hawser_client_options, options, .target = pair.target, .protocol = "none");
	hawser_client *client = NULL;

	cr_assert_eq(bed_client_try(bed, &options, &client), -EINVAL, "nobody would take it over");
	expect_open(&pair);
}

CLIENT_TEST(adopted, a_datagram_socket_is_no_stream)
{
	int ends[2];
	char target[32];
	HAWSER_OPTIONS(hawser_client_options, options, .target = target);
	hawser_client *client = NULL;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
	snprintf(target, sizeof(target), "fd:%d", ends[0]);
	cr_assert_eq(bed_client_try(bed, &options, &client), -EPROTOTYPE);
	close(ends[0]);
	close(ends[1]);
}

/* Adopted or not, tcp does not say who is there, and carries no descriptors. */
CLIENT_TEST(adopted, what_only_a_unix_socket_has_is_refused_over_tcp)
{
	char listening[64];
	char target[32];
	HAWSER_OPTIONS(
	    hawser_client_options, required, .target = target, .protocol = "raw", .peer_uid = getuid());
	HAWSER_OPTIONS(hawser_client_options, options, .target = target);
	int listener = sockets_listen_tcp(4, listening, sizeof(listening));
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct hawser_peer peer;
	hawser_client *client = NULL;
	hawser_binding *binding;
	HAWSER_OPTIONS(hawser_invoke_options, invoke, .method = "X", .fds = &fd, .fds_count = 1);
	int host;

	cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	cr_assert_eq(connect(fd, (const struct sockaddr *)&address, size), 0);
	host = sockets_accept(listener);
	snprintf(target, sizeof(target), "fd:%d", fd);
	cr_assert_eq(bed_client_try(bed, &required, &client), -EINVAL);
	required.target = listening;
	cr_assert_eq(bed_client_try(bed, &required, &client), -EINVAL);
	client = bed_client(bed, &options);
	binding = bed_bind(bed, client, "Echo");
	bed_wait(bed, "client ready");
	cr_assert_eq(bed_call(bed, hawser_client_peer(client, &peer)), -EOPNOTSUPP);
	cr_assert_eq(bed_call(bed, hawser_client_peer(client, NULL)), -EINVAL);
	cr_assert_eq(bed_call(bed, hawser_invoke_with(binding, &invoke, bed_on_reply, bed, NULL)),
	    -EOPNOTSUPP, "at once, though the call would wait");
	close(listener);
	close(host);
}
