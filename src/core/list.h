/* SPDX-License-Identifier: MIT
 *
 * A circular doubly linked list whose links live in the listed objects, so that joining a list cannot fail.
 */
#ifndef HAWSER_CORE_LIST_H
#define HAWSER_CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next;
	struct list *previous;
};

#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline void list_init(struct list *list)
{
	list->next = list;
	list->previous = list;
}

static inline bool list_empty(const struct list *list)
{
	return list->next == list;
}

static inline void list_append(struct list *list, struct list *item)
{
	item->previous = list->previous;
	item->next = list;
	list->previous->next = item;
	list->previous = item;
}

static inline void list_prepend(struct list *list, struct list *item)
{
	list_append(list->next, item);
}

/* The item is a list of its own afterwards: removing it again is harmless. */
static inline void list_remove(struct list *item)
{
	item->previous->next = item->next;
	item->next->previous = item->previous;
	list_init(item);
}

/* The first item, removed, or NULL. */
static inline struct list *list_take(struct list *list)
{
	struct list *item = list->next;

	if (item == list)
		return NULL;
	list_remove(item);
	return item;
}

/* Moves all items of `from` behind those of `list`. */
static inline void list_splice(struct list *list, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->previous = list->previous;
	list->previous->next = from->next;
	from->previous->next = list;
	list->previous = from->previous;
	list_init(from);
}

#endif
