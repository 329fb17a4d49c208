/* SPDX-License-Identifier: MIT
 *
 * How the metrics get out of hawser-trace: a file that is replaced as a whole, and HTTP on loopback. No
 * eBPF is needed here.
 */
#include "../../tools/hawser-trace/metrics.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <glob.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the file ---- */

static void write_word(FILE *file, void *user)
{
	fputs(user, file);
}

static void make_folder(char folder[32])
{
	memcpy(folder, "/tmp/hawser-metrics-XXXXXX", 27);
	cr_assert_not_null(mkdtemp(folder));
}

static void expect_alone(const char *folder, const char *name, const char *word)
{
	char path[64], text[32] = "";
	glob_t found;
	FILE *file;

	snprintf(path, sizeof(path), "%s/*", folder);
	cr_assert_eq(glob(path, 0, NULL, &found), 0);
	cr_expect_eq(found.gl_pathc, 1, "something is left beside it");
	globfree(&found);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "re");
	cr_assert_not_null(file);
	cr_expect_not_null(fgets(text, sizeof(text), file));
	cr_expect_str_eq(text, word);
	fclose(file);
	unlink(path);
	rmdir(folder);
}

Test(trace_scrape, the_file_is_replaced_as_a_whole)
{
	char folder[32], path[64];
	struct stat before, after;

	make_folder(folder);
	umask(022);
	snprintf(path, sizeof(path), "%s/a.prom", folder);
	cr_assert_eq(metrics_file_replace(path, write_word, "old"), 0);
	cr_assert_eq(stat(path, &before), 0);
	cr_expect_eq(before.st_mode & 0777, 0644, "the collector is another user");
	cr_assert_eq(metrics_file_replace(path, write_word, "new"), 0);
	cr_assert_eq(stat(path, &after), 0);
	cr_expect_neq(before.st_ino, after.st_ino, "written into, not renamed");
	expect_alone(folder, "a.prom", "new");
}

Test(trace_scrape, a_failed_replacement_leaves_the_old_file)
{
	struct rlimit limit = {.rlim_cur = 1, .rlim_max = RLIM_INFINITY};
	char folder[32], path[64];

	make_folder(folder);
	snprintf(path, sizeof(path), "%s/a.prom", folder);
	cr_assert_eq(metrics_file_replace(path, write_word, "old"), 0);
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = 1;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_expect_eq(metrics_file_replace(path, write_word, "new"), -EFBIG);
	limit.rlim_cur = limit.rlim_max;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	expect_alone(folder, "a.prom", "old");
	cr_expect_eq(metrics_file_replace("/nonexistent/a.prom", write_word, "x"), -ENOENT);
}

Test(trace_scrape, a_folder_is_no_file)
{
	char folder[32], path[64];

	make_folder(folder);
	snprintf(path, sizeof(path), "%s/a.prom", folder);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_expect_eq(metrics_file_replace(path, write_word, "x"), -EISDIR);
	cr_expect_eq(rmdir(path), 0);
	cr_expect_eq(rmdir(folder), 0, "something is left beside it");
}

Test(trace_scrape, a_path_has_a_limit)
{
	char path[8192];

	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	cr_expect_eq(metrics_file_replace(path, write_word, "x"), -ENAMETOOLONG);
}

/* ---- HTTP ---- */

enum { TURN_MS = 10, TURNS_MAX = 1000 };

static int written; /* what the function answers */

static int write_numbers(FILE *file, void *user)
{
	fputs(user, file);
	return written;
}

static struct metrics_http *serve(const char *address, char *text)
{
	struct sockaddr_storage parsed;
	struct metrics_http *http = NULL;
	int result;

	cr_assert_eq(metrics_http_address(address, &parsed), 0);
	result = metrics_http_open(&parsed, write_numbers, text, &http);
	if (result == -EADDRNOTAVAIL || result == -EAFNOSUPPORT)
		cr_skip_test("no %s on this machine", address);
	cr_assert_eq(result, 0, "%s", strerror(-result));
	cr_assert_neq(metrics_http_port(http), 0);
	return http;
}

static int connect_to(const struct metrics_http *http)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	    .sin_port = htons(metrics_http_port(http)),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Serves until the other end is closed, or long enough; what came from there. */
static void serve_until_closed(struct metrics_http *http, int fd, char *ret_text, size_t size)
{
	size_t length = 0;
	ssize_t part = -1;

	for (unsigned turn = 0; turn < TURNS_MAX && part != 0 && length < size - 1; turn++) {
		cr_assert_eq(metrics_http_run(http, TURN_MS), 0);
		part = recv(fd, ret_text + length, size - 1 - length, MSG_DONTWAIT);
		if (part < 0 && errno != EAGAIN)
			break; /* it was reset */
		length += part > 0 ? (size_t)part : 0;
	}
	cr_expect_neq(part > 0 || (part < 0 && errno == EAGAIN), 1, "it was not closed");
	ret_text[length] = '\0';
	close(fd);
}

static void request(struct metrics_http *http, const char *line, char *ret_text, size_t size)
{
	int fd = connect_to(http);
	char text[256];
	int length =
	    snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", line);

	cr_assert_eq(send(fd, text, (size_t)length, MSG_NOSIGNAL), length);
	serve_until_closed(http, fd, ret_text, size);
}

static void expect_answer(struct metrics_http *http, const char *line, const char *status, const char *body)
{
	char text[4096];
	const char *end;

	request(http, line, text, sizeof(text));
	cr_expect_eq(strncmp(text, status, strlen(status)), 0, "%s: %s", line, text);
	end = strstr(text, "\r\n\r\n");
	cr_assert_not_null(end, "%s: %s", line, text);
	cr_expect_str_eq(end + 4, body, "%s: %s", line, text);
}

Test(trace_scrape, http_answers, .timeout = 60)
{
	struct metrics_http *http = serve("127.0.0.1:0", "numbers 1\n");
	char text[4096];

	expect_answer(http, "GET /metrics", "HTTP/1.1 200 ", "numbers 1\n");
	expect_answer(http, "HEAD /metrics", "HTTP/1.1 200 ", "");
	expect_answer(http, "GET /", "HTTP/1.1 404 ", "the numbers are at /metrics\n");
	expect_answer(http, "GET /metrics/more", "HTTP/1.1 404 ", "the numbers are at /metrics\n");
	expect_answer(http, "POST /metrics", "HTTP/1.1 405 ", "only GET and HEAD\n");
	request(http, "HEAD /metrics", text, sizeof(text));
	cr_expect_not_null(strstr(text, "\r\nContent-Length: 10\r\n"), "%s", text);
	cr_expect_not_null(
	    strstr(text, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"), "%s", text);
	written = -EIO;
	expect_answer(http, "GET /metrics", "HTTP/1.1 500 ", "the numbers cannot be read\n");
	metrics_http_close(http);
	metrics_http_close(NULL);
}

Test(trace_scrape, http_of_ipv6_loopback)
{
	metrics_http_close(serve("[::1]:0", ""));
}

Test(trace_scrape, http_survives_what_is_no_http, .timeout = 60)
{
	struct metrics_http *http = serve("127.0.0.1:0", "numbers 1\n");
	char text[4096], flood[8192];
	int fd = connect_to(http);

	cr_assert_eq(send(fd, "\0\1\2\r\n\r\n", 7, MSG_NOSIGNAL), 7);
	shutdown(fd, SHUT_WR);
	serve_until_closed(http, fd, text, sizeof(text));
	/* A header without an end must not take memory without an end. */
	fd = connect_to(http);
	memset(flood, 'a', sizeof(flood));
	cr_assert_eq(send(fd, "GET /metrics HTTP/1.1\r\nX: ", 26, MSG_NOSIGNAL), 26);
	for (unsigned i = 0; i < 8; i++) {
		send(fd, flood, sizeof(flood), MSG_NOSIGNAL | MSG_DONTWAIT);
		cr_assert_eq(metrics_http_run(http, 0), 0);
	}
	serve_until_closed(http, fd, text, sizeof(text));
	cr_expect_null(strstr(text, " 200 "), "%s", text);
	expect_answer(http, "GET /metrics", "HTTP/1.1 200 ", "numbers 1\n");
	metrics_http_close(http);
}

Test(trace_scrape, http_has_a_limit_of_connections, .timeout = 60)
{
	struct metrics_http *http = serve("127.0.0.1:0", "numbers 1\n");
	int idle[64];

	for (unsigned i = 0; i < 64; i++) {
		idle[i] = connect_to(http);
		cr_assert_eq(metrics_http_run(http, 0), 0);
	}
	for (unsigned i = 0; i < 64; i++)
		close(idle[i]);
	for (unsigned turn = 0; turn < 20; turn++)
		cr_assert_eq(metrics_http_run(http, TURN_MS), 0);
	expect_answer(http, "GET /metrics", "HTTP/1.1 200 ", "numbers 1\n");
	metrics_http_close(http);
}

Test(trace_scrape, http_of_a_port_in_use)
{
	struct metrics_http *http = serve("127.0.0.1:0", ""), *second = NULL;
	struct sockaddr_in address = {.sin_family = AF_INET,
	    .sin_port = htons(metrics_http_port(http)),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_storage storage = {0};

	memcpy(&storage, &address, sizeof(address));
	cr_expect_eq(metrics_http_open(&storage, write_numbers, "", &second), -EADDRINUSE);
	cr_expect_null(second);
	metrics_http_close(http);
}

Test(trace_scrape, http_is_of_loopback_alone)
{
	static const char *const wrong[] = {"", "80", ":80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x",
	    "127.0.0.1:-1", "127.0.0.1:65536", "localhost:80", "[::1]", "::1:80x", "[::1:80",
	    "1111111111111111111111111111111111111111111111111111111111111111111:80"};
	static const char *const elsewhere[] = {"0.0.0.0:80", "10.0.0.1:80", "128.0.0.1:80", "[::]:80",
	    "[2001:db8::1]:80", "[::ffff:127.0.0.1]:80"};
	struct sockaddr_storage address;

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		cr_expect_eq(metrics_http_address(wrong[i], &address), -EINVAL, "%s", wrong[i]);
	for (unsigned i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++)
		cr_expect_eq(
		    metrics_http_address(elsewhere[i], &address), -EADDRNOTAVAIL, "%s", elsewhere[i]);
	cr_expect_eq(metrics_http_address("127.3.2.1:80", &address), 0);
	cr_expect_eq(((struct sockaddr_in *)&address)->sin_port, htons(80));
}
