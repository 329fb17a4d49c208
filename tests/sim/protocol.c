/* SPDX-License-Identifier: MIT
 *
 * Wraps the built-in protocol as protocol.h offers it: its state stands behind this one's.
 */
#include "protocol.h"

#include <errno.h>

enum { OWN_STATE = 16, GREETING_SIZE = 4 };

static const struct hawser_protocol *base(void)
{
	return hawser_protocol_perfetto();
}

static void *behind(void *state)
{
	return (char *)state + OWN_STATE;
}

static int greeted_open(hawser_connection *connection, void *state)
{
	int result = base()->open ? base()->open(connection, behind(state)) : 0;

	return result < 0 ? result : 1;
}

static ssize_t greeted_frame(void *state, const uint8_t *data, size_t size)
{
	return base()->frame(behind(state), data, size);
}

static ssize_t greeted_receive(hawser_connection *connection, void *state, const uint8_t *data, size_t size)
{
	bool *greeted = state;

	if (*greeted)
		return base()->receive(connection, behind(state), data, size);
	if (size != GREETING_SIZE)
		return -EPROTO;
	*greeted = true;
	hawser_connection_prepared(connection);
	return (ssize_t)size;
}

static int greeted_bind(hawser_connection *connection, void *state, uint64_t id, const char *service)
{
	return base()->bind(connection, behind(state), id, service);
}

static int greeted_invoke(hawser_connection *connection, void *state, uint64_t id, void *service,
    const struct hawser_protocol_call *call)
{
	return base()->invoke(connection, behind(state), id, service, call);
}

static void greeted_unbind(hawser_connection *connection, void *state, void *service)
{
	base()->unbind(connection, behind(state), service);
}

static int greeted_setup(hawser_connection *connection, void *state, const struct hawser_setup_options *setup)
{
	return base()->setup(connection, behind(state), setup);
}

static void greeted_close(hawser_connection *connection, void *state)
{
	if (base()->close)
		base()->close(connection, behind(state));
}

const struct hawser_protocol *protocol_greeted(void)
{
	static struct hawser_protocol protocol;

	protocol = *base();
	protocol.name = "greeted";
	protocol.connection_size = OWN_STATE + base()->connection_size;
	protocol.open = greeted_open;
	protocol.frame = greeted_frame;
	protocol.receive = greeted_receive;
	protocol.bind = greeted_bind;
	protocol.invoke = greeted_invoke;
	protocol.unbind = greeted_unbind;
	protocol.setup = greeted_setup;
	protocol.close = greeted_close;
	return &protocol;
}
