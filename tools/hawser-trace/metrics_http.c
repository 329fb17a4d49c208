/* SPDX-License-Identifier: MIT
 *
 * The numbers by HTTP, for a Prometheus on this machine: libmicrohttpd, on a loopback address alone, without
 * a thread. GET and HEAD of /metrics are answered; any other path by 404, any other method by 405, numbers
 * that cannot be read by 500. Connections, their memory and their idle time are limited.
 */
#include "metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECTIONS_MAX = 16, CONNECTION_BYTES_MAX = 16 << 10, IDLE_S_MAX = 10 };

struct metrics_http {
	struct MHD_Daemon *daemon;
	metrics_http_function function;
	void *user;
};

/* ---- the address ---- */

static int parse_port(const char *text, in_port_t *ret_port)
{
	unsigned long port;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	port = strtoul(text, &end, 10);
	if (*end || port > UINT16_MAX)
		return -EINVAL;
	*ret_port = htons((uint16_t)port);
	return 0;
}

static int parse_four(const char *host, in_port_t port, struct sockaddr_storage *ret_address)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = port};

	if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
		return -EINVAL;
	if (ntohl(address.sin_addr.s_addr) >> 24 != IN_LOOPBACKNET)
		return -EADDRNOTAVAIL;
	memcpy(ret_address, &address, sizeof(address));
	return 0;
}

static int parse_six(const char *host, in_port_t port, struct sockaddr_storage *ret_address)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = port};

	if (inet_pton(AF_INET6, host, &address.sin6_addr) != 1)
		return -EINVAL;
	if (!IN6_IS_ADDR_LOOPBACK(&address.sin6_addr))
		return -EADDRNOTAVAIL;
	memcpy(ret_address, &address, sizeof(address));
	return 0;
}

int metrics_http_address(const char *text, struct sockaddr_storage *ret_address)
{
	const char *colon = strrchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : 0;
	char host[METRICS_LISTEN_BYTES];
	in_port_t port = 0;

	if (!colon || length >= sizeof(host) || parse_port(colon + 1, &port) < 0)
		return -EINVAL;
	memcpy(host, text, length);
	host[length] = '\0';
	if (length < 2 || host[0] != '[' || host[length - 1] != ']')
		return parse_four(host, port, ret_address);
	host[length - 1] = '\0';
	return parse_six(host + 1, port, ret_address);
}

/* ---- answers ---- */

static enum MHD_Result answer(
    struct MHD_Connection *connection, unsigned status, struct MHD_Response *response)
{
	enum MHD_Result result;

	if (!response)
		return MHD_NO; /* out of memory: the connection is closed */
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned status, const char *text)
{
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY);

	if (response && status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	return answer(connection, status, response);
}

static enum MHD_Result answer_numbers(struct metrics_http *http, struct MHD_Connection *connection)
{
	struct MHD_Response *response;
	size_t size = 0;
	char *text = NULL;
	FILE *file = open_memstream(&text, &size);
	int result = file ? http->function(file, http->user) : -ENOMEM;

	if (file && fclose(file) != 0)
		result = -ENOMEM;
	if (result < 0) {
		free(text);
		return answer_text(
		    connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "the numbers cannot be read\n");
	}
	response = MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
	if (!response)
		free(text);
	else
		MHD_add_response_header(
		    response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
	return answer(connection, MHD_HTTP_OK, response);
}

/* The types are those of MHD_AccessHandlerCallback. */
static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *path,
    const char *method, const char *version, const char *upload, size_t *upload_size, void **request)
{
	(void)version;
	(void)upload;
	(void)upload_size;
	(void)request;
	if (strcmp(path, "/metrics") != 0)
		return answer_text(connection, MHD_HTTP_NOT_FOUND, "the numbers are at /metrics\n");
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	return answer_numbers(user, connection);
}

/* ---- the server ---- */

int metrics_http_open(const struct sockaddr_storage *address, metrics_http_function function, void *user,
    struct metrics_http **ret_http)
{
	struct metrics_http *http = calloc(1, sizeof(*http));
	unsigned six = address->ss_family == AF_INET6 ? MHD_USE_IPv6 : 0;

	if (!http)
		return -ENOMEM;
	http->function = function;
	http->user = user;
	errno = 0;
	http->daemon = MHD_start_daemon(MHD_USE_EPOLL | six, 0, NULL, NULL, on_request, http,
	    MHD_OPTION_SOCK_ADDR, (const struct sockaddr *)address, MHD_OPTION_CONNECTION_LIMIT,
	    (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S_MAX,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES_MAX, MHD_OPTION_END);
	if (!http->daemon) {
		int error = errno ? errno : EIO;

		free(http);
		return -error;
	}
	*ret_http = http;
	return 0;
}

uint16_t metrics_http_port(const struct metrics_http *http)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT);

	return info ? info->port : 0;
}

int metrics_http_run(struct metrics_http *http, int timeout_ms)
{
	return MHD_run_wait(http->daemon, timeout_ms) == MHD_YES ? 0 : -EIO;
}

void metrics_http_close(struct metrics_http *http)
{
	if (!http)
		return;
	MHD_stop_daemon(http->daemon);
	free(http);
}
