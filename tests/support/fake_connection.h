/* SPDX-License-Identifier: MIT
 *
 * A connection that a protocol can be tried on without the library: include this, then the protocol's .c
 * files. Their hawser_connection_ functions are renamed, so that the library's own may be linked to the same
 * program. It keeps what is sent and told; the test says what is awaited and what sending and checking
 * answer.
 */
#ifndef TESTS_SUPPORT_FAKE_CONNECTION_H
#define TESTS_SUPPORT_FAKE_CONNECTION_H

#define hawser_connection_send fake_connection_send
#define hawser_connection_prepared fake_connection_prepared
#define hawser_connection_next_id fake_connection_next_id
#define hawser_connection_request_kind fake_connection_request_kind
#define hawser_connection_bound fake_connection_bound
#define hawser_connection_replied fake_connection_replied
#define hawser_connection_failed fake_connection_failed
#define hawser_connection_data fake_connection_data
#define hawser_connection_check fake_connection_check
#define hawser_connection_setup_failed fake_connection_setup_failed
#define hawser_connection_in_setup fake_connection_in_setup
#define hawser_connection_allocate fake_connection_allocate
#define hawser_connection_release fake_connection_release
#define hawser_protocol_perfetto fake_protocol_perfetto
#define hawser_protocol_raw fake_protocol_raw
#define hawser_protocol_none fake_protocol_none

#include "memory.h"
#include <hawser/protocol.h>

enum { FAKE_BYTES_MAX = 2 * 131072, FAKE_REQUESTS_MAX = 8, FAKE_TEXT_MAX = 256 };

enum fake_event {
	FAKE_NOTHING,
	FAKE_BOUND,
	FAKE_REPLIED,
	FAKE_FAILED,
	FAKE_DATA,
	FAKE_CHECKED,
	FAKE_SETUP_FAILED,
};

struct hawser_connection {
	struct test_memory memory;

	/* What the test sets. */
	enum hawser_request_kind awaited[FAKE_REQUESTS_MAX]; /* by id */
	int send_result;
	ssize_t check_result; /* bytes taken; more than there are: all */
	bool check_done;
	bool in_setup;

	/* What the protocol did. */
	uint64_t last_id;
	uint8_t sent[FAKE_BYTES_MAX];
	size_t sent_size;
	unsigned sends;
	const int *sent_fds;
	size_t sent_fds_count;

	/* The last thing it told, and how many there were. */
	enum fake_event event;
	unsigned events;
	uint64_t id;
	void *service;
	uint8_t bytes[FAKE_BYTES_MAX];
	size_t bytes_size;
	bool more;
	int code;
	enum hawser_cause cause;
	char text[FAKE_TEXT_MAX]; /* "": none */
};

void fake_connection_init(struct hawser_connection *connection);

#endif
