/* SPDX-License-Identifier: MIT
 *
 * The life of the simulated hosts: where they listen, when they die, freeze and come back, and what becomes
 * of a connection that none of their services cares about. Raw hosts echo.
 */
#include "world.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { PORT_FIRST = 7000 };

static void place_unix(struct world *world, struct host *host, unsigned index)
{
	struct sockaddr_un *un = &host->address.un;
	bool abstract = chance(world, 20);

	un->sun_family = AF_UNIX;
	if (abstract) {
		snprintf(host->target, sizeof(host->target), "unix:@sim-host%u", index);
		snprintf(un->sun_path + 1, sizeof(un->sun_path) - 1, "sim-host%u", index);
		host->address.size =
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(un->sun_path + 1));
		return;
	}
	snprintf(host->directory, sizeof(host->directory), "/sim/d%u", index % 2);
	snprintf(host->target, sizeof(host->target), "unix:%s/host%u.sock", host->directory, index);
	snprintf(un->sun_path, sizeof(un->sun_path), "%s/host%u.sock", host->directory, index);
	host->address.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(un->sun_path) + 1);
}

static void place_tcp(struct world *world, struct host *host, unsigned index)
{
	bool version6 = chance(world, 30);

	host->port = (uint16_t)(PORT_FIRST + index);
	if (version6) {
		snprintf(host->target, sizeof(host->target), "tcp:[fd00::%u]:%u", index + 1, host->port);
		host->address.size = sizeof(struct sockaddr_in6);
		host->address.in6.sin6_family = AF_INET6;
		host->address.in6.sin6_port = htons(host->port);
		host->address.in6.sin6_addr.s6_addr[0] = 0xfd;
		host->address.in6.sin6_addr.s6_addr[15] = (uint8_t)(index + 1);
		return;
	}
	snprintf(host->target, sizeof(host->target), "tcp:10.0.0.%u:%u", index + 1, host->port);
	host->address.size = sizeof(struct sockaddr_in);
	host->address.in.sin_family = AF_INET;
	host->address.in.sin_port = htons(host->port);
	host->address.in.sin_addr.s_addr = htonl(0x0a000001u + index);
}

static void host_listens(struct world *world, uint64_t index, uint64_t detail)
{
	struct host *host = &world->hosts[index];

	(void)detail;
	if (!host->path_exists || host->listening)
		return;
	host->listening = true;
	trace(world, TRACE_host_up, index, 0, 0);
}

/* bind() makes the path, listen() comes with it or a while later. */
void host_start(struct world *world, unsigned index)
{
	struct host *host = &world->hosts[index];

	if (host->listening)
		return;
	host->path_exists = true;
	engine_path_appears(world, index);
	if (chance(world, world->faults.listen_late))
		agenda_add(world, draw_below(world, 200 * MILLISECOND), host_listens, index, 0);
	else
		host_listens(world, index, 0);
}

static void each_connection(struct world *world, unsigned index,
    void (*function)(struct world *world, struct sim_connection *connection, bool flag), bool flag)
{
	for (int i = 0; i < CONNECTIONS_MAX; i++) {
		struct sim_connection *connection = &world->network.connections[i];

		if (connection->used && connection->host == index && connection->host_open)
			function(world, connection, flag);
	}
}

void host_die(struct world *world, unsigned index, bool reset)
{
	struct host *host = &world->hosts[index];

	trace(world, TRACE_host_down, index, reset, 0);
	host->listening = false;
	host->frozen = false;
	host->path_exists = chance(world, 50); /* a stale path stays behind */
	each_connection(world, index, network_host_closes, reset);
}

static void catch_up(struct world *world, struct sim_connection *connection, bool flag)
{
	(void)flag;
	host_received(world, connection);
	if (connection->used && connection->host_open && connection->session.hung_up)
		host_hung_up(world, connection);
}

void host_freeze(struct world *world, unsigned index, bool frozen)
{
	struct host *host = &world->hosts[index];

	trace(world, TRACE_host_freezes, index, frozen, 0);
	host->frozen = frozen;
	if (!frozen)
		each_connection(world, index, catch_up, false);
}

static void host_lives(struct world *world, uint64_t index, uint64_t detail)
{
	struct host *host = &world->hosts[index];
	bool reset;

	(void)detail;
	if (world->healed)
		return;
	if (!host->listening) {
		host_start(world, (unsigned)index);
	} else if (host->frozen) {
		host_freeze(world, (unsigned)index, false);
	} else if (chance(world, world->faults.host_freezes)) {
		host_freeze(world, (unsigned)index, true);
	} else if (chance(world, world->faults.host_dies)) {
		reset = chance(world, 50);
		host_die(world, (unsigned)index, reset);
	}
	agenda_add(world, draw_below(world, world->faults.host_period_ns), host_lives, index, 0);
}

void hosts_begin(struct world *world)
{
	for (unsigned i = 0; i < world->hosts_count; i++) {
		struct host *host = &world->hosts[i];

		memset(host, 0, sizeof(*host));
		host->raw = chance(world, 35);
		host->is_unix = chance(world, 60);
		if (host->is_unix)
			place_unix(world, host, i);
		else
			place_tcp(world, host, i);
		host->uid = (uint32_t)draw_between(world, 1000, 1001);
		if (!chance(world, world->faults.host_late))
			host_start(world, i);
		agenda_add(world, draw_below(world, world->faults.host_period_ns), host_lives, i, 0);
	}
}

static void cut_off(struct world *world, struct sim_connection *connection, bool flag)
{
	(void)flag;
	if (connection->session.poisoned)
		return; /* the library has to end this one by itself: oracle_settled looks */
	if (connection->session.mute || connection->session.sink || connection->session.silences)
		network_host_closes(world, connection, false);
}

void hosts_heal(struct world *world)
{
	for (unsigned i = 0; i < world->hosts_count; i++) {
		world->hosts[i].path_exists = true;
		if (!world->hosts[i].listening) {
			engine_path_appears(world, i);
			host_listens(world, i, 0);
		}
		if (world->hosts[i].frozen)
			host_freeze(world, i, false);
		each_connection(world, i, cut_off, false);
	}
}

/* ---- connections ---- */

static void hang_up(struct world *world, uint64_t id, uint64_t reset)
{
	struct sim_connection *connection = connection_find(world, id);

	if (connection)
		network_host_closes(world, connection, reset != 0);
}

static void greet(struct world *world, uint64_t id, uint64_t detail)
{
	static const uint8_t greeting[FRAME_HEADER];
	struct sim_connection *connection = connection_find(world, id);

	(void)detail;
	if (!connection || !connection->host_open)
		return;
	if (connection->session.mute || world->hosts[connection->host].frozen ||
	    chance(world, world->faults.unanswered))
		connection->session.silences = true;
	else
		host_write(world, connection, greeting, sizeof(greeting), (struct attached){0});
}

void host_accepted(struct world *world, struct sim_connection *connection)
{
	struct session *session = &connection->session;
	uint64_t delay_ns;
	uint64_t reset;

	session->bytes_left = UINT64_MAX;
	if (chance(world, world->faults.close_early))
		session->bytes_left = draw_below(world, 200);
	session->mute = chance(world, world->faults.mute);
	session->sink = chance(world, world->faults.mute);
	if (world->user.clients[connection->client].greeted)
		agenda_add(world, world->healed || chance(world, 50) ? 0 : draw_below(world, SECOND), greet,
		    connection_id(world, connection), 0);
	if (chance(world, world->faults.accept_and_drop)) {
		delay_ns = chance(world, 50) ? 0 : draw_below(world, 100 * MILLISECOND);
		reset = draw_below(world, 2);
		agenda_add(world, delay_ns, hang_up, connection_id(world, connection), reset);
	}
}

/* Everything a host says goes through here: it may die in the middle of it. */
void host_write(struct world *world, struct sim_connection *connection, const void *data, size_t size,
    struct attached attached)
{
	struct session *session = &connection->session;
	const struct attached nothing = {0};

	if (session->bytes_left > size) {
		session->bytes_left -= session->bytes_left == UINT64_MAX ? 0 : size;
		network_write(world, connection, data, size, attached);
		return;
	}
	network_write(world, connection, data, (size_t)session->bytes_left, nothing);
	network_host_closes(world, connection, false);
}

static void echo(struct world *world, struct sim_connection *connection)
{
	size_t size = connection->outbound_arrived;
	struct attached attached = {0};

	if (size == 0)
		return;
	if (connection->is_unix && chance(world, world->faults.host_fds))
		attached.count = (unsigned)draw_between(world, 1, 2);
	if (!connection->session.sink) {
		host_write(world, connection, buffer_bytes(&connection->outbound), size, attached);
	}
	if (connection->host_open)
		network_host_consumed(world, connection, size);
}

void host_received(struct world *world, struct sim_connection *connection)
{
	const struct host *host = &world->hosts[connection->host];

	if (host->frozen)
		return;
	if (!host->raw)
		service_received(world, connection);
	else
		echo(world, connection);
	if (connection->used && connection->host_open && chance(world, world->faults.host_hangs_up))
		hang_up(world, connection_id(world, connection), draw_below(world, 2));
}

/* The client's end of sending has come: the host says what it still had to say, and goes. */
void host_hung_up(struct world *world, struct sim_connection *connection)
{
	connection->session.hung_up = true;
	if (world->hosts[connection->host].frozen)
		return;
	if (chance(world, 30))
		agenda_add(
		    world, draw_below(world, 10 * MILLISECOND), hang_up, connection_id(world, connection), 0);
	else
		network_host_closes(world, connection, false);
}
