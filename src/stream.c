/* SPDX-License-Identifier: MIT
 *
 * What a user of a stream protocol ("raw") may do with the connection: send, pause, resume, half-close, take
 * descriptors.
 */
#include "client.h"

#include <errno.h>

static int stream_enter(hawser_client *client)
{
	int result = loop_enter(client->loop);

	if (result < 0)
		return result;
	if (client_is_over(client) || !client->held)
		return -ESTALE;
	if (!(client->protocol->flags & HAWSER_PROTOCOL_STREAM))
		return -EOPNOTSUPP;
	return client->session && client->connection.state == CONNECTION_ready ? 0 : -ENOTCONN;
}

int hawser_send(hawser_client *client, const void *data, size_t size, const int *fds, size_t fds_count,
    uint64_t *ret_position)
{
	struct hawser_bytes bytes = {data, size};
	int result = stream_enter(client);

	if (result < 0)
		return result;
	if (!data || size == 0 || fds_count > ENGINE_FDS_MAX || (fds_count && !fds))
		return -EINVAL;
	result = wire_send(&client->session->wire, &bytes, 1, fds, fds_count);
	if (result == 0 && ret_position)
		*ret_position = client->session->wire.queued_to;
	return result;
}

int hawser_client_sent(const hawser_client *client, uint64_t *ret_completely, uint64_t *ret_possibly)
{
	const struct wire *wire = client->session ? &client->session->wire : NULL;

	if (loop_is_forked(client->loop))
		return -ECHILD;
	if (!ret_completely || !ret_possibly)
		return -EINVAL;
	*ret_completely = wire ? wire->sent_to : client->sent_completely;
	*ret_possibly = !wire ? client->sent_possibly : wire->sending ? wire->sending_to : wire->sent_to;
	return 0;
}

int hawser_pause(hawser_client *client)
{
	int result = stream_enter(client);

	if (result == 0)
		wire_pause(&client->session->wire);
	return result;
}

int hawser_resume(hawser_client *client)
{
	int result = stream_enter(client);

	if (result == 0)
		wire_resume(&client->session->wire);
	return result;
}

int hawser_shutdown_send(hawser_client *client)
{
	int result = stream_enter(client);

	if (result == 0)
		wire_shutdown_send(&client->session->wire);
	return result;
}

int hawser_client_take_fd(hawser_client *client)
{
	if (loop_is_forked(client->loop))
		return -ECHILD;
	if (!client->session)
		return -ENOENT;
	return wire_take_fd(&client->session->wire, client->session->frame_end);
}
