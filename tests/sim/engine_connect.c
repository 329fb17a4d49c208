/* SPDX-License-Identifier: MIT
 *
 * What the simulated network says to connects, lookups and directory watches.
 *
 * A connect is planned when it starts and looked at again when it ends, since the host may have come or gone
 * meanwhile. Addresses that belong to no host (10.9.x.y) refuse, are unreachable or never answer, by their
 * last byte.
 */
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int host_at(const struct world *world, const struct address *address)
{
	for (unsigned i = 0; i < world->hosts_count; i++) {
		const struct address *known = &world->hosts[i].address;

		if (known->any.sa_family != address->any.sa_family)
			continue;
		if (address->any.sa_family == AF_INET &&
		    known->in.sin_addr.s_addr == address->in.sin_addr.s_addr &&
		    known->in.sin_port == address->in.sin_port)
			return (int)i;
		if (address->any.sa_family == AF_INET6 && known->in6.sin6_port == address->in6.sin6_port &&
		    memcmp(&known->in6.sin6_addr, &address->in6.sin6_addr, sizeof(struct in6_addr)) == 0)
			return (int)i;
		if (address->any.sa_family == AF_UNIX && known->size == address->size &&
		    memcmp(&known->un, &address->un, address->size) == 0)
			return (int)i;
	}
	return -1;
}

static void say(struct operation *operation, int result, enum hawser_stage stage)
{
	operation->result = result;
	operation->stage = stage;
}

static void plan_dead_address(
    const struct world *world, struct operation *operation, const struct address *address)
{
	uint32_t last = ntohl(address->in.sin_addr.s_addr) & 0xff;

	if (last % 3 == 0 || world->healed)
		say(operation, -ECONNREFUSED, HAWSER_STAGE_CONNECT);
	else if (last % 3 == 1)
		say(operation, -EHOSTUNREACH, HAWSER_STAGE_CONNECT);
	else
		operation->hangs = true;
}

/* What the host is like at this moment, without the accidents on the way. */
static void look_at_host(struct world *world, struct operation *operation)
{
	const struct host *host = &world->hosts[operation->host];

	if (operation->result < 0)
		return;
	if (host->listening)
		return;
	if (operation->is_unix)
		say(operation, host->path_exists ? -ECONNREFUSED : -ENOENT, HAWSER_STAGE_CONNECT);
	else
		say(operation, -ECONNREFUSED, HAWSER_STAGE_CONNECT);
}

static void plan_accidents(struct world *world, struct operation *operation)
{
	static const int socket_errors[] = {-EMFILE, -ENFILE, -ENOBUFS, -EACCES};
	static const int route_errors[] = {-EHOSTUNREACH, -ENETUNREACH, -EACCES, -EINVAL, -ECONNRESET};
	static const int verify_errors[] = {-EHOSTUNREACH, -ECONNREFUSED, -ENOTCONN};

	if (chance(world, world->faults.socket_fails))
		say(operation, socket_errors[draw_below(world, 4)], HAWSER_STAGE_SOCKET);
	else if (chance(world, world->faults.connect_hangs))
		operation->hangs = true;
	else if (operation->is_unix && chance(world, world->faults.backlog_full))
		say(operation, -EAGAIN, HAWSER_STAGE_CONNECT);
	else if (!operation->is_unix && chance(world, world->faults.unreachable))
		say(operation, route_errors[draw_below(world, 5)], HAWSER_STAGE_CONNECT);
	else if (!operation->is_unix && chance(world, world->faults.verify_fails))
		say(operation, verify_errors[draw_below(world, 3)], HAWSER_STAGE_VERIFY);
}

static uint64_t plan_delay(struct world *world, const struct operation *operation)
{
	if (operation->stage == HAWSER_STAGE_SOCKET || world->healed)
		return 0;
	if (chance(world, world->faults.connect_slow))
		return draw_below(world, 3 * SECOND);
	return draw_below(world, operation->is_unix ? 20 * MICROSECOND : 30 * MILLISECOND);
}

void connect_plan(struct world *world, struct operation *operation, const struct connect_request *request)
{
	uint64_t id = operation_id(world, operation);
	uint64_t delay_ns;

	operation->client = oracle_connecting(world, request);
	operation->host = host_at(world, &request->address);
	operation->is_unix = request->address.any.sa_family == AF_UNIX;
	operation->deadline_at_ns =
	    request->deadline_ns == ENGINE_NEVER ? ENGINE_NEVER : world->now + request->deadline_ns;
	trace(world, TRACE_connect_start, trace_number(operation->client), trace_number(operation->host),
	    request->tag.attempt);
	if (operation->host < 0)
		plan_dead_address(world, operation, &request->address);
	else
		plan_accidents(world, operation);
	delay_ns = plan_delay(world, operation);
	if (operation->hangs || (delay_ns >= request->deadline_ns && request->deadline_ns != ENGINE_NEVER)) {
		if (request->deadline_ns == ENGINE_NEVER)
			return;
		say(operation, -ETIMEDOUT, HAWSER_STAGE_CONNECT);
		delay_ns = request->deadline_ns;
	}
	agenda_add(world, delay_ns, connect_finish, id, 0);
}

void connect_finish(struct world *world, uint64_t id, uint64_t detail)
{
	struct operation *operation = operation_find(world, id);
	struct completion completion = {0};
	struct sim_connection *connection = NULL;

	(void)detail;
	if (!operation)
		return;
	if (operation->host >= 0)
		look_at_host(world, operation);
	completion.result = operation->result;
	completion.stage = operation->stage;
	if (operation->result == 0) {
		connection =
		    network_connect(world, (unsigned)operation->host, operation->client, operation->is_unix);
		completion.result = connection->fd;
		completion.stage = HAWSER_STAGE_NONE;
		trace(world, TRACE_connected, trace_number(operation->client), connection->number,
		    connection->host);
		host_accepted(world, connection);
		if (!operation->cancelled)
			oracle_connected(world, connection);
	} else {
		trace(world, TRACE_connect_end, trace_number(operation->client),
		    trace_number(operation->result), operation->stage);
	}
	oracle_attempted(world, operation);
	operation_deliver(world, operation, &completion);
}

/* ---- lookups ---- */

void resolve_plan(struct world *world, struct operation *operation, const char *host)
{
	uint64_t delay_ns = world->healed ? 0 : draw_below(world, 20 * MILLISECOND);

	operation->client = oracle_resolving(world, host, &operation->host);
	trace(world, TRACE_resolve_start, trace_number(operation->client), 0, 0);
	if (chance(world, world->faults.resolve_hangs)) {
		operation->hangs = true;
		return;
	}
	if (chance(world, world->faults.resolve_fails)) {
		static const int errors[] = {-ENOENT, -EAGAIN, -EIO, -ENOMEM};

		operation->result = errors[draw_below(world, 4)];
	}
	if (chance(world, world->faults.resolve_slow))
		delay_ns += draw_below(world, 8 * SECOND);
	agenda_add(world, delay_ns, resolve_finish, operation_id(world, operation), 0);
}

static unsigned make_addresses(
    struct world *world, const struct operation *operation, struct address *addresses)
{
	unsigned count = 1;
	unsigned real;

	if (chance(world, world->faults.many_addresses))
		count = (unsigned)draw_between(world, 2, 4);
	if (count == 4 && chance(world, 10))
		count = ADDRESSES_MAX;
	real = (unsigned)draw_below(world, count);
	for (unsigned i = 0; i < count; i++) {
		addresses[i] = (struct address){.size = sizeof(struct sockaddr_in)};
		addresses[i].in.sin_family = AF_INET;
		addresses[i].in.sin_port = htons(operation->port);
		addresses[i].in.sin_addr.s_addr =
		    htonl(0x0a090000u + (i << 8) + (uint32_t)draw_below(world, 200));
	}
	if (operation->host >= 0) {
		addresses[real] = world->hosts[operation->host].address;
		if (addresses[real].any.sa_family == AF_INET)
			addresses[real].in.sin_port = htons(operation->port);
		else
			addresses[real].in6.sin6_port = htons(operation->port);
	}
	return count;
}

void resolve_finish(struct world *world, uint64_t id, uint64_t detail)
{
	struct operation *operation = operation_find(world, id);
	struct completion completion = {.stage = HAWSER_STAGE_RESOLVE};
	struct address addresses[ADDRESSES_MAX];

	(void)detail;
	if (!operation)
		return;
	completion.result = operation->result;
	if (operation->result == 0) {
		completion.result = (int)make_addresses(world, operation, addresses);
		completion.addresses = addresses;
		oracle_resolved(world, operation->client, addresses, (unsigned)completion.result);
	}
	trace(world, TRACE_resolve_end, trace_number(operation->client), trace_number(completion.result), 0);
	operation_deliver(world, operation, &completion);
}

/* ---- directories ---- */

enum watch_news { NEWS_CREATED, NEWS_LOST, NEWS_SPURIOUS, NEWS_GONE };

static void watch_tell(struct world *world, uint64_t id, uint64_t detail)
{
	struct operation *operation = operation_find(world, id);
	struct completion completion = {.more = true};
	unsigned host = (unsigned)(detail >> 8);
	char name[32] = "unrelated.tmp";

	if (!operation || operation->cancelled)
		return;
	completion.name = name;
	switch ((enum watch_news)(detail & 0xff)) {
	case NEWS_CREATED:
		snprintf(name, sizeof(name), "host%u.sock", host);
		break;
	case NEWS_LOST:
		completion.name = NULL;
		break;
	case NEWS_SPURIOUS:
		break;
	case NEWS_GONE:
		completion.result = -ENOENT;
		completion.more = false;
	}
	trace(world, TRACE_watch_event, host, detail & 0xff, 0);
	if (completion.result == 0 && (detail & 0xff) != NEWS_SPURIOUS)
		oracle_path_appears(world, host, operation->generation);
	operation_deliver(world, operation, &completion);
}

void engine_path_appears(struct world *world, unsigned host)
{
	if (!world->engine.exists)
		return;
	for (int i = 0; i < OPERATIONS_MAX; i++) {
		const struct operation *operation = &world->engine.operations[i];
		uint64_t news = NEWS_CREATED;

		if (!operation->active || operation->kind != OPERATION_WATCH ||
		    strcmp(operation->directory, world->hosts[host].directory) != 0)
			continue;
		if (chance(world, world->faults.watch_loses))
			news = draw_between(world, NEWS_LOST, NEWS_GONE);
		agenda_add(world, draw_below(world, MILLISECOND), watch_tell, operation_id(world, operation),
		    (uint64_t)host << 8 | news);
	}
}

void engine_heal(struct world *world)
{
	for (int i = 0; i < OPERATIONS_MAX; i++) {
		struct operation *operation = &world->engine.operations[i];
		uint64_t id = operation_id(world, operation);

		if (!operation->active || operation->cancelled)
			continue;
		if (operation->kind == OPERATION_RESOLVE && operation->hangs)
			agenda_add(world, MILLISECOND, resolve_finish, id, 0);
		if (operation->kind == OPERATION_CONNECT && operation->hangs) {
			say(operation, -ECONNREFUSED, HAWSER_STAGE_CONNECT);
			agenda_add(world, MILLISECOND, connect_finish, id, 0);
		}
	}
}
