/* SPDX-License-Identifier: MIT
 *
 * hawser: gets a service connected to the services it depends on, and keeps it connected.
 */
#ifndef HAWSER_HAWSER_H
#define HAWSER_HAWSER_H

#include <hawser/base.h>
#include <hawser/binding.h>
#include <hawser/client.h>
#include <hawser/loop.h>
#include <hawser/status.h>

#endif
