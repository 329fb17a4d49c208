/* A program outside the tree: what README shows, with a target where nobody listens. It ends with 0 when its
 * binding was told so, once. Compiled as C11 and as C++17, against the static and the shared library. */
#include <errno.h>
#include <hawser/hawser.h>
#include <hawser/protocol.h>
#include <stdio.h>
#include <string.h>

static int told;

static void on_binding(
    hawser_binding *binding, enum hawser_binding_event event, const struct hawser_error *error, void *user)
{
	printf("%s: %s", hawser_binding_service(binding), hawser_binding_event_name(event));
	if (error)
		printf(": %s at %s: %s", hawser_errno_name(error->code), hawser_stage_name(error->stage),
		    error->text);
	printf("\n");
	if (event == HAWSER_BINDING_FAILED && error && error->code == -ENOENT &&
	    error->stage == HAWSER_STAGE_CONNECT)
		told++;
	else
		told += 100;
	hawser_loop_stop((hawser_loop *)user);
}

int main(int argc, char **argv)
{
	hawser_loop *loop;
	hawser_client *client;
	hawser_binding *binding;
	int error;

	if (argc != 2)
		return 2;
#ifdef __cplusplus
	struct hawser_client_options options;
	hawser_client_options_init(&options);
	options.target = argv[1];
	options.rounds_max = 1;
#else
	HAWSER_OPTIONS(hawser_client_options, options, .target = argv[1], .rounds_max = 1);
#endif
	if (strcmp(hawser_version(), "0.1.0") != 0 || hawser_loop_new(NULL, &loop) < 0)
		return 3;
	if (hawser_client_new(loop, &options, &client) < 0 ||
	    hawser_bind(client, "ConsumerPort", on_binding, loop, &binding) < 0)
		return 4;
	error = hawser_loop_run(loop);
	hawser_binding_free(binding);
	hawser_client_free(client);
	hawser_loop_free(loop);
	return error < 0 || told != 1;
}
