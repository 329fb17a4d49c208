/* SPDX-License-Identifier: MIT
 *
 * A connect whose tag says whatever its process likes, as design.md lays tags out.
 */
#ifndef TESTS_TRACE_FORGED_H
#define TESTS_TRACE_FORGED_H

#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

struct forged {
	uint64_t magic;
	uint32_t version;
	uint32_t attempt;
	uint64_t client;
	char target[40];
	struct sockaddr_in address;
};
#define FORGED .magic = 0x7267617472777368ULL, .version = 1

/* Through a ring, and ends the process: with 0 if it was refused. */
static inline void forged_connect(struct forged *forged)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct io_uring_cqe *cqe;
	struct io_uring ring;

	if (io_uring_queue_init(4, &ring, 0) < 0)
		_exit(1);
	io_uring_prep_connect(
	    io_uring_get_sqe(&ring), fd, (struct sockaddr *)&forged->address, sizeof(forged->address));
	io_uring_submit(&ring);
	_exit(io_uring_wait_cqe(&ring, &cqe) < 0 || cqe->res != -ECONNREFUSED);
}

#endif
