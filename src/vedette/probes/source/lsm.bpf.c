// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * LSM mode: all of tracepoint mode, and programs on BPF LSM and fexit that take the place of some of it where the
 * kernel lets them (`replacements.py` says which of which). They see what does not come by a system call of this
 * machine (io_uring, 32-bit programs), and names as the kernel resolved them. The records are the same.
 *
 * A hook of LSM is asked before something is done. What can still fail is therefore noted there and reported at
 * the return of the function that does it: only what happened is an event. `ctx` of an fexit program without
 * typed arguments lets it attach whatever arguments this kernel's function has.
 */
#define LSM_MODE
#include "tracepoints.bpf.c"

#define REMOVE_DIRECTORY 0x200
#define BPF_LOCAL_STORAGE_GET_F_CREATE 1

/* ------------------------------------------------------------------------------------------ processes */

SEC("lsm/bprm_committed_creds")
int BPF_PROG(exec_committed, struct linux_binprm *bprm)
{
	unsigned long from = bprm->p, to = bprm->exec;
	report_exec(bpf_get_current_task_btf(), bprm, from, to > from ? to - from : 0);
	return 0;
}

SEC("lsm/ptrace_access_check")
int BPF_PROG(access_asked, struct task_struct *target, unsigned int mode)
{
	if ((mode & MODE_ATTACH) && !is_excluded())
		report_access(target->tgid, target->group_leader->start_boottime, mode & (MODE_ATTACH | 1));
	return 0;
}

/* ---------------------------------------------------------------------------------------------- files */

SEC("lsm/file_open")
int BPF_PROG(open_asked, struct file *file)
{
	if ((file->f_mode & FMODE_CREATED) && !is_excluded())
		report_file(number_of(file), CREATE, 0);
	return 0;
}

/* Linux 6.8: the last reference is gone, however it went. */
SEC("lsm/file_release")
int BPF_PROG(file_released, struct file *file)
{
	if ((file->f_mode & FMODE_WRITE) && (file->f_inode->i_mode & S_IFMT) == S_IFREG && !is_excluded())
		report_file(number_of(file), CLOSE, LAST);
	return 0;
}

SEC("lsm/mmap_file")
int BPF_PROG(mapping_asked, struct file *file, unsigned long asked, unsigned long protection, unsigned long flags)
{
	if (!file || !(protection & PROT_EXEC))
		return 0;
	/* The kernel itself maps the program that it starts. */
	struct task_struct *task = bpf_get_current_task_btf();
	if (BPF_CORE_READ_BITFIELD_PROBED(task, in_execve) || is_excluded())
		return 0;
	if ((file->f_inode->i_mode & S_IFMT) == S_IFREG)
		report_file(number_of(file), MAP, 0);
	return 0;
}

/* What this task was allowed to do to a path, until it is known whether it was done. */
struct pending {
	__u64 base, new_base, mount; /* folders, and the mount that they are on */
	__u32 operation, flags;
	char name[PATH_BYTES], new_name[NAME];
};
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, 1 /* BPF_F_NO_PREALLOC */);
	__type(key, int);
	__type(value, struct pending);
} pendings SEC(".maps");

static __always_inline struct pending *note(__u32 operation, const struct path *folder)
{
	if (is_excluded())
		return 0;
	struct pending *p = bpf_task_storage_get(&pendings, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!p) {
		count_drop(PATH);
		return 0;
	}
	p->operation = operation;
	p->flags = 0;
	p->base = number_of(folder->dentry);
	p->mount = number_of(folder->mnt);
	p->new_base = 0;
	p->name[0] = p->new_name[0] = 0;
	return p;
}

static __always_inline void note_name(char *to, struct dentry *dentry)
{
	bpf_probe_read_kernel_str(to, NAME, BPF_CORE_READ(dentry, d_name.name));
}

/* Reports what was noted if it was `operation` and was done. */
static __always_inline int report_noted(void *ctx, __u32 operation)
{
	__u64 result = 0;
	struct pending *p = bpf_task_storage_get(&pendings, bpf_get_current_task_btf(), 0, 0);
	if (!p || p->operation != operation)
		return 0;
	if (bpf_get_func_ret(ctx, &result) || (int)result)
		return 0;
	p->operation = 0;
	if (is_path_left_out(operation))
		return 0;
	struct scratch *s = take_scratch(PATH);
	if (!s)
		return 0;
	struct path_record *e = (void *)s->bytes;
	__u32 at = sizeof(*e), n;
	fill(&e->header, PATH, 0, bpf_get_current_task_btf());
	e->operation = operation;
	e->flags = p->flags;
	e->reserved = 0;
	n = operation == SYMLINK ? 0 : walked(&e->header, walk(s, p->base, p->mount, at), PATH_CUT);
	e->base_length = n;
	at += n;
	n = kept(bpf_probe_read_kernel_str(s->bytes + at, PATH_BYTES, p->name));
	e->name_length = n;
	at += n;
	e->new_base_length = e->new_name_length = 0;
	if (p->new_base) {
		n = walked(&e->header, walk(s, p->new_base, p->mount, at), PATH_CUT);
		e->new_base_length = n;
		at += n;
		n = kept(bpf_probe_read_kernel_str(s->bytes + at, NAME, p->new_name));
		e->new_name_length = n;
		at += n;
	}
	if (at <= sizeof(s->bytes)) {
		e->header.length = at;
		put(&bulk, e, at, PATH);
	}
	give_scratch(s);
	return 0;
}

SEC("lsm/path_unlink")
int BPF_PROG(unlink_asked, const struct path *folder, struct dentry *dentry)
{
	struct pending *p = note(UNLINK, folder);
	if (p)
		note_name(p->name, dentry);
	return 0;
}

SEC("lsm/path_rmdir")
int BPF_PROG(rmdir_asked, const struct path *folder, struct dentry *dentry)
{
	struct pending *p = note(UNLINK, folder);
	if (p) {
		p->flags = REMOVE_DIRECTORY;
		note_name(p->name, dentry);
	}
	return 0;
}

SEC("lsm/path_mknod")
int BPF_PROG(mknod_asked, const struct path *folder, struct dentry *dentry, unsigned short mode, unsigned int device)
{
	struct pending *p = note(MKNOD, folder);
	if (p) {
		p->flags = mode;
		note_name(p->name, dentry);
	}
	return 0;
}

SEC("lsm/path_rename")
int BPF_PROG(rename_asked, const struct path *folder, struct dentry *dentry, const struct path *new_folder,
	     struct dentry *new_dentry, unsigned int flags)
{
	struct pending *p = note(RENAME, folder);
	if (p) {
		p->new_base = number_of(new_folder->dentry);
		p->flags = flags;
		note_name(p->name, dentry);
		note_name(p->new_name, new_dentry);
	}
	return 0;
}

SEC("lsm/path_link")
int BPF_PROG(link_asked, struct dentry *old, const struct path *new_folder, struct dentry *new_dentry)
{
	struct pending *p = note(LINK, new_folder);
	if (p) {
		p->new_base = p->base;
		p->base = (__u64)BPF_CORE_READ(old, d_parent);
		note_name(p->name, old);
		note_name(p->new_name, new_dentry);
	}
	return 0;
}

SEC("lsm/path_symlink")
int BPF_PROG(symlink_asked, const struct path *folder, struct dentry *dentry, const char *target)
{
	struct pending *p = note(SYMLINK, folder);
	if (p) {
		p->new_base = p->base;
		bpf_probe_read_kernel_str(p->name, PATH_BYTES, target);
		note_name(p->new_name, dentry);
	}
	return 0;
}

SEC("fexit/vfs_unlink")
int unlink_done(unsigned long long *ctx) { return report_noted(ctx, UNLINK); }
SEC("fexit/vfs_rmdir")
int rmdir_done(unsigned long long *ctx) { return report_noted(ctx, UNLINK); }
SEC("fexit/vfs_mknod")
int mknod_done(unsigned long long *ctx) { return report_noted(ctx, MKNOD); }
SEC("fexit/vfs_rename")
int rename_done(unsigned long long *ctx) { return report_noted(ctx, RENAME); }
SEC("fexit/vfs_link")
int link_done(unsigned long long *ctx) { return report_noted(ctx, LINK); }
SEC("fexit/vfs_symlink")
int symlink_done(unsigned long long *ctx) { return report_noted(ctx, SYMLINK); }

/* -------------------------------------------------------------------------------------------- network */

static __always_inline int report_connected(struct socket *socket, void *address, long result)
{
	struct address to = {};
	struct sock *sk = BPF_CORE_READ(socket, sk);
	if (!sk || !is_attempt(result) || is_excluded())
		return 0;
	bpf_probe_read_kernel(&to, 8, address);
	if (to.family != AF_INET && to.family != AF_INET6)
		return 0;
	if (to.family == AF_INET6)
		bpf_probe_read_kernel(&to, sizeof(to), address);
	return report_connect(bpf_get_current_task_btf(), sk, &to, result);
}

SEC("fexit/inet_stream_connect")
int BPF_PROG(stream_connected, struct socket *socket, void *address, int length, int flags, int result)
{
	return report_connected(socket, address, result);
}

SEC("fexit/inet_dgram_connect")
int BPF_PROG(datagram_connected, struct socket *socket, void *address, int length, int flags, int result)
{
	return report_connected(socket, address, result);
}

SEC("fexit/inet_accept")
int connection_accepted(unsigned long long *ctx)
{
	__u64 result = 0;
	struct socket *socket = (void *)ctx[1];
	if (bpf_get_func_ret(ctx, &result) || (int)result || is_excluded())
		return 0;
	struct sock *sk = BPF_CORE_READ(socket, sk);
	if (!sk)
		return 0;
	struct net_record *e = reserve_net(ACCEPT, bpf_get_current_task_btf(), sk);
	if (e)
		bpf_ringbuf_submit(e, WAKE_IDLE_READER);
	return 0;
}
