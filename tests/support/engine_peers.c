/* SPDX-License-Identifier: MIT
 *
 * The rig's other side: listeners, peers, directories and bytes, by plain system calls.
 */
#include "engine_rig.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int listen_on(struct address *address, int backlog)
{
	int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(bind(fd, &address->any, address->size), 0, "bind: %s", strerror(errno));
	cr_assert_eq(listen(fd, backlog), 0);
	return fd;
}

int rig_listen_tcp(int backlog, struct address *ret_address)
{
	struct address address = {.size = sizeof(struct sockaddr_in)};
	int fd;

	address.in = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	fd = listen_on(&address, backlog);
	cr_assert_eq(getsockname(fd, &address.any, &address.size), 0);
	*ret_address = address;
	return fd;
}

struct address rig_unix_address(const char *path)
{
	struct address address = {0};
	size_t length = strlen(path);

	cr_assert_lt(length, sizeof(address.un.sun_path));
	address.un.sun_family = AF_UNIX;
	memcpy(address.un.sun_path, path, length);
	address.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
	if (path[0] == '@') {
		address.un.sun_path[0] = '\0';
		address.size--;
	}
	return address;
}

int rig_listen_unix(const char *path, int backlog, struct address *ret_address)
{
	*ret_address = rig_unix_address(path);
	return listen_on(ret_address, backlog);
}

int rig_listen_full(struct address *ret_address, int ret_fillers[2])
{
	int listener = rig_listen_tcp(0, ret_address);

	/* The first takes the one place there is, and the SYN of the second is dropped like all that follow.
	 */
	for (int i = 0; i < 2; i++) {
		ret_fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		cr_assert_geq(ret_fillers[i], 0);
		if (connect(ret_fillers[i], &ret_address->any, ret_address->size) < 0)
			cr_assert_eq(errno, EINPROGRESS);
	}
	return listener;
}

int rig_unix_pair(struct rig *rig, int *ret_peer)
{
	struct rig_operation operation = {0};
	int ends[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	rig_adopt(rig, &operation, ends[0]);
	rig_until(rig, operation.ended);
	cr_assert_geq(operation.result, 0);
	*ret_peer = ends[1];
	return operation.result;
}

int rig_tcp_pair(struct rig *rig, int *ret_peer)
{
	struct address address;
	int listener = rig_listen_tcp(16, &address);
	int fd = rig_connected(rig, &address);

	*ret_peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	cr_assert_geq(*ret_peer, 0);
	close(listener);
	return fd;
}

void rig_directory_make(char directory[RIG_DIRECTORY_SIZE])
{
	snprintf(directory, RIG_DIRECTORY_SIZE, "/tmp/hawser-engine-XXXXXX");
	cr_assert_not_null(mkdtemp(directory));
}

void rig_directory_remove(const char *directory)
{
	DIR *open_directory = opendir(directory);
	const struct dirent *entry;
	char path[512];

	if (!open_directory)
		return;
	while ((entry = readdir(open_directory))) {
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		unlink(path); /* "." and ".." refuse */
	}
	closedir(open_directory);
	rmdir(directory);
}

void rig_file_make(const char *directory, const char *name)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	cr_assert_geq(fd, 0);
	close(fd);
}

static uint8_t pattern_at(size_t place)
{
	return (uint8_t)(place * 131 + (place >> 8) * 17 + (place >> 16));
}

void rig_pattern_fill(uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = pattern_at(i);
}

bool rig_pattern_is(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != pattern_at(i))
			return false;
	return true;
}
