/* SPDX-License-Identifier: MIT
 *
 * The ring itself: made, found good enough, and enabled.
 *
 * It is made disabled by whoever makes the loop and enabled by the thread that waits first, which is the only
 * one that may submit from then on (SINGLE_ISSUER). Completions are worked off only in that thread's waits
 * (DEFER_TASKRUN). A forked child does not get the ring's memory.
 *
 * Failures: io_uring is forbidden or absent (io_uring_setup's errno: -EPERM, -ENOSYS); a feature of Linux 6.1
 * is missing (-EOPNOTSUPP, and which); RLIMIT_MEMLOCK is too small for rings of this size (smaller ones are
 * tried, down to 4 and 8 entries; then -ENOMEM); no descriptors (-EMFILE, -ENFILE).
 */
#include "engine/uring.h"
#include <errno.h>

enum {
	SETUP_FLAGS = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
		      IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP |
		      IORING_SETUP_R_DISABLED,
	SUBMISSION_ENTRIES_MIN = 4,
	PROBE_OPERATIONS = 256,
};

struct need {
	unsigned value;
	const char *name;
};

static const struct need features[] = {
    {IORING_FEAT_NODROP, "IORING_FEAT_NODROP"},
    {IORING_FEAT_FAST_POLL, "IORING_FEAT_FAST_POLL"},
    {IORING_FEAT_EXT_ARG, "IORING_FEAT_EXT_ARG"},
    {IORING_FEAT_CQE_SKIP, "IORING_FEAT_CQE_SKIP"},
};

static const struct need operations[] = {
    {IORING_OP_CONNECT, "IORING_OP_CONNECT"},
    {IORING_OP_LINK_TIMEOUT, "IORING_OP_LINK_TIMEOUT"},
    {IORING_OP_ASYNC_CANCEL, "IORING_OP_ASYNC_CANCEL"},
    {IORING_OP_POLL_ADD, "IORING_OP_POLL_ADD"},
    {IORING_OP_READ, "IORING_OP_READ"},
    {IORING_OP_SEND, "IORING_OP_SEND"},
    {IORING_OP_SENDMSG, "IORING_OP_SENDMSG"},
    {IORING_OP_RECV, "IORING_OP_RECV"},
    {IORING_OP_RECVMSG, "IORING_OP_RECVMSG"},
};

static int check_features(const struct io_uring *ring, const char **ret_missing)
{
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		if (!(ring->features & features[i].value)) {
			*ret_missing = features[i].name;
			return -EOPNOTSUPP;
		}
	}
	return 0;
}

static int check_operations(struct io_uring *ring, const char **ret_missing)
{
	union {
		struct io_uring_probe probe;
		uint8_t
		    room[sizeof(struct io_uring_probe) + PROBE_OPERATIONS * sizeof(struct io_uring_probe_op)];
	} answer = {0};

	if (io_uring_register_probe(ring, &answer.probe, PROBE_OPERATIONS) < 0) {
		*ret_missing = "IORING_REGISTER_PROBE";
		return -EOPNOTSUPP;
	}
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		if (!io_uring_opcode_supported(&answer.probe, (int)operations[i].value)) {
			*ret_missing = operations[i].name;
			return -EOPNOTSUPP;
		}
	}
	return 0;
}

static int furnish(struct uring *uring, const char **ret_missing)
{
	int r = check_features(&uring->ring, ret_missing);

	if (r < 0)
		return r;
	r = check_operations(&uring->ring, ret_missing);
	if (r < 0)
		return r;
	r = uring_buffers_register(&uring->buffers, &uring->ring);
	if (r == -EINVAL) {
		*ret_missing = "IORING_REGISTER_PBUF_RING";
		return -EOPNOTSUPP;
	}
	if (r < 0)
		return r;
	return io_uring_ring_dontfork(&uring->ring);
}

static int try_size(
    struct uring *uring, uint32_t submission_entries, uint32_t completion_entries, const char **ret_missing)
{
	struct io_uring_params parameters = {.flags = SETUP_FLAGS, .cq_entries = completion_entries};
	int r = io_uring_queue_init_params(submission_entries, &uring->ring, &parameters);

	if (r == -EINVAL) {
		*ret_missing = "IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN";
		return -EOPNOTSUPP;
	}
	if (r < 0)
		return r;
	r = furnish(uring, ret_missing);
	if (r < 0)
		io_uring_queue_exit(&uring->ring);
	return r;
}

static uint32_t at_least(uint32_t value, uint32_t minimum)
{
	return value < minimum ? minimum : value;
}

int uring_ring_create(struct uring *uring, const struct engine_options *options, const char **ret_missing)
{
	uint32_t submission_entries = at_least(options->submission_entries, SUBMISSION_ENTRIES_MIN);
	uint32_t completion_entries = at_least(options->completion_entries, 2 * submission_entries);

	for (;;) {
		int r = try_size(uring, submission_entries, completion_entries, ret_missing);

		if (r != -ENOMEM || completion_entries <= 2 * SUBMISSION_ENTRIES_MIN)
			return r;
		submission_entries = at_least(submission_entries / 2, SUBMISSION_ENTRIES_MIN);
		completion_entries = at_least(completion_entries / 2, 2 * submission_entries);
	}
}

int uring_ring_enable(struct uring *uring)
{
	/* liburing 2.3 does not export io_uring_enable_rings. */
	int r = io_uring_register((unsigned)uring->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);

	if (r < 0)
		return r;
	uring->enabled = true;
	return 0;
}

size_t uring_ring_memory(const struct uring *uring)
{
	const struct io_uring_sq *submissions = &uring->ring.sq;

	return submissions->ring_sz + submissions->ring_entries * sizeof(struct io_uring_sqe) +
	       uring->buffers.ring_size + uring->buffers.bytes_size;
}
