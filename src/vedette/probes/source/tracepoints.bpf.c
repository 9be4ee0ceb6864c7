// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Tracepoint mode: no trampolines, so it also loads where BPF LSM, fentry and kprobes are refused.
 * The programs of system calls are attached by the loader, each to several tracepoints.
 */
#include "probe.h"
#include "sockets.bpf.h"
#include "texts.bpf.h"

#define FMODE_WRITE 0x2
#define PROT_EXEC 0x4
#define S_IFMT 0170000
#define S_IFREG 0100000
#define S_IFSOCK 0140000
#define SIGNAL_GROUP_EXIT 0x4
#define AT_FDCWD -100
#define TCP_LISTEN 10
#define PTRACE_ATTACH 16
#define PTRACE_SEIZE 0x4206
#define MODE_ATTACH 2
#define EPERM 1
#define ENETUNREACH 101
#define ETIMEDOUT 110
#define ECONNREFUSED 111
#define EHOSTUNREACH 113
#define EINPROGRESS 115

/* ------------------------------------------------------------------------------------------ processes */

/* Number of the PID namespace that a process is in (nsproxy has the one of its children). */
static __always_inline __u32 pid_namespace_of(struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	__u64 at = (__u64)BPF_CORE_READ(pid, level) * bpf_core_type_size(struct upid);
	struct upid *own = (void *)pid + bpf_core_field_offset(struct pid, numbers) + at;
	return BPF_CORE_READ(own, ns, ns.inum);
}

/* The arguments and the environment lie side by side on the new stack: `size` bytes at `from`. */
static __always_inline int report_exec(struct task_struct *task, struct linux_binprm *bprm, unsigned long from,
				       unsigned long size)
{
	struct scratch *s = take_scratch(EXEC);
	if (!s)
		return 0;
	struct exec_record *e = (void *)s->bytes;
	struct file *file = bprm->file;
	struct fs_struct *fs = task->fs;
	__u32 at = sizeof(*e), n;

	fill(&e->header, EXEC, 0, task);
	fill_inode(s, &e->inode, file->f_inode);
	if (bprm->interp != bprm->filename)
		e->header.flags |= INTERPRETED;
	if (BPF_CORE_READ_BITFIELD_PROBED(bprm, secureexec))
		e->header.flags |= SECURE;
	e->arguments = bprm->argc;
	e->variables = bprm->envc;
	bpf_core_read(&e->capabilities, sizeof(e->capabilities), &task->cred->cap_effective);
	e->cgroup = bpf_get_current_cgroup_id();
	e->pid_namespace = pid_namespace_of(task);
	e->network_namespace = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
	e->reserved = 0;
	__builtin_memset(e->tty, 0, sizeof(e->tty));
	struct tty_struct *tty = task->signal->tty;
	if (tty)
		bpf_core_read_str(e->tty, sizeof(e->tty), &tty->name);

	n = walked(&e->header, walk(s, (__u64)BPF_CORE_READ(file, f_path.dentry), (__u64)BPF_CORE_READ(file, f_path.mnt), at), PATH_CUT);
	e->path_length = n;
	at += n;
	n = walked(&e->header, walk(s, (__u64)BPF_CORE_READ(fs, pwd.dentry), (__u64)BPF_CORE_READ(fs, pwd.mnt), at), DIRECTORY_CUT);
	e->directory_length = n;
	at += n;
	long got = bpf_probe_read_kernel_str(s->bytes + at, PATH_BYTES, bprm->filename);
	n = kept(got);
	e->name_length = n;
	at += n;

	n = size;
	e->strings_length = n;
	if (n > STRINGS - 1) {
		n = STRINGS - 1;
		e->header.flags |= STRINGS_CUT;
	}
	if (bpf_probe_read_user(s->bytes + at, n, (void *)from))
		n = 0;
	e->strings_kept = n;
	at += n;
	if (at <= sizeof(s->bytes)) {
		e->header.length = at;
		put(&control, e, at, EXEC);
	}
	give_scratch(s);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_exec, struct task_struct *task, pid_t old, struct linux_binprm *bprm)
{
	struct mm_struct *mm = task->mm;
	unsigned long from = mm->arg_start, to = mm->env_end;
	return report_exec(task, bprm, from, to > from ? to - from : 0);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *child)
{
	if (child->pid != child->tgid)
		return 0;
	struct header *h = bpf_ringbuf_reserve(&control, sizeof(*h), 0);
	if (!h) {
		count_drop(FORK);
		return 0;
	}
	fill(h, FORK, sizeof(*h), child);
	bpf_ringbuf_submit(h, WAKE_IDLE_READER);
	return 0;
}

static __always_inline bool is_last(struct file *file)
{
	struct file___refs *refs = (void *)file;
	struct file___counted *counted = (void *)file;
	if (bpf_core_field_exists(refs->f_ref))
		return BPF_CORE_READ(refs, f_ref.refcnt.counter) == 0;
	return BPF_CORE_READ(counted, f_count.counter) == 1;
}

/* One record about an open file. A global function: verified once for all its callers. */
__noinline int report_file(__u64 address, __u32 kind, __u32 flags)
{
	struct file *file = (void *)(unsigned long)address;
	if (kind != DRIVER && is_left_out(file, kind, flags))
		return 0;
	struct scratch *s = take_scratch(kind);
	if (!s)
		return 0;
	struct file_record *e = (void *)s->bytes;
	fill(&e->header, kind, 0, bpf_get_current_task_btf());
	e->header.flags = flags;
	fill_inode(s, &e->inode, BPF_CORE_READ(file, f_inode));
	int n = walk(s, (__u64)BPF_CORE_READ(file, f_path.dentry), (__u64)BPF_CORE_READ(file, f_path.mnt),
		     sizeof(*e));
	e->path_length = walked(&e->header, n, PATH_CUT);
	e->reserved = 0;
	__u32 length = sizeof(*e) + e->path_length;
	e->header.length = length;
	if (length <= sizeof(*e) + PATH_BYTES) {
		if (kind == DRIVER)
			put(&control, e, length, kind);
		else
			put(&bulk, e, length, kind);
	}
	give_scratch(s);
	return 0;
}

/*
 * A regular file open for writing is being closed by this task. Others may hold it open (a child that inherited
 * it, a mapping): then it is only a hint, worth a record when a program closes it on purpose.
 */
__noinline int report_close(__u64 address, bool on_purpose)
{
	struct file *file = (void *)(unsigned long)address;
	if (!(BPF_CORE_READ(file, f_mode) & FMODE_WRITE))
		return 0;
	if ((BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFREG || is_excluded())
		return 0;
	bool last = is_last(file);
	if (last || on_purpose)
		report_file(address, CLOSE, last ? LAST : 0);
	return 0;
}

/* Files that a program leaves open are closed by its end, without a system call. The first 64 descriptors. */
static __always_inline void close_all(struct task_struct *task)
{
	struct files_struct *files = task->files;
	if (!files || files->count.counter != 1)
		return;
	struct fdtable *table = files->fdt;
	unsigned long open = 0;
	bpf_probe_read_kernel(&open, sizeof(open), table->open_fds);
	for (int fd = 0; fd < 64 && open >> fd; fd++) {
		if (!(open >> fd & 1))
			continue;
		struct file *file = file_of(task, fd);
		if (file)
			report_close((__u64)file, false);
	}
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(files_left, struct task_struct *task)
{
	if (task->signal->live.counter == 0)
		close_all(task);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exit, struct task_struct *task)
{
	struct signal_struct *signal = task->signal;
	if (signal->live.counter != 0)
		return 0;
	struct exit_record *e = bpf_ringbuf_reserve(&control, sizeof(*e), 0);
	if (!e) {
		count_drop(EXIT);
		return 0;
	}
	fill(&e->header, EXIT, sizeof(*e), task);
	e->status = signal->flags & SIGNAL_GROUP_EXIT ? signal->group_exit_code : task->group_leader->exit_code;
	e->reserved = 0;
	bpf_ringbuf_submit(e, WAKE_IDLE_READER);
	return 0;
}

/* ---------------------------------------------------------------------------------------------- files */

/* exit of open, openat, openat2, creat */
SEC("tracepoint")
int file_opened(struct trace_event_raw_sys_exit *call)
{
	if (call->ret < 0)
		return 0;
	struct file *file = file_of(bpf_get_current_task_btf(), call->ret);
	if (!file || !(BPF_CORE_READ(file, f_mode) & FMODE_CREATED) || is_excluded())
		return 0;
	report_file((__u64)file, CREATE, 0);
	return 0;
}

/* entry of close */
SEC("tracepoint")
int file_closed(struct trace_event_raw_sys_enter *call)
{
	struct file *file = file_of(bpf_get_current_task_btf(), call->args[0]);
	if (file)
		report_close((__u64)file, true);
	return 0;
}

/* entry of dup2, dup3: the second descriptor is closed if it is open (redirections of a shell) */
SEC("tracepoint")
int file_replaced(struct trace_event_raw_sys_enter *call)
{
	if (call->args[0] == call->args[1])
		return 0;
	struct file *file = file_of(bpf_get_current_task_btf(), call->args[1]);
	if (file)
		report_close((__u64)file, false);
	return 0;
}

/* exit of mmap */
SEC("tracepoint")
int file_mapped(struct trace_event_raw_sys_exit *call)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (void *)bpf_task_pt_regs(task);
	unsigned long arguments[8] = ARGUMENTS(regs);
	if (!(arguments[3] & PROT_EXEC) || (unsigned long)call->ret > -4096UL)
		return 0;
	struct file *file = file_of(task, arguments[5]);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFREG || is_excluded())
		return 0;
	report_file((__u64)file, MAP, 0);
	return 0;
}

/* exit of memfd_create */
SEC("tracepoint")
int memory_file_made(struct trace_event_raw_sys_exit *call)
{
	struct file *file = call->ret < 0 ? 0 : file_of(bpf_get_current_task_btf(), call->ret);
	if (file && !is_excluded())
		report_file((__u64)file, MEMFD, 0);
	return 0;
}

/* exit of finit_module */
SEC("tracepoint")
int module_loaded(struct trace_event_raw_sys_exit *call)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (void *)bpf_task_pt_regs(task);
	unsigned long arguments[8] = ARGUMENTS(regs);
	struct file *file = call->ret == 0 ? file_of(task, arguments[1]) : 0;
	if (file)
		report_file((__u64)file, DRIVER, 0);
	return 0;
}

/* exit of fchmod, fchown */
SEC("tracepoint")
int file_changed(struct trace_event_raw_sys_exit *call)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (void *)bpf_task_pt_regs(task);
	unsigned long arguments[8] = ARGUMENTS(regs);
	if (call->ret != 0)
		return 0;
	struct file *file = file_of(task, arguments[1]);
	if (!file || is_excluded())
		return 0;
	report_file((__u64)file, ATTRIBUTES, 0);
	return 0;
}

/* Which argument of a system call (1 = first, 0 = it has none) is what; indexed by its number. */
struct rule {
	__u8 operation, directory, name, new_directory, new_name, flags, reserved[2];
};
#define CALLS 512
const volatile struct rule rules[CALLS] = {};

/* Adds the folder that `name` (read into the record by the caller) is relative to. */
static __always_inline __u32 put_base(struct scratch *s, __u32 at, char first, int fd, bool has_fd)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct header *h = (void *)s->bytes;
	struct fs_struct *fs = task->fs;
	__u64 dentry, mount;
	if (first == '/') { /* empty but in a chroot */
		dentry = (__u64)BPF_CORE_READ(fs, root.dentry);
		mount = (__u64)BPF_CORE_READ(fs, root.mnt);
	} else if (!has_fd || fd == AT_FDCWD) {
		dentry = (__u64)BPF_CORE_READ(fs, pwd.dentry);
		mount = (__u64)BPF_CORE_READ(fs, pwd.mnt);
	} else {
		struct file *file = file_of(task, fd);
		if (!file)
			return 0;
		dentry = (__u64)BPF_CORE_READ(file, f_path.dentry);
		mount = (__u64)BPF_CORE_READ(file, f_path.mnt);
	}
	return walked(h, walk(s, dentry, mount, at), PATH_CUT);
}

static __always_inline __u32 put_name(struct scratch *s, __u32 at, const char *name)
{
	if (at > sizeof(s->bytes) - PATH_BYTES)
		return 0;
	long n = bpf_probe_read_user_str(s->bytes + at, PATH_BYTES, name);
	return kept(n);
}

/*
 * exit of unlink, rename, link, chmod ... with their *at forms. At the exit only what succeeded is reported and
 * the names, which the kernel has just read, are in memory. Names are followed by their folders.
 */
SEC("tracepoint")
int path_changed(struct trace_event_raw_sys_exit *call)
{
	__u32 id = call->id; /* the kernel fills only the lower half */
	if (call->ret != 0 || id >= CALLS)
		return 0;
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (void *)bpf_task_pt_regs(task);
	unsigned long arguments[8] = ARGUMENTS(regs);
	__u32 operation = rules[id].operation, directory = rules[id].directory & 7, name = rules[id].name & 7;
	__u32 new_directory = rules[id].new_directory & 7, new_name = rules[id].new_name & 7;
	if (!operation || is_excluded() || is_path_left_out(operation))
		return 0;
	struct scratch *s = take_scratch(PATH);
	if (!s)
		return 0;
	struct path_record *e = (void *)s->bytes;
	__u32 at = sizeof(*e), n;
	char first = 0;
	fill(&e->header, PATH, 0, task);
	e->operation = operation;
	e->flags = arguments[rules[id].flags & 7];
	e->reserved = 0;

	bpf_probe_read_user(&first, 1, (void *)arguments[name]);
	n = operation == SYMLINK ? 0 : put_base(s, at, first, arguments[directory], directory);
	e->base_length = n;
	at += n;
	n = put_name(s, at, (void *)arguments[name]);
	e->name_length = n;
	at += n;
	e->new_base_length = e->new_name_length = 0;
	if (new_name) {
		bpf_probe_read_user(&first, 1, (void *)arguments[new_name]);
		n = put_base(s, at, first, arguments[new_directory], new_directory);
		e->new_base_length = n;
		at += n;
		n = put_name(s, at, (void *)arguments[new_name]);
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

/* -------------------------------------------------------------------------------------------- network */

struct address {
	__u16 family;
	__be16 port;
	union {
		__be32 v4;
		struct { __be32 flow; __u8 v6[16]; };
	};
};

static __always_inline void fill_socket(struct net_record *e, struct sock *sk)
{
	__builtin_memset(e->local, 0, sizeof(e->local) + sizeof(e->remote));
	e->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	e->protocol = BPF_CORE_READ(sk, sk_protocol);
	e->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	e->remote_port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
	e->result = 0;
	e->reserved = 0;
	if (e->family == AF_INET) {
		bpf_core_read(e->local, 4, &sk->__sk_common.skc_rcv_saddr);
		bpf_core_read(e->remote, 4, &sk->__sk_common.skc_daddr);
	} else {
		bpf_core_read(e->local, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_core_read(e->remote, 16, &sk->__sk_common.skc_v6_daddr);
	}
}

static __always_inline struct sock *socket_of(struct task_struct *task, int fd)
{
	struct file *file = file_of(task, fd);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	struct socket *socket = BPF_CORE_READ(file, private_data);
	struct sock *sk = BPF_CORE_READ(socket, sk);
	if (!sk)
		return 0;
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	return family == AF_INET || family == AF_INET6 ? sk : 0;
}

static __always_inline struct net_record *reserve_net(__u32 kind, struct task_struct *task, struct sock *sk)
{
	struct net_record *e = bpf_ringbuf_reserve(&control, sizeof(*e), 0);
	if (!e) {
		count_drop(kind);
		return 0;
	}
	fill(&e->header, kind, sizeof(*e), task);
	fill_socket(e, sk);
	return e;
}

static __always_inline bool is_attempt(long result)
{
	return !result || result == -EINPROGRESS || result == -ECONNREFUSED || result == -ETIMEDOUT ||
	       result == -ENETUNREACH || result == -EHOSTUNREACH || result == -EPERM;
}

static __always_inline int report_connect(struct task_struct *task, struct sock *sk, struct address *to, long result)
{
	if (BPF_CORE_READ(sk, sk_type) == SOCK_DGRAM) {
		if (!to->port) /* a resolver asks the kernel which source address it would use */
			return 0;
		__u32 v4[4] = { to->v4 };
		if (!is_news(task, to->family == AF_INET6 ? (void *)to->v6 : v4, __builtin_bswap16(to->port)))
			return 0;
	}
	struct net_record *e = reserve_net(CONNECT, task, sk);
	if (!e)
		return 0;
	/* What was asked for: a socket that failed has forgotten it. */
	e->remote_port = __builtin_bswap16(to->port);
	__builtin_memset(e->remote, 0, sizeof(e->remote));
	if (to->family == AF_INET6) {
		__builtin_memcpy(e->remote, to->v6, 16);
	} else if (e->family == AF_INET6) { /* a dual-stack socket: the address is shown mapped */
		e->remote[10] = e->remote[11] = 0xff;
		__builtin_memcpy(e->remote + 12, &to->v4, 4);
	} else {
		__builtin_memcpy(e->remote, &to->v4, 4);
	}
	e->result = result;
	bpf_ringbuf_submit(e, WAKE_IDLE_READER);
	return 0;
}

/* exit of connect: here the local port is known, and the result */
SEC("tracepoint")
int socket_connected(struct trace_event_raw_sys_exit *call)
{
	long result = call->ret;
	if (!is_attempt(result))
		return 0;
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (void *)bpf_task_pt_regs(task);
	unsigned long arguments[8] = ARGUMENTS(regs);
	struct sock *sk = socket_of(task, arguments[1]);
	struct address to = {};
	if (!sk || is_excluded() || bpf_probe_read_user(&to, 8, (void *)arguments[2]))
		return 0;
	if (to.family != AF_INET && to.family != AF_INET6)
		return 0;
	if (to.family == AF_INET6)
		bpf_probe_read_user(&to, sizeof(to), (void *)arguments[2]);
	return report_connect(task, sk, &to, result);
}

/* exit of accept, accept4 */
SEC("tracepoint")
int socket_accepted(struct trace_event_raw_sys_exit *call)
{
	if (call->ret < 0)
		return 0;
	struct task_struct *task = bpf_get_current_task_btf();
	struct sock *sk = socket_of(task, call->ret);
	if (!sk || is_excluded())
		return 0;
	struct net_record *e = reserve_net(ACCEPT, task, sk);
	if (e)
		bpf_ringbuf_submit(e, WAKE_IDLE_READER);
	return 0;
}

/* exit of bind: a datagram socket listens from here on */
SEC("tracepoint")
int socket_bound(struct trace_event_raw_sys_exit *call)
{
	if (call->ret != 0)
		return 0;
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (void *)bpf_task_pt_regs(task);
	unsigned long arguments[8] = ARGUMENTS(regs);
	struct sock *sk = socket_of(task, arguments[1]);
	if (!sk || BPF_CORE_READ(sk, sk_type) != SOCK_DGRAM || is_excluded())
		return 0;
	struct net_record *e = reserve_net(LISTEN, task, sk);
	if (e)
		bpf_ringbuf_submit(e, WAKE_IDLE_READER);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(socket_state, struct sock *sk, int before, int after)
{
	if (after != TCP_LISTEN || is_excluded())
		return 0;
	struct net_record *e = reserve_net(LISTEN, bpf_get_current_task_btf(), sk);
	if (e)
		bpf_ringbuf_submit(e, WAKE_IDLE_READER);
	return 0;
}

/* --------------------------------------------------------------------------------- hold of other processes */

static __always_inline int report_access(__u32 target, __u64 start, __u32 mode)
{
	struct access_record *e = bpf_ringbuf_reserve(&control, sizeof(*e), 0);
	if (!e) {
		count_drop(ACCESS);
		return 0;
	}
	fill(&e->header, ACCESS, sizeof(*e), bpf_get_current_task_btf());
	e->target = target;
	e->target_start = start;
	e->mode = mode;
	bpf_ringbuf_submit(e, WAKE_IDLE_READER);
	return 0;
}

/* exit of ptrace */
SEC("tracepoint")
int process_traced(struct trace_event_raw_sys_exit *call)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (void *)bpf_task_pt_regs(task);
	unsigned long arguments[8] = ARGUMENTS(regs);
	if (call->ret != 0 || (arguments[1] != PTRACE_ATTACH && arguments[1] != PTRACE_SEIZE) || is_excluded())
		return 0;
	return report_access(arguments[2], 0, MODE_ATTACH);
}

#include "io_uring.bpf.h"
