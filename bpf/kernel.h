/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * The kernel's types, as far as the programs look into them. The offsets here mean nothing: every access is
 * relocated when the programs are loaded, by the BTF of the kernel that runs (preserve_access_index), so that
 * neither that BTF nor a dump of it is needed to build. A name with three underscores is a variant of another
 * kernel version; libbpf drops what follows them.
 */
#ifndef HAWSER_BPF_KERNEL_H
#define HAWSER_BPF_KERNEL_H

typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

typedef __u8 uint8_t;
typedef __u16 uint16_t;
typedef __s32 int32_t;
typedef __u32 uint32_t;
typedef __u64 uint64_t;

typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

enum {
	EPERM = 1,
	ENOENT = 2,
	EBADF = 9,
	EINTR = 4,
	EAGAIN = 11,
	ENONET = 64,
	EPROTO = 71,
	ENOSYS = 38,
	ENOTSOCK = 88,
	ENOPROTOOPT = 92,
	ENETUNREACH = 101,
	ECONNRESET = 104,
	EISCONN = 106,
	ETIMEDOUT = 110,
	ECONNABORTED = 103,
	ENOTCONN = 107,
	ECONNREFUSED = 111,
	EHOSTDOWN = 112,
	EHOSTUNREACH = 113,
	EALREADY = 114,
	EADDRNOTAVAIL = 99,
	EINPROGRESS = 115,
	ECANCELED = 125,
	ERESTARTSYS = 512,
	ERESTART_RESTARTBLOCK = 516,
};

enum { AF_UNIX = 1, AF_INET = 2, AF_INET6 = 10 };
enum { IPPROTO_TCP = 6, IPPROTO_MPTCP = 262 };
enum { SOCK_STREAM = 1, SOCK_SEQPACKET = 5 };
enum { TCP_ESTABLISHED = 1, TCP_SYN_SENT = 2, TCP_SYN_RECV = 3, TCP_CLOSE = 7 };
enum { SO_EE_ORIGIN_ICMP = 2, SO_EE_ORIGIN_ICMP6 = 3 };
enum { OPERATION_LINK_TIMEOUT = 15, OPERATION_CONNECT = 16 };
enum { REQUEST_FIXED_FILE = 1 << 0, REQUEST_SKIP_SUCCESS = 1 << 6 }; /* as in the SQE */
enum { PF_IO_WORKER = 0x10, PF_KTHREAD = 0x200000 };

/* Maps; values that are the kernel's interface. */
enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_HASH = 5,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_RINGBUF = 27,
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1 };
enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2, BPF_RB_AVAIL_DATA = 0 };
enum bpf_hdr_start_off { BPF_HDR_START_MAC };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

struct nsproxy {
	struct net *net_ns;
};

struct file {
	void *private_data;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct thread_info {
	unsigned long flags;
	__u32 status;
};

struct task_struct {
	struct thread_info thread_info;
	unsigned int flags;
	int pid;
	int tgid;
	struct task_struct *group_leader;
	char comm[16];
	struct files_struct *files;
	struct nsproxy *nsproxy;
};

typedef struct {
	long long counter;
} atomic64_t;

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr {
	__u8 bytes[16];
};

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
};

struct sk_buff_head {
	struct sk_buff *prev;
	__u32 qlen;
};

struct socket;

struct sock {
	struct sock_common __sk_common;
	struct socket *sk_socket;
	struct sk_buff_head sk_error_queue;
	int sk_err;
	int sk_err_soft;
	__u16 sk_type;
	__u16 sk_protocol;
};

struct inet_sock {
	__be16 inet_sport;
};

struct tcp_sock {
	__u32 packets_out;
	__u32 snd_nxt;
	__u32 snd_una;
};

struct socket {
	struct file *file;
	struct sock *sk;
};

struct inode {
	unsigned long i_ino;
};

/* Begins with the socket. */
struct socket_alloc {
	struct inode vfs_inode;
};

struct sk_buff {
	struct sock *sk;
	char cb[48];
	__u16 network_header;
	unsigned char *head;
};

struct sock_extended_err {
	__u32 ee_errno;
	__u8 ee_origin;
	__u8 ee_type;
	__u8 ee_code;
};

struct sock_exterr_skb {
	struct sock_extended_err ee;
};

struct iphdr {
	__be32 saddr;
};

enum skb_drop_reason { SKB_DROP_REASON_NETFILTER_DROP = 1 };

struct io_fixed_file {
	unsigned long file_ptr;
};

struct io_rsrc_node {
	unsigned long file_ptr;
};

struct io_rsrc_data {
	unsigned int nr;
	struct io_rsrc_node **nodes;
};

struct io_file_table {
	struct io_rsrc_data data; /* 6.13 and later */
};

struct io_file_table___before_6_13 {
	struct io_fixed_file *files;
};

struct io_ring_ctx {
	struct io_file_table file_table;
};

struct io_ring_ctx___before_6_13 {
	struct io_file_table___before_6_13 file_table;
};

struct io_cqe {
	__u64 user_data;
	__s32 res;
	int fd;
};

struct io_cmd_data {
	__u8 data[56];
};

struct io_kiocb {
	struct file *file;
	struct io_cmd_data cmd;
	__u8 opcode;
	__u64 flags;
	struct io_cqe cqe;
	struct io_ring_ctx *ctx;
	void *async_data;
	struct io_kiocb *link;
};

struct sockaddr;

struct io_connect {
	struct sockaddr *addr;
	int addr_len;
};

struct timespec64 {
	__s64 tv_sec;
	long tv_nsec;
};

struct io_timeout {
	struct io_kiocb *head;
};

struct io_timeout_data {
	struct timespec64 ts;
};

struct io_uring_cqe {
	__u64 user_data;
	__s32 res;
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long ax;
	unsigned long si;
	unsigned long dx;
	unsigned long di;
	unsigned long orig_ax;
};
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs {
	__u64 regs[31];
	__u64 orig_x0;
	__s32 syscallno;
};
#endif

#pragma clang attribute pop

/* What user space hands over: the layout is its interface and is not relocated. */
struct socket_address {
	__u16 family;
	__be16 port;
	union {
		struct {
			__u8 address[4];
			__u8 zero[8];
		} in;
		struct {
			__be32 flow;
			__u8 address[16];
		} in6;
	};
};

#endif
