/* SPDX-License-Identifier: MIT
 *
 * A network of the test's own: a user and network namespace, so that no root is needed and nothing outside is
 * touched. It is gone when the test's process ends.
 */
#ifndef TESTS_SUPPORT_NETWORK_H
#define TESTS_SUPPORT_NETWORK_H

/* Makes the program root of a user namespace of its own, so that its tests may make networks. Call from a
 * constructor: only a program without threads may do so, and Criterion's have some. */
void network_prepare(void);

/* The same for tests of a program that is root anyway and must stay what it is: capabilities of a user
 * namespace do not load eBPF. Otherwise they are skipped. */
void network_prepare_as_root(void);

/* Moves the test into its network, with loopback up. Skips the test, saying why, where the kernel refuses
 * that or ip or nft is not installed. */
void network_enter(void);

/* Runs one of the tools; fails the test with the command when it fails. */
void network_run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What becomes of packets: a rule of nft in the chain "in" or "out" of everything, e.g. "tcp dport 7000
 * drop". */
void network_rule(const char *chain, const char *rule);
void network_rules_clear(void);

/* A neighbour, 192.0.2.2, in a network of its own that lives as long as the test, reached from 192.0.2.1; and
 * the same for IPv6, 2001:db8::1 and ::2. Only for tests that may make network namespaces. */
void network_peer_begin(void);
/* A command in the neighbour's network. */
void network_peer_run(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A rule for what the neighbour receives, before anything else there. */
void network_peer_rule(const char *rule);
/* The same in place of all there are, at one stroke. */
void network_peer_rule_instead(const char *rule);

#endif
