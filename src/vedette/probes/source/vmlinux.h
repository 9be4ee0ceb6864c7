/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The kernel types that the probes read, trimmed by hand so that a build does not depend on the builder's
 * kernel. Only the names and nesting matter: every access is relocated by libbpf against the BTF of the
 * kernel that runs (CO-RE). A suffix after three underscores marks another layout of the same type.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef int pid_t;
typedef _Bool bool;

enum { false = 0, true = 1 };

/* From the user API, which never changes. */
#define BPF_ANY 0
enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct { int counter; } atomic_t;
typedef struct { __s64 counter; } atomic64_t;
typedef struct { __u32 val; } kuid_t;
typedef struct { __u32 val; } kgid_t;
typedef struct { __u64 val; } kernel_cap_t;

struct timespec64 { __s64 tv_sec; long tv_nsec; };

/* ---- files */
struct dentry;
struct super_block { __u32 s_dev; };
struct inode {
	__u16 i_mode;
	kuid_t i_uid;
	kgid_t i_gid;
	struct super_block *i_sb;
	unsigned long i_ino;
	unsigned int i_nlink;
	__s64 i_size;
	__u32 i_generation;
};
/* Times of an inode: up to 6.5 i_mtime and i_ctime; 6.6 hid i_ctime, 6.7 i_mtime; 6.11 made them integers. */
struct inode___plain { struct timespec64 i_mtime, i_ctime; };
struct inode___hidden { struct timespec64 __i_mtime, __i_ctime; };
struct inode___split {
	__s64 i_mtime_sec, i_ctime_sec;
	__u32 i_mtime_nsec, i_ctime_nsec;
};
struct qstr { const unsigned char *name; };
struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
};
struct vfsmount { struct dentry *mnt_root; };
struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};
struct path { struct vfsmount *mnt; struct dentry *dentry; };
struct file {
	__u32 f_mode;
	void *private_data;
	struct inode *f_inode;
	struct path f_path;
};
/* References to an open file: a plain counter up to 6.12, then one that is 0 for one reference. */
struct file___counted { atomic64_t f_count; };
struct file___refs { struct { atomic64_t refcnt; } f_ref; };
struct fdtable {
	unsigned int max_fds;
	struct file **fd;
	unsigned long *open_fds;
};
struct files_struct { atomic_t count; struct fdtable *fdt; };
struct fs_struct { struct path root, pwd; };

/* ---- processes */
struct cred {
	kuid_t uid;
	kgid_t gid;
	kuid_t euid;
	kgid_t egid;
	kernel_cap_t cap_effective;
};
struct ns_common { unsigned int inum; };
struct mnt_namespace { struct ns_common ns; };
struct pid_namespace { struct ns_common ns; };
struct net { struct ns_common ns; };
struct nsproxy { struct mnt_namespace *mnt_ns; struct net *net_ns; };
/* A process has a number in each PID namespace from the first one (level 0) to its own. */
struct upid { int nr; struct pid_namespace *ns; };
struct pid { unsigned int level; struct upid numbers[1]; };
struct mm_struct { unsigned long arg_start, arg_end, env_start, env_end; };
struct tty_struct { char name[64]; };
struct signal_struct {
	atomic_t live;
	int group_exit_code;
	unsigned int flags;
	struct tty_struct *tty;
};
struct task_struct {
	pid_t pid;
	pid_t tgid;
	int exit_code;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	__u64 start_boottime;
	const struct cred *cred;
	kuid_t loginuid;
	unsigned int sessionid;
	struct mm_struct *mm;
	struct fs_struct *fs;
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct pid *thread_pid;
	struct signal_struct *signal;
	unsigned int in_execve : 1;
};
struct linux_binprm {
	struct file *file;
	const char *filename;
	const char *interp;
	int argc, envc;
	unsigned long p, exec; /* where the strings on the new stack begin and end */
	unsigned int secureexec : 1;
};

/* ---- network */
struct in6_addr { __u8 bytes[16]; };
struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	__u16 skc_family;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};
struct sock {
	struct sock_common __sk_common;
	__u16 sk_type;
	__u16 sk_protocol;
	__u32 sk_max_ack_backlog;
};
struct socket { struct sock *sk; };

/* ---- io_uring: a request begins with what its operation made of it (`struct io_rename` ...) */
struct filename { const char *name; };
struct io_cqe { __s32 res; };
struct io_kiocb {
	struct file *file;
	u8 opcode;
	unsigned int flags; /* 64 bits in later kernels; the lower half is enough */
	struct io_cqe cqe;
};
struct io_unlink { int dfd, flags; struct filename *filename; };
struct io_rename { int old_dfd, new_dfd, flags; struct filename *oldpath, *newpath; };
struct io_link { int old_dfd, new_dfd, flags; struct filename *oldpath, *newpath; };
struct io_close { int fd; u32 file_slot; };
struct io_connect { void *addr; };

/* ---- modules */
struct module { char name[56]; };

/* ---- system calls */
struct trace_entry { __u64 unused; };
struct trace_event_raw_sys_enter { struct trace_entry ent; long id; unsigned long args[6]; };
struct trace_event_raw_sys_exit { struct trace_entry ent; long id; long ret; };
#if defined(__TARGET_ARCH_x86)
struct pt_regs { unsigned long r10, r9, r8, ax, dx, si, di, orig_ax; };
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs { __u64 regs[31]; };
struct pt_regs { __u64 regs[31]; __u64 orig_x0; __s32 syscallno; };
#else
#error "build the probes for x86 or arm64"
#endif

#pragma clang attribute pop

/* ---- contexts of programs on control groups: from the user API, the kernel translates each access */
struct bpf_sock {
	__u32 bound_dev_if, family, type, protocol, mark, priority;
	__u32 src_ip4, src_ip6[4];
	__u32 src_port; /* of this machine's byte order */
};
struct bpf_sock_addr {
	__u32 user_family, user_ip4, user_ip6[4];
	__u32 user_port; /* of the network's byte order */
	__u32 family, type, protocol;
	__u32 msg_src_ip4, msg_src_ip6[4];
	union { struct bpf_sock *sk; __u64 : 64; } __attribute__((aligned(8)));
};
struct __sk_buff {
	__u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority;
	__u32 ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid, data, data_end;
};
#endif
