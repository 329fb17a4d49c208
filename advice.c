/* SPDX-License-Identifier: MIT
 *
 * What to do about a failure: one sentence, from the most particular reason to the most general one.
 */
#include "options.h"
#include "outcome.h"

#include <errno.h>
#include <string.h>

static bool is_unix(const struct options *options)
{
	return strncmp(TARGET(options), "unix:", 5) == 0;
}

static const char *about_call(const struct hawser_error *error)
{
	if (error->code == -ENOSYS)
		return "check the spelling of the method: the host listed its methods, and it is not among them";
	switch (error->fate) {
	case HAWSER_FATE_ANSWERED:
		return "the host answered, so it is reachable: check the arguments and the host's log";
	case HAWSER_FATE_NEVER_SENT:
		return "nothing was sent: it is safe to call again";
	case HAWSER_FATE_SENT:
		return "the host cannot have the whole of it: it is safe to call again";
	default:
		return "the host may have done it: find out before you call again";
	}
}

static const char *about_deadline(const struct hawser_error *error, const struct options *options)
{
	switch (error->stage) {
	case HAWSER_STAGE_RESOLVE:
		return "check the name servers in /etc/resolv.conf, or give the address as a number";
	case HAWSER_STAGE_CONNECT:
		return is_unix(options)
			   ? "look at what the host is doing: it listens and does not accept"
			   : "check for a firewall that drops packets, and whether the host still accepts";
	case HAWSER_STAGE_BIND:
		return "check that the host speaks this protocol and is not stopped; --timeout-ms gives it "
		       "longer";
	default:
		return "give it longer, or look at what the host is doing";
	}
}

static const char *about_refusal(const struct hawser_error *error, const struct options *options)
{
	if (error->stage == HAWSER_STAGE_BIND)
		return "check the spelling of the service, and that this host is the one that offers it";
	if (is_unix(options))
		return "start the host: the socket is there, but nobody listens on it any more";
	return "start the host, or check the port";
}

static const char *about_no_host(const struct hawser_error *error, const struct options *options)
{
	if (error->stage == HAWSER_STAGE_RESOLVE)
		return "check the spelling of the name, /etc/hosts and the name servers";
	return options->deadline_ms == HAWSER_NONE
		   ? "start the host, or check the path; --deadline-ms waits for it"
		   : "start the host, or check the path";
}

static const char *about_local(const struct hawser_error *error)
{
	switch (-error->code) {
	case EMFILE:
	case ENFILE:
		return "this machine has no descriptor left: look at ulimit -n";
	case EADDRNOTAVAIL:
		return "this machine has no such address, or no port left";
	case EBADF:
	case ENOTSOCK:
	case ENOTCONN:
		return "pass a connected stream socket under this number";
	default:
		return "look at this machine, not at the host";
	}
}

const char *advice_for(const struct hawser_error *error, const struct options *options)
{
	if (error->cause == HAWSER_CAUSE_LOCAL)
		return about_local(error);
	if (error->fate != HAWSER_FATE_NONE)
		return about_call(error);
	if ((error->code == -EACCES || error->code == -EPERM) && is_unix(options) &&
	    error->stage == HAWSER_STAGE_CONNECT)
		return "ask for write permission on the socket, and for search permission on its directories";
	switch (error->cause) {
	case HAWSER_CAUSE_REFUSED:
		return about_refusal(error, options);
	case HAWSER_CAUSE_UNREACHABLE:
		return "check the address, the route to it and the firewalls on the way";
	case HAWSER_CAUSE_DEADLINE:
		return about_deadline(error, options);
	case HAWSER_CAUSE_BACKLOG_FULL:
		return "look at what the host is doing: it listens and does not accept";
	case HAWSER_CAUSE_NO_HOST:
		return about_no_host(error, options);
	case HAWSER_CAUSE_IDENTITY:
		return "find out who runs this host before you trust it; --peer-uid says who may";
	case HAWSER_CAUSE_PROTOCOL:
		return "check that the host speaks this protocol; --protocol chooses another";
	case HAWSER_CAUSE_LOST:
		return "look at the host's log: it ended the connection";
	default:
		return "run it again with --verbose";
	}
}
