#include <hawser/hawser.h>
#include <stdio.h>

static void on_reply(hawser_call *call, const struct hawser_bytes *reply, bool more,
    const struct hawser_error *error, void *user)
{
	if (error)
		printf("call: %s, %s\n", error->text, hawser_fate_name(error->fate));
	else
		printf("reply: %.*s\n", (int)reply->size, (const char *)reply->data);
}

static void on_binding(
    hawser_binding *binding, enum hawser_binding_event event, const struct hawser_error *error, void *user)
{
	printf("%s: %s\n", hawser_binding_service(binding), hawser_binding_event_name(event));
	if (event == HAWSER_BINDING_BOUND) /* the first time, and after every reconnect */
		hawser_invoke(binding, "Echo", "hello", 5, on_reply, NULL, NULL);
}

int main(int count, char **arguments)
{
	HAWSER_OPTIONS(
	    hawser_client_options, options, .target = count > 1 ? arguments[1] : "unix:/tmp/x.sock");
	hawser_loop *loop;
	hawser_client *client;

	if (hawser_loop_new(NULL, &loop) < 0 || hawser_client_new(loop, &options, &client) < 0 ||
	    hawser_bind(client, "Echo", on_binding, NULL, NULL) < 0) /* queued: there is no connection yet */
		return 1;
	return hawser_loop_run(loop) < 0;
}
