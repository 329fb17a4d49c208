/* SPDX-License-Identifier: MIT
 *
 * The buffers that the kernel receives into: one ring of them (group 0) for all receives of the engine, so
 * that memory follows the bytes that arrive and not the number of connections that might send some.
 *
 * The kernel takes a buffer with each completion that carries data; it is given back when the handler has
 * returned. When all are taken, receives end with -ENOBUFS and are started again by their owners.
 *
 * Failures: no address space (-ENOMEM), pinned memory beyond RLIMIT_MEMLOCK (-ENOMEM, the ring is then tried
 * smaller).
 */
#include "engine/uring.h"
#include <errno.h>
#include <sys/mman.h>

static void *map(size_t size)
{
	void *address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (address == MAP_FAILED)
		return NULL;
	/* A forked child must not share pages that the kernel goes on writing for the parent. */
	if (madvise(address, size, MADV_DONTFORK) < 0) {
		munmap(address, size);
		return NULL;
	}
	return address;
}

int uring_buffers_map(struct uring_buffers *buffers, uint32_t count, uint32_t size)
{
	uint32_t entries = 2;

	while (entries < count && entries < 32768)
		entries *= 2;
	buffers->count = entries;
	buffers->size = size;
	buffers->ring_size = entries * sizeof(struct io_uring_buf);
	buffers->bytes_size = (size_t)entries * size;
	buffers->ring = map(buffers->ring_size);
	buffers->bytes = map(buffers->bytes_size);
	if (buffers->ring && buffers->bytes)
		return 0;
	uring_buffers_unmap(buffers);
	return -ENOMEM;
}

void uring_buffers_unmap(struct uring_buffers *buffers)
{
	if (buffers->ring)
		munmap(buffers->ring, buffers->ring_size);
	if (buffers->bytes)
		munmap(buffers->bytes, buffers->bytes_size);
	buffers->ring = NULL;
	buffers->bytes = NULL;
}

uint8_t *uring_buffers_at(const struct uring_buffers *buffers, uint32_t index)
{
	return buffers->bytes + (size_t)index * buffers->size;
}

void uring_buffers_return(struct uring_buffers *buffers, uint32_t index)
{
	io_uring_buf_ring_add(buffers->ring, uring_buffers_at(buffers, index), buffers->size,
	    (unsigned short)index, io_uring_buf_ring_mask(buffers->count), 0);
	io_uring_buf_ring_advance(buffers->ring, 1);
}

int uring_buffers_register(struct uring_buffers *buffers, struct io_uring *ring)
{
	struct io_uring_buf_reg registration = {
	    .ring_addr = (uint64_t)(uintptr_t)buffers->ring, .ring_entries = buffers->count};
	int r = io_uring_register_buf_ring(ring, &registration, 0);

	if (r < 0)
		return r;
	io_uring_buf_ring_init(buffers->ring);
	for (uint32_t index = 0; index < buffers->count; index++)
		uring_buffers_return(buffers, index);
	return 0;
}
