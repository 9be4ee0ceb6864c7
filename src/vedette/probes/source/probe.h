/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What the programs share: the two rings, the header, inode facts and the walk from a file to the root. */
#pragma once
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "record.h"

#define NAME 256          /* longest file name with its NUL, and a margin that the verifier can see */
#define PATH_BYTES 2048   /* of one path in a record */
#define DEPTH 48          /* folders and mounts walked */
#define STRINGS 16384     /* arguments and environment kept; a per-CPU value may not exceed 32 KiB */
#define DATA (3 * PATH_BYTES + STRINGS)
#define SCRATCHES 4       /* for each CPU: packets come in between, and programs of system calls are preempted */
#define NO_ID 0xffffffffU
#define SECOND 1000000000ULL
#define AF_INET 2
#define AF_INET6 10
#define SOCK_DGRAM 2

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* A storm of file records must not push out process and network records: each sort has its own ring. */
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4 << 20); } control SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 16 << 20); } bulk SEC(".maps");
/* [kind]: records that found no room. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KINDS);
	__type(key, __u32);
	__type(value, __u64);
} dropped SEC(".maps");
/* Processes that are not observed: the agent itself. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} excluded SEC(".maps");

/* How many file and module records there may be in a window of 2^30 ns; each = 0: as many as come. */
struct limit {
	__u32 each, all;  /* of one process, of all */
	__u64 boot;       /* when this system started, ns since 1970 */
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct limit);
} limits SEC(".maps");
/* How many there were. Two processors may begin a window at once and lose a few: it is a limit, not a count. */
struct pace { __u64 window; __u32 used, reserved; };
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pace);
} pace_of_all SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32); /* process */
	__type(value, struct pace);
} paces SEC(".maps");
/* Open files whose creation was left out: their close belongs to it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u8);
} unreported SEC(".maps");
/* [enum left_out]: events that were left out. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LEFT_OUT);
	__type(key, __u32);
	__type(value, __u64);
} left_out SEC(".maps");

#define BLOCK 192 /* first bytes of an inode: most of what is asked of it */
/* Records are put together here, for their length is known last. Programs are preempted (those of system calls since
 * Linux 6.13), so a second one on the same CPU must notice that the buffer is in use, and have another. */
struct scratch {
	__u32 busy, length;
	char block[BLOCK];
	char bytes[sizeof(struct exec_record) + DATA + PATH_BYTES];
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCHES);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline void count_drop(__u32 kind)
{
	__u64 *n = bpf_map_lookup_elem(&dropped, &kind);
	if (n)
		__sync_fetch_and_add(n, 1); /* a program that comes in between counts too */
}

static __always_inline struct scratch *take_scratch(__u32 kind)
{
	for (__u32 i = 0; i < SCRATCHES; i++) {
		__u32 key = i;
		struct scratch *s = bpf_map_lookup_elem(&scratches, &key);
		if (!s)
			return 0;
		if (!__sync_lock_test_and_set(&s->busy, 1))
			return s;
	}
	count_drop(kind);
	return 0;
}
static __always_inline void give_scratch(struct scratch *s) { s->busy = 0; }

/* A pointer as a number: the verifier lets only numbers into functions that are verified alone. */
static __always_inline __u64 number_of(const void *pointer)
{
	__u64 number = 0;
	bpf_probe_read_kernel(&number, sizeof(number), &pointer);
	return number;
}

static __always_inline bool is_excluded_pid(__u32 pid) { return bpf_map_lookup_elem(&excluded, &pid) != 0; }
static __always_inline bool is_excluded(void) { return is_excluded_pid(bpf_get_current_pid_tgid() >> 32); }

static __always_inline struct limit *limit_in_force(void)
{
	__u32 zero = 0;
	struct limit *limit = bpf_map_lookup_elem(&limits, &zero);
	return limit && limit->each ? limit : 0;
}

static __always_inline bool is_spent(struct pace *pace, __u64 window, __u32 most)
{
	if (pace->window != window) {
		pace->window = window;
		pace->used = 0;
	}
	return __sync_fetch_and_add(&pace->used, 1) >= most;
}

/* Whether an event of this type is too many now; then it is counted. */
static __always_inline bool is_over(struct limit *limit, __u32 type)
{
	__u32 zero = 0, pid = bpf_get_current_pid_tgid() >> 32;
	__u64 window = bpf_ktime_get_boot_ns() >> 30, *n;
	struct pace *all = bpf_map_lookup_elem(&pace_of_all, &zero), *one = bpf_map_lookup_elem(&paces, &pid);
	if (!one) {
		struct pace fresh = { window, 0, 0 };
		bpf_map_update_elem(&paces, &pid, &fresh, BPF_ANY);
		one = bpf_map_lookup_elem(&paces, &pid);
	}
	if (!all || !one || !(is_spent(one, window, limit->each) || is_spent(all, window, limit->all)))
		return false;
	n = bpf_map_lookup_elem(&left_out, &type);
	if (n)
		__sync_fetch_and_add(n, 1); /* a program that comes in between counts too */
	return true;
}

/*
 * 0 = wake the reader only if it had read everything; it then sleeps a while before it reads, so that a busy host
 * wakes it once in that while. A forced wake-up per record was four fifths of the workload's slowdown.
 */
#define WAKE_IDLE_READER 0

static __always_inline void put(void *ring, void *record, __u32 length, __u32 kind)
{
	if (bpf_ringbuf_output(ring, record, length, WAKE_IDLE_READER))
		count_drop(kind);
}

/* Direct BTF loads, no probe-read helper: three times cheaper. */
static __always_inline void fill(struct header *h, __u16 kind, __u32 length, struct task_struct *task)
{
	const struct cred *cred = task->cred;
	struct task_struct *parent = task->real_parent;
	h->kind = kind;
	h->flags = 0;
	h->length = length;
	h->time = bpf_ktime_get_boot_ns();
	h->start = task->group_leader->start_boottime;
	h->pid = task->tgid;
	h->tid = task->pid;
	h->uid = cred->uid.val;
	h->gid = cred->gid.val;
	h->euid = cred->euid.val;
	h->egid = cred->egid.val;
	h->login = bpf_core_field_exists(task->loginuid) ? task->loginuid.val : NO_ID;
	h->session = bpf_core_field_exists(task->sessionid) ? task->sessionid : NO_ID;
	h->mount_namespace = task->nsproxy->mnt_ns->ns.inum;
	h->parent = parent->tgid;
	h->parent_start = parent->group_leader->start_boottime;
}

/*
 * A field of a kernel object whose first `size` bytes were copied to `block`: one call of a helper for all of them
 * instead of one each. Read where it is when it lies further on in this kernel; the verifier sees which.
 */
#define FIELD(block, size, object, type, field) \
	(bpf_core_field_offset(type, field) + sizeof(((type *)0)->field) <= (size) ? \
		 *(typeof(((type *)0)->field) *)((char *)(block) + bpf_core_field_offset(type, field)) : \
		 BPF_CORE_READ((type *)(object), field))
#define NANOSECONDS(time) ((__u64)(time).tv_sec * SECOND + (time).tv_nsec)

static __always_inline void fill_inode(struct scratch *s, struct inode_facts *f, struct inode *inode)
{
	struct inode___split *split = (void *)inode;
	struct inode___hidden *hidden = (void *)inode;
	struct inode___plain *plain = (void *)inode;
#define OF_INODE(type, field) FIELD(s->block, BLOCK, inode, type, field)
	bpf_probe_read_kernel(s->block, BLOCK, inode);
	struct super_block *device = OF_INODE(struct inode, i_sb);
	f->number = OF_INODE(struct inode, i_ino);
	f->size = OF_INODE(struct inode, i_size);
	f->device = BPF_CORE_READ(device, s_dev);
	f->generation = OF_INODE(struct inode, i_generation);
	f->mode = OF_INODE(struct inode, i_mode);
	f->uid = OF_INODE(struct inode, i_uid.val);
	f->gid = OF_INODE(struct inode, i_gid.val);
	f->links = OF_INODE(struct inode, i_nlink);
	f->reserved[0] = f->reserved[1] = 0;
	f->modified = f->changed = 0;
	if (bpf_core_field_exists(split->i_mtime_sec)) {
		f->modified = OF_INODE(struct inode___split, i_mtime_sec) * SECOND +
			      OF_INODE(struct inode___split, i_mtime_nsec);
		/* The top bit says that the time was asked for (multigrain timestamps). */
		f->changed = OF_INODE(struct inode___split, i_ctime_sec) * SECOND +
			     (OF_INODE(struct inode___split, i_ctime_nsec) & 0x7fffffff);
		return;
	}
	if (bpf_core_field_exists(plain->i_mtime))
		f->modified = NANOSECONDS(OF_INODE(struct inode___plain, i_mtime));
	else if (bpf_core_field_exists(hidden->__i_mtime))
		f->modified = NANOSECONDS(OF_INODE(struct inode___hidden, __i_mtime));
	if (bpf_core_field_exists(plain->i_ctime))
		f->changed = NANOSECONDS(OF_INODE(struct inode___plain, i_ctime));
	else if (bpf_core_field_exists(hidden->__i_ctime))
		f->changed = NANOSECONDS(OF_INODE(struct inode___hidden, __i_ctime));
}

/*
 * Writes the names from `dentry` up to the root of the mount namespace to scratch->bytes[at]; at most
 * PATH_BYTES. Gives the length; negative = cut. bpf_d_path is not for this: it stops at a chroot's root and
 * newer kernels refuse it for the working directory. A global function, so that it is verified once.
 */
__noinline int walk(struct scratch *s, __u64 from, __u64 on, __u32 at)
{
	if (!s)
		return 0;
	struct dentry *dentry = (void *)(unsigned long)from;
	struct vfsmount *vfs = (void *)(unsigned long)on;
	struct mount *mount = (void *)vfs - bpf_core_field_offset(struct mount, mnt);
	struct dentry *root = BPF_CORE_READ(vfs, mnt_root);
	char block[64] __attribute__((aligned(8)));
	/* Kept in memory: the verifier then sees the same state in each round and need not follow every sum. */
	s->length = 0;
	barrier(); /* else the compiler enters the loop at its middle, which 6.1 refuses */

	for (int i = 0; i < DEPTH; i++) {
		__u32 length = s->length;
		if (dentry == root) {
			bpf_probe_read_kernel(block, sizeof(block), mount);
			struct mount *below = FIELD(block, sizeof(block), mount, struct mount, mnt_parent);
			if (below == mount || !below)
				return length;
			dentry = FIELD(block, sizeof(block), mount, struct mount, mnt_mountpoint);
			mount = below;
			root = BPF_CORE_READ(mount, mnt.mnt_root);
			continue;
		}
		__u32 to = at + length;
		if (length > PATH_BYTES - NAME || to > sizeof(s->bytes) - NAME)
			break;
		bpf_probe_read_kernel(block, sizeof(block), dentry);
		struct dentry *parent = FIELD(block, sizeof(block), dentry, struct dentry, d_parent);
		long n = bpf_probe_read_kernel_str(s->bytes + to, NAME,
						   FIELD(block, sizeof(block), dentry, struct dentry, d_name.name));
		if (n <= 0)
			return length;
		if (dentry == parent) /* in no folder: memfd */
			return length + n;
		s->length = length + n;
		dentry = parent;
	}
	return -(int)s->length;
}

/* Length of a walk, kept within what the verifier can follow; `cut` is set in the header when it is not whole. */
static __always_inline __u32 walked(struct header *h, int n, __u16 cut)
{
	if (n < 0) {
		h->flags |= cut;
		n = -n;
	}
	return n > PATH_BYTES ? PATH_BYTES : n;
}

/* Length of a text that was read; 0 when that failed. One comparison: 6.12 does not follow two. */
static __always_inline __u32 kept(long got)
{
	__u32 n = got;
	barrier_var(n);
	return n > PATH_BYTES ? 0 : n;
}

#define FMODE_CREATED 0x100000
#define COARSE 20000000ULL /* ns by which the times of files may be behind */

/* The time at which an inode changed, ns since 1970; read alone, while records are limited. */
static __always_inline __u64 time_of_change(struct inode *inode)
{
	struct inode___split *split = (void *)inode;
	struct inode___hidden *hidden = (void *)inode;
	struct inode___plain *plain = (void *)inode;
	if (bpf_core_field_exists(split->i_ctime_sec))
		return BPF_CORE_READ(split, i_ctime_sec) * SECOND + (BPF_CORE_READ(split, i_ctime_nsec) & 0x7fffffff);
	if (bpf_core_field_exists(plain->i_ctime))
		return (__u64)BPF_CORE_READ(plain, i_ctime.tv_sec) * SECOND + BPF_CORE_READ(plain, i_ctime.tv_nsec);
	if (bpf_core_field_exists(hidden->__i_ctime))
		return (__u64)BPF_CORE_READ(hidden, __i_ctime.tv_sec) * SECOND + BPF_CORE_READ(hidden, __i_ctime.tv_nsec);
	return ~0ULL;
}

/* Whether this task may have written the file that it closes, as far as the file's time of change tells. */
static __always_inline bool is_written(struct limit *limit, struct inode *inode)
{
	struct task_struct *task = bpf_get_current_task_btf();
	return BPF_CORE_READ(inode, i_nlink) &&
	       time_of_change(inode) >= limit->boot + task->group_leader->start_boottime - COARSE;
}

/* Whether a record about an open file is left out. A creation and its close are one event, told or left out whole. */
static __always_inline bool is_left_out(struct file *file, __u32 kind, __u32 flags)
{
	struct limit *limit = limit_in_force();
	__u64 key = (__u64)file;
	__u8 yes = 1;
	if (kind == CREATE) {
		if (limit && is_over(limit, FILE_CREATE)) {
			bpf_map_update_elem(&unreported, &key, &yes, BPF_ANY);
			return true;
		}
		bpf_map_delete_elem(&unreported, &key); /* of a file that was here before and whose close was not seen */
		return false;
	}
	if (kind != MAP && (BPF_CORE_READ(file, f_mode) & FMODE_CREATED)) {
		if (!bpf_map_lookup_elem(&unreported, &key))
			return false;
		if (flags & LAST)
			bpf_map_delete_elem(&unreported, &key);
		return true;
	}
	if (!limit)
		return false;
	if (kind == CLOSE && (!(flags & LAST) || !is_written(limit, BPF_CORE_READ(file, f_inode))))
		return true; /* no event comes of it */
	return is_over(limit, kind == MAP ? MODULE_LOAD : FILE_CHANGE);
}

static __always_inline bool is_path_left_out(__u32 operation)
{
	struct limit *limit = limit_in_force();
	bool makes = operation == SYMLINK || operation == LINK || operation == MKNOD;
	return limit && is_over(limit, makes ? FILE_CREATE : FILE_CHANGE);
}

static __always_inline struct file *file_of(struct task_struct *task, int fd)
{
	struct fdtable *table = task->files->fdt;
	struct file *file = 0;
	if (fd < 0 || (__u32)fd >= table->max_fds)
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), (void *)table->fd + (__u64)(__u32)fd * sizeof(file));
	return file;
}

#if defined(__TARGET_ARCH_x86)
#define ARGUMENTS(regs) { 0, (regs)->di, (regs)->si, (regs)->dx, (regs)->r10, (regs)->r8, (regs)->r9, 0 }
#else /* arm64: the first register holds the result at exit */
#define ARGUMENTS(regs) { 0, (regs)->orig_x0, (regs)->regs[1], (regs)->regs[2], (regs)->regs[3], \
			  (regs)->regs[4], (regs)->regs[5], 0 }
#endif
