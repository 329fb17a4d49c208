/* SPDX-License-Identifier: MIT
 *
 * Reads a client's options: every value is checked before anything is done, and what 0 would make senseless
 * is -EINVAL.
 */
#include "client_options.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define MS 1000000ULL

void hawser_client_options_init(struct hawser_client_options *options)
{
	const struct hawser_client_options defaults = {HAWSER_DEFAULTS_hawser_client_options};

	*options = defaults;
}

struct preset {
	uint32_t base_ms;
	uint32_t cap_ms;
	uint32_t factor_percent;
	enum backoff_jitter jitter;
	uint32_t jitter_percent;
};

static struct preset preset_of(const struct hawser_client_options *options, bool network)
{
	static const struct preset local = {10, 1000, 200, BACKOFF_JITTER_FULL, 0};
	static const struct preset distant = {1000, 30000, 160, BACKOFF_JITTER_PERCENT, 20};
	struct preset preset = network ? distant : local;

	switch (options->backoff) {
	case HAWSER_BACKOFF_PERFETTO:
		return (struct preset){1000, 30000, 100, BACKOFF_JITTER_NONE, 0};
	case HAWSER_BACKOFF_GRPC:
		return (struct preset){1000, 120000, 160, BACKOFF_JITTER_PERCENT, 20};
	case HAWSER_BACKOFF_FULL:
		preset.jitter = BACKOFF_JITTER_FULL;
		return preset;
	case HAWSER_BACKOFF_EQUAL:
		preset.jitter = BACKOFF_JITTER_EQUAL;
		return preset;
	case HAWSER_BACKOFF_DECORRELATED:
		preset.jitter = BACKOFF_JITTER_DECORRELATED;
		return preset;
	case HAWSER_BACKOFF_AUTO:
		break;
	}
	return preset;
}

static void choose(uint32_t *value, uint32_t option)
{
	if (option != HAWSER_AUTO)
		*value = option;
}

static uint32_t or_default(uint32_t option, uint32_t standard)
{
	return option == HAWSER_AUTO ? standard : option;
}

static int configure_backoff(
    struct backoff *backoff, const struct hawser_client_options *options, bool network)
{
	static const enum backoff_jitter jitters[] = {
	    [HAWSER_JITTER_NONE] = BACKOFF_JITTER_NONE,
	    [HAWSER_JITTER_PERCENT] = BACKOFF_JITTER_PERCENT,
	    [HAWSER_JITTER_FULL] = BACKOFF_JITTER_FULL,
	    [HAWSER_JITTER_EQUAL] = BACKOFF_JITTER_EQUAL,
	    [HAWSER_JITTER_DECORRELATED] = BACKOFF_JITTER_DECORRELATED,
	};
	struct preset preset;

	if ((unsigned)options->backoff > HAWSER_BACKOFF_DECORRELATED ||
	    (unsigned)options->backoff_jitter > HAWSER_JITTER_DECORRELATED)
		return -EINVAL;
	preset = preset_of(options, network);
	choose(&preset.base_ms, options->backoff_base_ms);
	choose(&preset.cap_ms, options->backoff_cap_ms);
	choose(&preset.factor_percent, options->backoff_factor_percent);
	choose(&preset.jitter_percent, options->backoff_jitter_percent);
	if (options->backoff_cap_ms == HAWSER_AUTO && preset.cap_ms < preset.base_ms)
		preset.cap_ms = preset.base_ms;
	if (options->backoff_jitter != HAWSER_JITTER_DEFAULT)
		preset.jitter = jitters[options->backoff_jitter];
	if (preset.base_ms == 0 || preset.base_ms == HAWSER_NONE || preset.cap_ms < preset.base_ms ||
	    preset.cap_ms == HAWSER_NONE || preset.factor_percent < 100 || preset.factor_percent > 10000 ||
	    preset.jitter_percent > 100)
		return -EINVAL;
	backoff->base_ns = preset.base_ms * MS;
	backoff->cap_ns = preset.cap_ms * MS;
	backoff->factor_percent = preset.factor_percent;
	backoff->jitter = (uint8_t)preset.jitter;
	backoff->jitter_percent = (uint8_t)preset.jitter_percent;
	backoff->linear = options->backoff == HAWSER_BACKOFF_PERFETTO;
	return 0;
}

static int configure_limits(hawser_client *client, const struct hawser_client_options *options, bool network)
{
	const uint32_t deadlines[] = {options->overall_deadline_ms, options->resolve_deadline_ms,
	    options->attempt_deadline_ms, options->setup_deadline_ms, options->bind_deadline_ms,
	    options->call_deadline_ms, options->drain_deadline_ms, options->rounds_max, options->requests_max,
	    options->unsent_bytes_max};
	const uint32_t attempts_kept = or_default(options->attempts_kept, 4);

	for (size_t i = 0; i < sizeof(deadlines) / sizeof(deadlines[0]); i++)
		if (deadlines[i] == 0)
			return -EINVAL;
	if (attempts_kept > HAWSER_ATTEMPTS_MAX)
		return -EINVAL;
	if (options->half_close && !(client->protocol->flags & HAWSER_PROTOCOL_STREAM))
		return -EINVAL;
	client->connection.rounds_max = or_default(options->rounds_max, HAWSER_NONE);
	client->overall_deadline_ms = or_default(options->overall_deadline_ms, HAWSER_NONE);
	client->resolve_deadline_ms = or_default(options->resolve_deadline_ms, 5000);
	client->attempt_deadline_ms = or_default(options->attempt_deadline_ms, network ? 5000 : 1000);
	client->setup_deadline_ms = or_default(options->setup_deadline_ms, 10000);
	client->bind_deadline_ms = or_default(options->bind_deadline_ms, 10000);
	client->call_deadline_ms = or_default(options->call_deadline_ms, HAWSER_NONE);
	client->drain_deadline_ms = or_default(options->drain_deadline_ms, 5000);
	client->requests_max = or_default(options->requests_max, 1024);
	client->unsent_bytes_max = or_default(options->unsent_bytes_max, 8388608);
	client->peer_uid = options->peer_uid;
	client->attempts_kept = (uint8_t)attempts_kept;
	client->fail_fast = options->fail_fast;
	client->half_close = options->half_close;
	return 0;
}

static bool asks_for_socket_options(const struct hawser_client_options *options)
{
	const uint32_t values[] = {options->tcp_user_timeout_ms, options->keepalive_idle_s,
	    options->keepalive_interval_s, options->keepalive_probes, options->send_buffer_size,
	    options->receive_buffer_size, options->mark, options->local_port};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (values[i] != HAWSER_AUTO)
			return true;
	return options->tcp_delay || options->local_address || options->bind_device;
}

/* The kernel takes them as ints; of 0 each option would make something else (off, its default, -EINVAL). */
static bool counts_are_sane(const struct hawser_client_options *options)
{
	const uint32_t values[] = {options->tcp_user_timeout_ms, options->keepalive_idle_s,
	    options->keepalive_interval_s, options->keepalive_probes, options->send_buffer_size,
	    options->receive_buffer_size};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (values[i] != HAWSER_AUTO && (values[i] == 0 || values[i] > INT_MAX))
			return false;
	return true;
}

static int configure_socket(hawser_client *client, const struct hawser_client_options *options)
{
	static const struct socket_options none = SOCKET_OPTIONS_NONE;
	struct socket_options *wanted;
	unsigned short port = options->local_port == HAWSER_AUTO ? 0 : (unsigned short)options->local_port;

	if (!asks_for_socket_options(options))
		return 0;
	if (options->local_port != HAWSER_AUTO && (options->local_port == 0 || options->local_port > 65535))
		return -EINVAL;
	if (!counts_are_sane(options))
		return -EINVAL;
	if (options->bind_device && strlen(options->bind_device) >= sizeof(wanted->device))
		return -EINVAL;
	wanted = memory_allocate(&client->loop->memory, sizeof(*wanted));
	if (!wanted)
		return -ENOMEM;
	client->socket_options = wanted;
	*wanted = none;
	wanted->tcp_delay = options->tcp_delay;
	wanted->tcp_user_timeout_ms = options->tcp_user_timeout_ms;
	wanted->keepalive_idle_s = options->keepalive_idle_s;
	wanted->keepalive_interval_s = options->keepalive_interval_s;
	wanted->keepalive_probes = options->keepalive_probes;
	wanted->send_buffer_size = options->send_buffer_size;
	wanted->receive_buffer_size = options->receive_buffer_size;
	wanted->mark = options->mark;
	wanted->local_port = options->local_port;
	if (options->bind_device)
		memcpy(wanted->device, options->bind_device, strlen(options->bind_device));
	if (options->local_address)
		return address_parse_numeric(options->local_address, port, &wanted->local_address);
	return 0;
}

static int configure_texts(hawser_client *client, const struct hawser_client_options *options)
{
	bool named = options->name && options->name[0];
	size_t target_size = strlen(options->target) + 1;
	size_t name_size = named ? strlen(options->name) + 1 : 0;

	if (target_size > TARGET_TEXT_MAX || name_size > TARGET_TEXT_MAX)
		return -EINVAL;
	client->texts_size = target_size + name_size;
	client->texts = memory_allocate(&client->loop->memory, client->texts_size);
	if (!client->texts)
		return -ENOMEM;
	memcpy(client->texts, options->target, target_size);
	client->target_text = client->name = client->texts;
	if (named) {
		client->name = client->texts + target_size;
		memcpy(client->texts + target_size, options->name, name_size);
	}
	return 0;
}

static int configure_protocol(hawser_client *client, const struct hawser_client_options *options)
{
	const struct hawser_protocol *const known[] = {
	    hawser_protocol_perfetto(), hawser_protocol_raw(), hawser_protocol_none()};
	const char *name = options->protocol ? options->protocol : "perfetto";

	client->protocol = options->custom_protocol;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && !client->protocol; i++)
		if (strcmp(known[i]->name, name) == 0)
			client->protocol = known[i];
	if (!client->protocol)
		return -EPROTONOSUPPORT;
	if (client->protocol->size != sizeof(struct hawser_protocol) ||
	    client->protocol->frame_max > 16777216)
		return -EINVAL;
	if ((client->protocol->flags & HAWSER_PROTOCOL_CALLS) &&
	    (!client->protocol->bind || !client->protocol->invoke))
		return -EINVAL;
	if ((client->protocol->flags & HAWSER_PROTOCOL_HANDOVER) && !options->on_handover)
		return -EINVAL;
	return 0;
}

int client_configure(hawser_client *client, const struct hawser_client_options *options)
{
	struct target target;
	bool network;
	int result;

	client->target.fd = -1;
	if (!options->target)
		return -EINVAL;
	result = target_parse(options->target, &target, NULL, 0);
	if (result < 0)
		return result;
	client->address = target.address;
	client->target.kind = target.kind;
	client->target.port = target.port;
	client->target.host_at = target.host_at;
	client->target.host_size = target.host_size;
	network = client->target.kind == TARGET_NUMERIC || client->target.kind == TARGET_NAME;
	client->connection.once = client->target.kind == TARGET_FD;
	result = configure_protocol(client, options);
	if (result == 0)
		result = configure_backoff(&client->connection.backoff, options, network);
	if (result == 0)
		result = configure_limits(client, options, network);
	if (result == 0)
		result = configure_texts(client, options);
	if (result == 0)
		result = configure_socket(client, options);
	client->is_unix =
	    target.kind == TARGET_UNIX || (target.kind == TARGET_FD && socket_is_unix(target.fd));
	if (result == 0 && client->target.kind == TARGET_FD)
		result = socket_adopt(target.fd);
	/* Only a unix socket says who is there. */
	if (result == 0 && client->peer_uid != HAWSER_AUTO && !client->is_unix)
		result = -EINVAL;
	if (result < 0)
		return result;
	client->target.fd = target.fd;
	client->user = options->user;
	client->on_change = options->on_change;
	client->on_data = options->on_data;
	client->on_writable = options->on_writable;
	client->on_handover = options->on_handover;
	return 0;
}

int hawser_target_explain(const char *target, char *text, size_t size)
{
	struct target parsed;

	if (size)
		text[0] = '\0';
	if (!target) {
		snprintf(text, size, "there is no target");
		return -EINVAL;
	}
	return target_parse(target, &parsed, text, size);
}
