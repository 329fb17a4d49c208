/* SPDX-License-Identifier: MIT
 *
 * Protocol "raw": the bytes themselves. It knows no frames, services or calls; sending is hawser_send's,
 * which needs no protocol.
 *
 * Happy path: setup sends the user's request and shows what comes back to the user's check until that says
 * it is done; everything from then on is data.
 *
 * Failures: the request cannot be queued, and setup answers so; the check refuses the host, which ends the
 * connection.
 */
#include <hawser/protocol.h>

/* Only an answer of the setup exchange has to be kept until it is whole. */
enum { ANSWER_MAX = 131072 };

static int raw_setup(hawser_connection *connection, void *state, const struct hawser_setup_options *setup)
{
	int result = 0;

	(void)state;
	if (setup->request.size)
		result = hawser_connection_send(connection, &setup->request, 1, NULL, 0);
	if (result < 0)
		return result;
	return setup->check ? 1 : 0;
}

static ssize_t raw_receive(hawser_connection *connection, void *state, const uint8_t *data, size_t size)
{
	struct hawser_bytes bytes = {.data = data, .size = size};

	(void)state;
	if (hawser_connection_in_setup(connection)) {
		ssize_t taken = hawser_connection_check(connection, &bytes);

		return taken < 0 ? (ssize_t)size : taken;
	}
	hawser_connection_data(connection, &bytes);
	return (ssize_t)size;
}

const struct hawser_protocol *hawser_protocol_raw(void)
{
	static const struct hawser_protocol protocol = {
	    .size = sizeof(protocol),
	    .name = "raw",
	    .flags = HAWSER_PROTOCOL_STREAM,
	    .frame_max = ANSWER_MAX,
	    .receive = raw_receive,
	    .setup = raw_setup,
	};

	return &protocol;
}
