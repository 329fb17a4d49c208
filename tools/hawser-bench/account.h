/* SPDX-License-Identifier: MIT
 *
 * The kernel's own account of the eBPF programs of this process: how often they ran and for how long
 * (bpf_stats). It is steady where wall time is not.
 */
#ifndef HAWSER_BENCH_ACCOUNT_H
#define HAWSER_BENCH_ACCOUNT_H

#include <stdint.h>

struct account {
	uint64_t ns;
	uint64_t runs;
};

/* The kernel keeps account until the descriptor is closed, which makes each run a little longer. A descriptor
 * or a negative errno: -EPERM without CAP_SYS_ADMIN. */
int account_begin(void);

/* The sum over the programs that this process has open. 0 or a negative errno. */
int account_read(struct account *ret_account);

#endif
