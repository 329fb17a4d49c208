/* SPDX-License-Identifier: MIT
 *
 * The life of one client: receive, serve each frame, send, close. What a request means is in requests.c,
 * what goes wrong on purpose in faults.c.
 *
 * Happy path: connection_turn() does one bounded receive, serves the frames it completed, lets streams and
 * floods fill the queue, sends what the socket takes and asks epoll for the rest.
 * Failures: end of stream, a lost peer, a frame above the limit and lost descriptors close the connection;
 * so does a client that does not read while its answers, or those of all clients, reach the limits of
 * output.h and host.h. A closed connection is freed at the end of the turn, since epoll may have an event
 * for it in the same batch.
 */
#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "faults.h"
#include "requests.h"

int connection_open(struct host *host, int fd, bool descriptors_possible)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
	if (connection == NULL || epoll_ctl(host->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		int error = connection == NULL ? -ENOMEM : -errno;
		free(connection);
		close(fd);
		return error;
	}
	connection->source = SOURCE_CONNECTION;
	connection->host = host;
	connection->fd = fd;
	connection->epoll_events = EPOLLIN;
	connection->descriptors_possible = descriptors_possible;
	connection->reading = host->options->stop_reading_after > 0;
	connection->last_stream = &connection->first_stream;
	output_init(&connection->output);
	connection->next = host->connections;
	if (connection->next != NULL)
		connection->next->previous = connection;
	host->connections = connection;
	host->connections_open++;
	host->counters.connections++;
	connection_settle(connection);
	return 0;
}

void connection_close(struct connection *connection)
{
	struct host *host = connection->host;
	if (connection->closed)
		return;
	connection->closed = true;
	host->output_bytes -= output_length(&connection->output);
	if (connection->timers_armed > 0)
		timers_cancel(&host->timers, connection);
	close(connection->fd);
	input_free(&connection->input);
	output_free(&connection->output);
	faults_held_free(connection);
	requests_streams_free(connection);
	connection->flood_bytes = 0;
	if (connection->previous != NULL)
		connection->previous->next = connection->next;
	else
		host->connections = connection->next;
	if (connection->next != NULL)
		connection->next->previous = connection->previous;
	connection->next = host->closed;
	host->closed = connection;
	host->connections_open--;
}

void connection_free_closed(struct host *host)
{
	while (host->closed != NULL) {
		struct connection *connection = host->closed;
		host->closed = connection->next;
		free(connection);
	}
}

void connection_finish(struct connection *connection)
{
	faults_held_release(connection, connection->held_group);
	requests_streams_free(connection);
	connection->flood_bytes = 0;
	connection->closing = true;
}

void connection_flush(struct connection *connection)
{
	struct host *host = connection->host;
	if (connection->closed)
		return;
	size_t before = output_length(&connection->output);
	int error = output_flush(
	    &connection->output, connection->fd, host->options->fragment_bytes, &host->counters.bytes_sent);
	host->output_bytes -= before - output_length(&connection->output);
	if (error < 0)
		connection_close(connection);
}

static int connection_push_try(
    struct connection *connection, struct codec_bytes bytes, struct descriptors *descriptors)
{
	struct host *host = connection->host;
	if (connection->closed)
		return -EPIPE;
	if (host->output_bytes + bytes.length > HOST_OUTPUT_BYTES_MAX)
		return -ENOBUFS;
	int error = output_push(&connection->output, bytes, descriptors);
	if (error == 0)
		host->output_bytes += bytes.length;
	return error;
}

void connection_push(struct connection *connection, struct codec_bytes bytes, struct descriptors *descriptors)
{
	int error = connection_push_try(connection, bytes, descriptors);
	if (error == -ENOBUFS) {
		connection_flush(connection);
		error = connection_push_try(connection, bytes, descriptors);
	}
	if (error == 0)
		return;
	if (descriptors != NULL)
		descriptors_close(descriptors);
	connection_close(connection);
}

bool connection_may_produce(const struct connection *connection)
{
	bool scarce = connection->host->output_bytes > HOST_OUTPUT_BYTES_MAX / 2;
	return output_length(&connection->output) <
	       (scarce ? OUTPUT_PRODUCE_BYTES_SCARCE : OUTPUT_PRODUCE_BYTES_MAX);
}

static void connection_serve(struct connection *connection)
{
	while (!connection->closed && !connection->closing) {
		struct codec_bytes payload;
		struct descriptors descriptors = {.count = 0};
		int error = input_frame_take(&connection->input, &payload, &descriptors);
		if (error == -EAGAIN)
			return;
		if (error < 0) {
			connection_flush(connection);
			connection_close(connection);
			return;
		}
		requests_serve(connection, payload, &descriptors);
		descriptors_close(&descriptors);
	}
}

static void connection_read(struct connection *connection)
{
	uint64_t stop_after = connection->host->options->stop_reading_after;
	uint64_t length_max = stop_after == OPTIONS_UNSET ? UINT64_MAX : stop_after - connection->received;
	size_t length;
	int error = input_receive(&connection->input, connection->fd, length_max, &length);
	if (error == -EAGAIN)
		return;
	if (error < 0 || length == 0) {
		connection_close(connection);
		return;
	}
	connection->received += length;
	connection->host->counters.bytes_received += length;
	connection->reading = connection->received < stop_after;
	connection_serve(connection);
}

void connection_settle(struct connection *connection)
{
	if (!connection->closed && !connection->closing) {
		requests_streams_produce(connection);
		faults_flood_produce(connection);
	}
	connection_flush(connection);
	if (connection->closed)
		return;
	bool sending = output_length(&connection->output) > 0;
	if (connection->closing && !sending) {
		connection_close(connection);
		return;
	}
	uint32_t wanted = connection->reading && !connection->closing ? EPOLLIN : 0;
	if (sending || connection->streams_count > 0 || connection->flood_bytes > 0)
		wanted |= EPOLLOUT;
	struct epoll_event event = {.events = wanted, .data.ptr = connection};
	if (wanted == connection->epoll_events)
		return;
	connection->epoll_events = wanted;
	if (epoll_ctl(connection->host->epoll_fd, EPOLL_CTL_MOD, connection->fd, &event) < 0)
		connection_close(connection);
}

void connection_turn(struct connection *connection, uint32_t epoll_events)
{
	if (connection->closed)
		return;
	bool gone = (epoll_events & (EPOLLHUP | EPOLLERR)) != 0;
	if (connection->reading && !connection->closing && (gone || (epoll_events & EPOLLIN)))
		connection_read(connection);
	else if (gone)
		connection_close(connection);
	connection_settle(connection);
}
