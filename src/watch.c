/* SPDX-License-Identifier: MIT
 *
 * Directories of unix paths that could not be connected to: one watch per directory and loop, shared by its
 * clients. When the client's file appears the client tries at once; many clients are spread over min(cap,
 * clients x 50 us).
 *
 * A directory that is missing or cannot be watched leaves its clients to the timer; they ask again after
 * their next failed round.
 */
#include "client.h"

#include <assert.h>
#include <string.h>

#define SPREAD_PER_CLIENT_NS 50000ULL

struct directory {
	struct list link;
	struct list clients;
	hawser_loop *loop;
	uint64_t id;
	uint32_t count;
	bool cancelled;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
};

static void directory_free(struct directory *directory)
{
	list_remove(&directory->link);
	memory_release(&directory->loop->memory, directory, sizeof(*directory));
}

static void client_leaves(hawser_client *client)
{
	assert(client->directory);
	client->directory->count--;
	client->directory = NULL;
	list_remove(&client->watch_link);
}

static bool is_file_of(const hawser_client *client, const char *name)
{
	struct target target;

	return target_parse(client->target_text, &target, NULL, 0) == 0 &&
	       strcmp(name, target_file(&target)) == 0;
}

static void appeared(struct directory *directory, const char *name)
{
	hawser_loop *loop = directory->loop;
	struct list *next;

	for (struct list *link = directory->clients.next; link != &directory->clients; link = next) {
		hawser_client *client = container_of(link, struct hawser_client, watch_link);
		uint64_t spread_ns = directory->count * SPREAD_PER_CLIENT_NS;
		uint64_t random = loop_random(loop);

		next = link->next;
		if (name && !is_file_of(client, name))
			continue;
		if (spread_ns > client->connection.backoff.cap_ns)
			spread_ns = client->connection.backoff.cap_ns;
		client_path_appeared(client, directory->count > 1 ? random % spread_ns : 0);
	}
}

static void watch_done(void *owner, const struct completion *completion)
{
	struct directory *directory = owner;
	hawser_loop *loop = directory->loop;

	if (completion->result >= 0 && !directory->cancelled)
		appeared(directory, completion->name);
	if (!completion->more) {
		while (!list_empty(&directory->clients))
			client_leaves(
			    container_of(directory->clients.next, struct hawser_client, watch_link));
		directory_free(directory);
	}
	loop_run_tasks(loop);
}

static struct directory *directory_find(hawser_loop *loop, const char *path)
{
	for (struct list *link = loop->directories.next; link != &loop->directories; link = link->next) {
		struct directory *directory = container_of(link, struct directory, link);

		if (!directory->cancelled && strcmp(directory->path, path) == 0)
			return directory;
	}
	return NULL;
}

static struct directory *directory_new(hawser_loop *loop, const char *path)
{
	struct directory *directory = memory_allocate(&loop->memory, sizeof(*directory));
	struct handler handler = {watch_done, directory};

	if (!directory)
		return NULL;
	directory->loop = loop;
	list_init(&directory->clients);
	memcpy(directory->path, path, strlen(path) + 1);
	list_append(&loop->directories, &directory->link);
	if (loop->engine->operations->watch(loop->engine, path, handler, &directory->id) < 0) {
		directory_free(directory);
		return NULL;
	}
	return directory;
}

void watch_join(hawser_client *client)
{
	hawser_loop *loop = client->loop;
	struct directory *directory;
	char path[sizeof(directory->path)];
	struct target target;

	if (client->directory || !loop->watch_directories || client->target.kind != TARGET_UNIX ||
	    target_parse(client->target_text, &target, NULL, 0) < 0 ||
	    target_directory(&target, path, sizeof(path)) < 0)
		return;
	directory = directory_find(loop, path);
	if (!directory)
		directory = directory_new(loop, path);
	if (!directory)
		return;
	client->directory = directory;
	directory->count++;
	list_append(&directory->clients, &client->watch_link);
}

void watch_leave(hawser_client *client)
{
	struct directory *directory = client->directory;
	struct engine *engine = client->loop->engine;

	if (!directory)
		return;
	client_leaves(client);
	if (!list_empty(&directory->clients))
		return;
	directory->cancelled = true;
	engine->operations->cancel(engine, directory->id);
}

void watches_close(hawser_loop *loop)
{
	while (!list_empty(&loop->directories))
		directory_free(container_of(loop->directories.next, struct directory, link));
}
