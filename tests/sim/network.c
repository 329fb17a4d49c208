/* SPDX-License-Identifier: MIT
 *
 * Moves bytes between the library's sockets and the hosts. It knows no protocol and no operation of the
 * engine: it says when a connection may be readable or writable (engine_readable, engine_writable) and when
 * bytes or an end have reached a host (host_received, host_hung_up).
 */
#include "world.h"

#include <string.h>

#define END UINT64_MAX
#define RESET (UINT64_MAX - 1)

void network_begin(struct world *world)
{
	struct network *network = &world->network;

	for (int i = 0; i < CONNECTIONS_MAX; i++) {
		network->connections[i].used = false;
		network->connections[i].generation = 0;
	}
	network->descriptors_count = 0;
	network->connections_made = 0;
}

void network_heal(struct world *world)
{
	for (int i = 0; i < CONNECTIONS_MAX; i++)
		if (world->network.connections[i].used)
			engine_writable(world, &world->network.connections[i]);
}

/* ---- descriptors ---- */

struct descriptor *descriptor_find(struct world *world, int fd)
{
	int at = fd - DESCRIPTOR_BASE;

	if (fd < DESCRIPTOR_BASE || (uint32_t)at >= world->network.descriptors_count)
		return NULL;
	return &world->network.descriptors[at];
}

int descriptor_new(struct world *world, enum holder holder, uint64_t connection)
{
	struct network *network = &world->network;

	if (network->descriptors_count == DESCRIPTORS_MAX)
		violated(world, "simulator: no descriptors left");
	trace(world, TRACE_descriptor, network->descriptors_count, (uint64_t)holder, connection);
	network->descriptors[network->descriptors_count] =
	    (struct descriptor){true, (uint8_t)holder, connection, 0};
	return DESCRIPTOR_BASE + (int)network->descriptors_count++;
}

void descriptor_close(struct world *world, int fd)
{
	struct descriptor *descriptor = descriptor_find(world, fd);
	struct sim_connection *connection;

	if (!descriptor || !descriptor->open)
		violated(world, "descriptor %d is closed a second time", fd - DESCRIPTOR_BASE);
	descriptor->open = false;
	connection = connection_find(world, descriptor->connection);
	if (connection)
		network_client_closes(world, connection);
}

void descriptors_offer(struct world *world, int *ret_fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		ret_fds[i] = descriptor_new(world, HOLDER_OFFERED, 0);
}

void descriptors_settle(struct world *world, const int *fds, unsigned count, int result)
{
	for (unsigned i = 0; i < count; i++) {
		struct descriptor *descriptor = descriptor_find(world, fds[i]);

		descriptor->holder = HOLDER_LIBRARY;
		if (result < 0)
			descriptor_close(world, fds[i]); /* its owner does, as ever */
	}
}

/* ---- connections ---- */

uint64_t connection_id(const struct world *world, const struct sim_connection *connection)
{
	uint64_t at = (uint64_t)(connection - world->network.connections);

	return (uint64_t)connection->generation << 32 | (at + 1);
}

struct sim_connection *connection_find(struct world *world, uint64_t id)
{
	uint64_t at = (id & UINT32_MAX) - 1;
	struct sim_connection *connection;

	if (id == 0 || at >= CONNECTIONS_MAX)
		return NULL;
	connection = &world->network.connections[at];
	return connection->used && connection->generation == id >> 32 ? connection : NULL;
}

static struct sim_connection *connection_take(struct world *world)
{
	for (int i = 0; i < CONNECTIONS_MAX; i++)
		if (!world->network.connections[i].used)
			return &world->network.connections[i];
	violated(world, "simulator: no connections left");
}

static void connection_drop(struct sim_connection *connection)
{
	if (!connection->client_open && !connection->host_open)
		connection->used = false;
}

struct sim_connection *network_connect(struct world *world, unsigned host, int client, bool is_unix)
{
	struct sim_connection *connection = connection_take(world);
	struct buffer outbound = connection->outbound;
	struct buffer inbound = connection->inbound;
	struct buffer expected = connection->expected;
	uint32_t generation = connection->generation;

	buffer_clear(&outbound);
	buffer_clear(&inbound);
	buffer_clear(&expected);
	memset(connection, 0, sizeof(*connection));
	connection->used = true;
	connection->generation = generation + 1;
	connection->number = ++world->network.connections_made;
	connection->host = host;
	connection->client = client;
	connection->is_unix = is_unix;
	connection->uid = world->hosts[host].uid;
	connection->client_open = true;
	connection->host_open = true;
	connection->outbound = outbound;
	connection->inbound = inbound;
	connection->expected = expected;
	connection->latency_ns = draw_below(world, is_unix ? 50 * MICROSECOND : 20 * MILLISECOND);
	if (world->healed) /* some clients have deadlines of a millisecond */
		connection->latency_ns = 0;
	connection->fd = descriptor_new(world, HOLDER_LIBRARY, connection_id(world, connection));
	return connection;
}

static uint64_t arrival_delay(
    struct world *world, const struct sim_connection *connection, uint64_t *last_at_ns)
{
	uint64_t at_ns = world->now + connection->latency_ns;

	if (chance(world, world->faults.jitter))
		at_ns += draw_below(world, 5 * MILLISECOND);
	if (at_ns < *last_at_ns)
		at_ns = *last_at_ns;
	*last_at_ns = at_ns;
	return at_ns - world->now;
}

/* ---- client to host ---- */

static void bytes_reach_host(struct world *world, uint64_t id, uint64_t size)
{
	struct sim_connection *connection = connection_find(world, id);

	if (!connection || !connection->host_open)
		return;
	if (size == END) {
		host_hung_up(world, connection);
		return;
	}
	connection->outbound_arrived += size;
	host_received(world, connection);
}

size_t network_room(const struct world *world, const struct sim_connection *connection)
{
	size_t window = world->faults.window;
	size_t queued = buffer_size(&connection->outbound);

	if (!connection->host_open)
		return window;
	return queued < window ? window - queued : 0;
}

void network_take(struct world *world, struct sim_connection *connection, const struct iovec *vectors,
    unsigned vectors_count, size_t size, unsigned fds_count)
{
	size_t left = size;

	if (fds_count) {
		connection->fds_at = connection->taken;
		connection->fds_count = fds_count;
	}
	connection->taken += size;
	if (!connection->host_open)
		return; /* lost on the way: nobody is there any more */
	for (unsigned i = 0; i < vectors_count && left; i++) {
		size_t part = vectors[i].iov_len < left ? vectors[i].iov_len : left;

		buffer_append(&connection->outbound, vectors[i].iov_base, part);
		left -= part;
	}
	oracle_taken(world, connection);
	agenda_add(world, arrival_delay(world, connection, &connection->outbound_at_ns), bytes_reach_host,
	    connection_id(world, connection), size);
}

void network_client_shuts(struct world *world, struct sim_connection *connection)
{
	if (connection->client_shut)
		return;
	connection->client_shut = true;
	agenda_add(world, arrival_delay(world, connection, &connection->outbound_at_ns), bytes_reach_host,
	    connection_id(world, connection), END);
}

void network_client_closes(struct world *world, struct sim_connection *connection)
{
	network_client_shuts(world, connection);
	connection->client_open = false;
	for (unsigned i = 0; i < connection->messages_count; i++)
		for (unsigned k = 0; k < connection->messages[i].count; k++)
			descriptor_close(world, connection->messages[i].fds[k]);
	connection->messages_count = 0;
	connection_drop(connection);
}

/* ---- host to client ---- */

static void bytes_reach_client(struct world *world, uint64_t id, uint64_t size)
{
	struct sim_connection *connection = connection_find(world, id);

	if (!connection || !connection->client_open || connection->reset)
		return;
	if (size == RESET) {
		connection->reset = true;
		if (chance(world, 50)) { /* the reset overtakes what was not read */
			buffer_consume(&connection->inbound, buffer_size(&connection->inbound));
			connection->inbound_arrived = 0;
		}
		engine_writable(world, connection);
	} else if (size == END) {
		connection->end_arrived = true;
	} else {
		connection->inbound_arrived += size;
	}
	engine_readable(world, connection);
}

static void attach_fds(
    struct world *world, struct sim_connection *connection, size_t size, struct attached attached)
{
	struct message *message;

	if (!attached.count || connection->messages_count == MESSAGES_MAX)
		return;
	message = &connection->messages[connection->messages_count++];
	message->begin = connection->delivered + buffer_size(&connection->inbound);
	message->end = message->begin + size;
	message->count = attached.count;
	for (unsigned i = 0; i < attached.count; i++) {
		message->fds[i] = descriptor_new(world, HOLDER_NETWORK, 0);
		descriptor_find(world, message->fds[i])->tag = attached.tag;
	}
}

void network_write(struct world *world, struct sim_connection *connection, const void *data, size_t size,
    struct attached attached)
{
	if (!connection->host_open || connection->host_shut || !connection->client_open || size == 0)
		return;
	attach_fds(world, connection, size, attached);
	buffer_append(&connection->inbound, data, size);
	agenda_add(world, arrival_delay(world, connection, &connection->inbound_at_ns), bytes_reach_client,
	    connection_id(world, connection), size);
}

void network_host_shuts(struct world *world, struct sim_connection *connection)
{
	if (connection->host_shut)
		return;
	connection->host_shut = true;
	agenda_add(world, arrival_delay(world, connection, &connection->inbound_at_ns), bytes_reach_client,
	    connection_id(world, connection), END);
}

void network_host_closes(struct world *world, struct sim_connection *connection, bool reset)
{
	if (!connection->host_open)
		return;
	trace(world, TRACE_host_hangs_up, connection->number, reset, 0);
	if (reset)
		agenda_add(world, connection->latency_ns, bytes_reach_client,
		    connection_id(world, connection), RESET);
	else
		network_host_shuts(world, connection);
	connection->host_open = false;
	buffer_clear(&connection->outbound);
	connection->outbound_arrived = 0;
	connection->outbound_tapped = 0;
	engine_writable(world, connection);
	connection_drop(connection);
}

void network_host_consumed(struct world *world, struct sim_connection *connection, size_t size)
{
	buffer_consume(&connection->outbound, size);
	connection->outbound_arrived -= size;
	connection->outbound_tapped -= size;
	connection->consumed += size;
	engine_writable(world, connection);
}
