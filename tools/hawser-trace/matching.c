/* SPDX-License-Identifier: MIT
 *
 * The filters of the kernel, for records that come from elsewhere: from a file, or from programs that are
 * pinned with filters of their own. All but --sample, for which a record is too late.
 */
#include "show.h"

#include <string.h>

static bool matches_prefix(const struct hawser_trace_config *config, const struct hawser_trace_record *record)
{
	unsigned whole = config->prefix_bits / 8, rest = config->prefix_bits % 8;
	unsigned mask = 0xffU << (8 - rest) & 0xff;

	if (record->family != config->prefix_family ||
	    memcmp(record->destination, config->prefix, whole) != 0)
		return false;
	return !rest || ((record->destination[whole] ^ config->prefix[whole]) & mask) == 0;
}

bool matching_admits(const struct hawser_trace_config *config, const struct hawser_trace_record *record)
{
	uint32_t filters = config->filters;

	return !(config->failures_only && record->cause == HAWSER_TRACE_OK) &&
	       record->total_ns >= config->minimum_ns &&
	       !((filters & HAWSER_TRACE_FILTER_TGID) && record->tgid != config->tgid) &&
	       !((filters & HAWSER_TRACE_FILTER_UID) && record->uid != config->uid) &&
	       !((filters & HAWSER_TRACE_FILTER_CGROUP) && record->cgroup != config->cgroup) &&
	       !((filters & HAWSER_TRACE_FILTER_NETNS) && record->netns != config->netns) &&
	       !((filters & HAWSER_TRACE_FILTER_PORT) && record->destination_port != config->port) &&
	       (!(filters & HAWSER_TRACE_FILTER_PREFIX) || matches_prefix(config, record));
}
