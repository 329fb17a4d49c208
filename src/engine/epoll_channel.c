/* SPDX-License-Identifier: MIT
 *
 * Channels: what is in flight on one descriptor, and its one registration with epoll (level-triggered, so
 * that a peer that floods costs one buffer a round, and nothing is lost by reading less than there is).
 *
 * Happy path: an operation joins its channel, epoll is told what it waits for; an event is handed to the
 * operations that want it. An operation that leaves does not tell epoll at once, since the descriptor is
 * mostly closed next: an event that nobody wants does. Polls and connects do, because their descriptors may
 * be somebody else's from then on. Failures: no memory for a page (64 channels) is NULL; what epoll_ctl
 * refuses is its errno.
 */
#include "engine/epoll.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { PAGES_MIN = 4 };

static bool pages_grow(struct epoll_engine *epoll, uint32_t page)
{
	uint32_t count = epoll->pages_count ? epoll->pages_count : PAGES_MIN;
	struct channel **pages;

	if (page < epoll->pages_count)
		return true;
	while (count <= page)
		count *= 2;
	pages = memory_allocate(epoll->memory, count * sizeof(struct channel *));
	if (!pages)
		return false;
	if (epoll->pages_count)
		memcpy(pages, epoll->pages, epoll->pages_count * sizeof(struct channel *));
	memory_release(epoll->memory, epoll->pages, epoll->pages_count * sizeof(struct channel *));
	epoll->pages = pages;
	epoll->pages_count = count;
	return true;
}

struct channel *epoll_channel(struct epoll_engine *epoll, int fd)
{
	uint32_t page = (uint32_t)fd / CHANNEL_PAGE;

	if (!pages_grow(epoll, page))
		return NULL;
	if (!epoll->pages[page]) {
		epoll->pages[page] = memory_allocate(epoll->memory, CHANNEL_PAGE * sizeof(struct channel));
		if (!epoll->pages[page])
			return NULL;
	}
	return &epoll->pages[page][(uint32_t)fd % CHANNEL_PAGE];
}

struct channel *epoll_channel_find(const struct epoll_engine *epoll, int fd)
{
	uint32_t page = (uint32_t)fd / CHANNEL_PAGE;

	if (page >= epoll->pages_count || !epoll->pages[page])
		return NULL;
	return &epoll->pages[page][(uint32_t)fd % CHANNEL_PAGE];
}

static bool channel_used(const struct channel *channel)
{
	return channel->writer || channel->receive || channel->poll;
}

static uint32_t channel_wants(const struct channel *channel)
{
	return (channel->receive ? (uint32_t)EPOLLIN : 0) | (channel->writer ? (uint32_t)EPOLLOUT : 0) |
	       (channel->poll ? channel->poll->events : 0);
}

static int channel_control(const struct epoll_engine *epoll, int what, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.u64 = (uint32_t)fd};

	return epoll_ctl(epoll->fd, what, fd, &event) < 0 ? -errno : 0;
}

int epoll_channel_arm(struct epoll_engine *epoll, int fd, struct channel *channel)
{
	uint32_t events = channel_wants(channel);
	int result;

	if (channel->registered && (events & ~channel->events) == 0)
		return 0;
	result = channel_control(epoll, channel->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, events);
	if (result < 0)
		return result;
	channel->registered = true;
	channel->events = events;
	return 0;
}

void epoll_channel_relax(struct epoll_engine *epoll, int fd, struct channel *channel)
{
	uint32_t events = channel_wants(channel);

	if (!channel->registered)
		return;
	if (!channel_used(channel)) {
		channel_control(epoll, EPOLL_CTL_DEL, fd, 0);
		channel->registered = false;
	} else if (events != channel->events && channel_control(epoll, EPOLL_CTL_MOD, fd, events) == 0) {
		channel->events = events;
	}
}

void epoll_channel_close(struct epoll_engine *epoll, int fd)
{
	struct channel *channel = epoll_channel_find(epoll, fd);

	/* Closing alone would not do when a forked child or a peer that was sent the descriptor holds the
	 * file, too: epoll would go on telling its events, and nobody could stop it. */
	if (channel) {
		assert(!channel_used(channel));
		epoll_channel_relax(epoll, fd, channel);
	}
	close(fd);
}

void epoll_channel_event(struct epoll_engine *epoll, int fd, uint32_t events)
{
	struct channel *channel = epoll_channel_find(epoll, fd);
	bool over = events & (EPOLLERR | EPOLLHUP);

	if (!channel)
		return;
	if (channel->writer && (over || events & EPOLLOUT)) {
		if (channel->writer->kind == OPERATION_CONNECT)
			epoll_connect_event(epoll, channel->writer, events);
		else
			epoll_send_event(epoll, channel->writer);
	}
	if (channel->receive && (over || events & EPOLLIN))
		epoll_receive_event(epoll, channel->receive);
	if (channel->poll && (over || events & channel->poll->events))
		epoll_poll_event(epoll, channel->poll, events);
	if (!channel_used(channel) || events & ~(channel_wants(channel) | EPOLLERR | EPOLLHUP))
		epoll_channel_relax(epoll, fd, channel);
}

void epoll_channels_destroy(struct epoll_engine *epoll)
{
	for (uint32_t i = 0; i < epoll->pages_count; i++)
		memory_release(epoll->memory, epoll->pages[i], CHANNEL_PAGE * sizeof(struct channel));
	memory_release(epoll->memory, epoll->pages, epoll->pages_count * sizeof(struct channel *));
}
