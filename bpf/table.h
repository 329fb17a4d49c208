/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * The table of connects in flight: the kernel's hash, or in histogram mode one that costs less. A table (or a
 * bucket) that is full is counted, and the connect not seen.
 */
#ifndef HAWSER_BPF_TABLE_H
#define HAWSER_BPF_TABLE_H

#include "hints.h"

static __always_inline bool is_expired(const struct flight *flight, uint64_t now)
{
	uint64_t since = flight->record.start_ns > flight->syn_ns ? flight->record.start_ns : flight->syn_ns;

	/* A row without a time is just beginning. */
	return since && config.inflight_age_max_ns && now - since > config.inflight_age_max_ns;
}

#if KEEPS_RECORDS
static __always_inline struct flight *flight_find(uint64_t key)
{
	return bpf_map_lookup_elem(&inflight, &key);
}

static __always_inline void flight_forget(uint64_t key)
{
	bpf_map_delete_elem(&inflight, &key);
}

static long expired_visit(void *map, const uint64_t *key, const struct flight *flight, const uint64_t *now)
{
	if (is_expired(flight, *now)) {
		flight_leave(flight);
		bpf_map_delete_elem(&inflight, key);
	}
	return 0;
}

/* Looks at the whole table, and therefore not often. */
static __always_inline bool flights_expire(void)
{
	uint64_t now = bpf_ktime_get_ns();

	if (!HAS_NEW_HELPERS || now - expired_ns < EXPIRE_INTERVAL_NS)
		return false;
	expired_ns = now;
#if HAS_NEW_HELPERS /* or the kernel refuses even what cannot be reached */
	bpf_for_each_map_elem(&inflight, expired_visit, &now, 0);
#endif
	return true;
}

/* Overwrites what was there. */
static __always_inline struct flight *flight_place(uint64_t key)
{
	long refused = bpf_map_update_elem(&inflight, &key, &flight_template, BPF_ANY);

	if (refused && flights_expire())
		refused = bpf_map_update_elem(&inflight, &key, &flight_template, BPF_ANY);
	return refused ? NULL : flight_find(key);
}
#else
static __always_inline uint32_t bucket_of(uint64_t key)
{
	return (uint32_t)(low_half(key) * GOLDEN_RATIO >> 32) & buckets_mask;
}

/* BUCKET_PLACES: it is in none. */
static __always_inline uint32_t place_of(const struct bucket *bucket, uint64_t key)
{
	uint32_t place = BUCKET_PLACES;

#pragma unroll
	for (uint32_t i = 0; i < BUCKET_PLACES; i++)
		if (bucket->keys[i] == key)
			place = i;
	return place;
}

static __always_inline struct flight *flight_at(uint32_t number, uint32_t place)
{
	uint32_t row = number * BUCKET_PLACES + place;

	return bpf_map_lookup_elem(&inflight, &row);
}

/* What its readers look at, before its place is free. */
static __always_inline void row_clear(struct flight *flight)
{
	flight->record.start_ns = flight->syn_ns = flight->request = flight->key = 0;
}

static __always_inline struct flight *flight_find(uint64_t key)
{
	uint32_t number = bucket_of(key), place;
	const struct bucket *bucket = bpf_map_lookup_elem(&buckets, &number);

	if (!bucket || !key)
		return NULL;
	place = place_of(bucket, key);
	return place < BUCKET_PLACES ? flight_at(number, place) : NULL;
}

static __always_inline void flight_forget(uint64_t key)
{
	uint32_t number = bucket_of(key), place;
	struct bucket *bucket = bpf_map_lookup_elem(&buckets, &number);
	struct flight *flight;

	if (!bucket)
		return;
	place = place_of(bucket, key);
	if (place >= BUCKET_PLACES)
		return;
	flight = flight_at(number, place);
	if (flight)
		row_clear(flight);
	bucket->keys[place & (BUCKET_PLACES - 1)] = 0;
}

/* Two processors may want the same place. */
static __always_inline uint32_t place_take(struct bucket *bucket, uint64_t key)
{
	uint32_t place = place_of(bucket, key);

#pragma unroll
	for (uint32_t i = 0; i < BUCKET_PLACES; i++)
		if (place == BUCKET_PLACES && !bucket->keys[i] &&
		    !__sync_val_compare_and_swap(&bucket->keys[i], 0, key))
			place = i;
	return place;
}

static __always_inline void bucket_expire(struct bucket *bucket, uint32_t number)
{
	uint64_t now = bpf_ktime_get_ns();

#pragma unroll
	for (uint32_t i = 0; i < BUCKET_PLACES; i++) {
		struct flight *flight = flight_at(number, i);

		if (!flight || !is_expired(flight, now))
			continue;
		flight_leave(flight);
		row_clear(flight);
		bucket->keys[i] = 0;
	}
}

static __always_inline struct flight *flight_place(uint64_t key)
{
	uint32_t number = bucket_of(key), place;
	struct bucket *bucket = bpf_map_lookup_elem(&buckets, &number);
	struct flight *flight;

	if (!bucket)
		return NULL;
	place = place_take(bucket, key);
	if (place == BUCKET_PLACES) {
		bucket_expire(bucket, number);
		place = place_take(bucket, key);
	}
	flight = place < BUCKET_PLACES ? flight_at(number, place) : NULL;
	if (flight) {
		__builtin_memset(flight, 0, sizeof(*flight));
		flight->key = key;
	}
	return flight;
}
#endif

static __always_inline struct flight *flight_insert(uint64_t key)
{
	struct flight *flight = flight_place(key);

	if (!flight)
		count(&counters.inflight_full);
	return flight;
}

#endif
