/* SPDX-License-Identifier: MIT
 *
 * What to do about a failure: one sentence, from the most particular reason to the most general one. The
 * first row that matches wins.
 */
#include "outcome.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum where {
	ON_PATH = 1, /* unix, and what is there may well be a socket */
	ON_NO_SOCKET = 2,
	ON_ABSTRACT = 4,
	ON_NETWORK = 8,
	ON_UNIX = ON_PATH | ON_NO_SOCKET | ON_ABSTRACT,
	ANYWHERE = ON_UNIX | ON_NETWORK,
};

#define ANY (-1)

static const char not_accepting[] = "look at what the host is doing: it listens and does not accept";

static const struct {
	int cause; /* enum hawser_cause */
	int stage; /* enum hawser_stage */
	int code;  /* errno; 0: any */
	enum where where;
	const char *text;
} rows[] = {
    {ANY, HAWSER_STAGE_CONNECT, 0, ON_NO_SOCKET, "check the path: what is there is no socket"},
    {ANY, HAWSER_STAGE_CONNECT, EACCES, ON_UNIX,
	"ask for write permission on the socket, and for search permission on its directories"},
    {HAWSER_CAUSE_REFUSED, HAWSER_STAGE_BIND, 0, ANYWHERE,
	"check the spelling of the service, and that this host is the one that offers it"},
    {HAWSER_CAUSE_REFUSED, ANY, 0, ON_ABSTRACT, "start the host, or check the name"},
    {HAWSER_CAUSE_REFUSED, ANY, 0, ON_UNIX,
	"start the host: the socket is there, but nobody listens on it any more"},
    {HAWSER_CAUSE_REFUSED, ANY, 0, ANYWHERE, "start the host, or check the port"},
    {HAWSER_CAUSE_UNREACHABLE, ANY, 0, ANYWHERE,
	"check the address, the route to it and the firewalls on the way"},
    {HAWSER_CAUSE_DEADLINE, HAWSER_STAGE_RESOLVE, 0, ANYWHERE,
	"check the name servers in /etc/resolv.conf, or give the address as a number"},
    {HAWSER_CAUSE_DEADLINE, HAWSER_STAGE_CONNECT, 0, ON_UNIX, not_accepting},
    {HAWSER_CAUSE_DEADLINE, HAWSER_STAGE_CONNECT, 0, ANYWHERE,
	"check for a firewall that drops packets, and whether the host still accepts"},
    {HAWSER_CAUSE_DEADLINE, HAWSER_STAGE_BIND, 0, ANYWHERE,
	"check that the host speaks this protocol and is not stopped"},
    {HAWSER_CAUSE_DEADLINE, ANY, 0, ANYWHERE, "give it longer, or look at what the host is doing"},
    {HAWSER_CAUSE_BACKLOG_FULL, ANY, 0, ANYWHERE, not_accepting},
    {HAWSER_CAUSE_NO_HOST, HAWSER_STAGE_RESOLVE, 0, ANYWHERE,
	"check the spelling of the name, /etc/hosts and the name servers"},
    {HAWSER_CAUSE_NO_HOST, ANY, 0, ANYWHERE, "start the host, or check the path; --deadline-ms waits for it"},
    {HAWSER_CAUSE_IDENTITY, ANY, 0, ANYWHERE,
	"find out who runs this host before you trust it; --peer-uid says who may"},
    {HAWSER_CAUSE_PROTOCOL, ANY, 0, ANYWHERE,
	"check the address: what answers there does not speak this protocol"},
    {HAWSER_CAUSE_LOST, ANY, 0, ANYWHERE, "look at the host's log: it ended the connection"},
    {HAWSER_CAUSE_LOCAL, ANY, EMFILE, ANYWHERE, "this machine has no descriptor left: look at ulimit -n"},
    {HAWSER_CAUSE_LOCAL, ANY, EADDRNOTAVAIL, ANYWHERE, "this machine has no such address, or no port left"},
    {HAWSER_CAUSE_LOCAL, ANY, EMSGSIZE, ANYWHERE, "send it in several calls, or pass it in a file"},
    {HAWSER_CAUSE_LOCAL, HAWSER_STAGE_SOCKET, EBADF, ANYWHERE,
	"pass a connected stream socket under this number"},
    {HAWSER_CAUSE_LOCAL, HAWSER_STAGE_SOCKET, ENOTSOCK, ANYWHERE,
	"pass a connected stream socket under this number"},
    {HAWSER_CAUSE_LOCAL, HAWSER_STAGE_SOCKET, ENOTCONN, ANYWHERE,
	"pass a connected stream socket under this number"},
    {HAWSER_CAUSE_LOCAL, HAWSER_STAGE_NONE, EPERM, ANYWHERE,
	"leave --engine out, or look at sysctl kernel.io_uring_disabled and at seccomp"},
    {HAWSER_CAUSE_LOCAL, ANY, 0, ANYWHERE, "look at this machine, not at the host"},
};

static const char *about_call(const struct hawser_error *error)
{
	if (error->code == -ENOSYS)
		return "check the spelling of the method: hawser bind prints those that the host has";
	switch (error->fate) {
	case HAWSER_FATE_ANSWERED:
		return "the host answered, so it is reachable: check the payload and the host's log";
	case HAWSER_FATE_NEVER_SENT:
		return "nothing was sent: it is safe to call again";
	case HAWSER_FATE_SENT:
		return "the host cannot have the whole of it: it is safe to call again";
	default:
		return "the host may have done it: find out before you call again";
	}
}

static enum where where_is(const char *target)
{
	struct stat status;

	if (strncmp(target, "unix:", 5) != 0)
		return ON_NETWORK;
	if (target[5] == '@')
		return ON_ABSTRACT;
	return stat(target + 5, &status) == 0 && !S_ISSOCK(status.st_mode) ? ON_NO_SOCKET : ON_PATH;
}

const char *advice_for(const struct hawser_error *error, const struct options *options)
{
	enum where where = where_is(TARGET(options));

	if (error->fate != HAWSER_FATE_NONE)
		return about_call(error);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if ((rows[i].cause == ANY || rows[i].cause == (int)error->cause) &&
		    (rows[i].stage == ANY || rows[i].stage == (int)error->stage) &&
		    (rows[i].code == 0 || rows[i].code == -error->code) && (rows[i].where & where))
			return rows[i].text;
	return "run it again with --verbose";
}
