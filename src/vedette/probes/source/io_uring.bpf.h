/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What programs let io_uring do for them: no system call tells it. A request is looked at when it is taken from the
 * ring, where its names are in memory, and reported when it is completed, if it was done. A request whose completion
 * will not be told (IOSQE_CQE_SKIP_SUCCESS) is reported at once. Not seen: files of the ring's own table (no descriptor),
 * a connection taken by a multishot accept, completions that overflow the ring.
 *
 * LSM mode sees all of it but, before Linux 6.12, closes: of this file it has only those.
 */
#pragma once

enum { /* enum io_uring_op of the user API */
	OP_ACCEPT = 13, OP_CONNECT = 16, OP_OPENAT = 18, OP_CLOSE = 19, OP_OPENAT2 = 28,
	OP_RENAMEAT = 35, OP_UNLINKAT = 36, OP_SYMLINKAT = 38, OP_LINKAT = 39,
};
#define CQE_SKIP 64 /* bit of io_kiocb.flags */

static __always_inline void report_request_of_close(struct io_kiocb *request)
{
	struct io_close *close = (void *)request;
	if (BPF_CORE_READ(close, file_slot))
		return;
	struct file *file = file_of(bpf_get_current_task_btf(), BPF_CORE_READ(close, fd));
	if (file)
		report_close((__u64)file, true);
}

#ifndef LSM_MODE

#define ASKED_BYTES 2048 /* of a record that waits; a longer one is reported at once */
struct asked_path { char record[ASKED_BYTES]; } __attribute__((aligned(8)));
/* Requests under way. Programs may leave any number without an end: the oldest go. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 512);
	__type(key, __u64); /* address of the request */
	__type(value, struct asked_path);
} asked_paths SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct address);
} asked_peers SEC(".maps");

struct names { int directory, new_directory; struct filename *name, *new_name; };

static __always_inline __u32 put_known_name(struct scratch *s, __u32 at, struct filename *name)
{
	if (at > sizeof(s->bytes) - PATH_BYTES)
		return 0;
	return kept(bpf_probe_read_kernel_str(s->bytes + at, PATH_BYTES, BPF_CORE_READ(name, name)));
}

static __always_inline __u32 put_base_of(struct scratch *s, __u32 at, struct filename *name, int directory)
{
	char first = 0;
	bpf_probe_read_kernel(&first, 1, BPF_CORE_READ(name, name));
	return put_base(s, at, first, directory, true);
}

/* A global function: verified once for the operations. */
__noinline int note_path(__u64 address, __u32 operation, __u32 flags, struct names *names)
{
	struct io_kiocb *request = (void *)(unsigned long)address;
	if (!names || is_excluded() || is_path_left_out(operation))
		return 0;
	struct scratch *s = take_scratch(PATH);
	if (!s)
		return 0;
	struct path_record *e = (void *)s->bytes;
	__u32 at = sizeof(*e), n;
	fill(&e->header, PATH, 0, bpf_get_current_task_btf());
	e->operation = operation;
	e->flags = flags;
	e->reserved = 0;
	n = operation == SYMLINK ? 0 : put_base_of(s, at, names->name, names->directory);
	e->base_length = n;
	at += n;
	n = put_known_name(s, at, names->name);
	e->name_length = n;
	at += n;
	e->new_base_length = e->new_name_length = 0;
	if (names->new_name) {
		n = put_base_of(s, at, names->new_name, names->new_directory);
		e->new_base_length = n;
		at += n;
		n = put_known_name(s, at, names->new_name);
		e->new_name_length = n;
		at += n;
	}
	e->header.length = at;
	if (at > ASKED_BYTES || (BPF_CORE_READ(request, flags) & CQE_SKIP)) {
		if (at <= sizeof(s->bytes))
			put(&bulk, e, at, PATH);
	} else if (bpf_map_update_elem(&asked_paths, &address, s->bytes, BPF_ANY)) {
		bpf_map_delete_elem(&asked_paths, &address); /* what is there is of a request that was here before */
		count_drop(PATH);
	}
	give_scratch(s);
	return 0;
}

static __always_inline void note_request(struct io_kiocb *request)
{
	__u64 key = number_of(request);
	struct names names = {};
	switch (request->opcode) {
	case OP_UNLINKAT: {
		struct io_unlink *of = (void *)request;
		names.directory = BPF_CORE_READ(of, dfd);
		names.name = BPF_CORE_READ(of, filename);
		note_path(key, UNLINK, BPF_CORE_READ(of, flags), &names);
		break;
	}
	case OP_RENAMEAT: {
		struct io_rename *of = (void *)request;
		names = (struct names){ BPF_CORE_READ(of, old_dfd), BPF_CORE_READ(of, new_dfd),
					BPF_CORE_READ(of, oldpath), BPF_CORE_READ(of, newpath) };
		note_path(key, RENAME, BPF_CORE_READ(of, flags), &names);
		break;
	}
	case OP_SYMLINKAT:
	case OP_LINKAT: {
		struct io_link *of = (void *)request;
		names = (struct names){ BPF_CORE_READ(of, old_dfd), BPF_CORE_READ(of, new_dfd),
					BPF_CORE_READ(of, oldpath), BPF_CORE_READ(of, newpath) };
		note_path(key, request->opcode == OP_LINKAT ? LINK : SYMLINK, BPF_CORE_READ(of, flags), &names);
		break;
	}
	case OP_CONNECT: {
		struct io_connect *of = (void *)request;
		struct address to = {};
		void *from = BPF_CORE_READ(of, addr);
		if (bpf_probe_read_user(&to, 8, from) || (to.family != AF_INET && to.family != AF_INET6))
			break;
		if (to.family == AF_INET6)
			bpf_probe_read_user(&to, sizeof(to), from);
		bpf_map_update_elem(&asked_peers, &key, &to, BPF_ANY);
		break;
	}
	case OP_CLOSE:
		report_request_of_close(request);
	}
}

static __always_inline struct sock *socket_asked(struct io_kiocb *request)
{
	struct socket *socket = BPF_CORE_READ(request, file, private_data);
	return BPF_CORE_READ(socket, sk);
}

/* The second argument is the request in every kernel; those after it differ. */
SEC("tp_btf/io_uring_complete")
int request_done(unsigned long long *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct io_kiocb *request = (void *)ctx[1];
	__u64 key = (__u64)request;
	if (!request)
		return 0;
	__u8 opcode = BPF_CORE_READ(request, opcode);
	int result = BPF_CORE_READ(request, cqe.res);
	switch (opcode) {
	case OP_UNLINKAT:
	case OP_RENAMEAT:
	case OP_SYMLINKAT:
	case OP_LINKAT: {
		struct asked_path *asked = bpf_map_lookup_elem(&asked_paths, &key);
		if (!asked)
			return 0;
		__u32 length = ((struct header *)asked->record)->length;
		if (!result && length <= ASKED_BYTES)
			put(&bulk, asked, length, PATH);
		bpf_map_delete_elem(&asked_paths, &key);
		return 0;
	}
	case OP_OPENAT:
	case OP_OPENAT2: {
		struct file *file = result < 0 ? 0 : file_of(task, result);
		if (file && (BPF_CORE_READ(file, f_mode) & FMODE_CREATED) && !is_excluded())
			report_file((__u64)file, CREATE, 0);
		return 0;
	}
	case OP_CONNECT: {
		struct address *to = bpf_map_lookup_elem(&asked_peers, &key);
		if (!to)
			return 0;
		struct address peer = *to;
		bpf_map_delete_elem(&asked_peers, &key);
		struct sock *sk = socket_asked(request);
		if (sk && is_attempt(result) && !is_excluded())
			report_connect(task, sk, &peer, result);
		return 0;
	}
	case OP_ACCEPT: {
		struct sock *sk = result < 0 ? 0 : socket_of(task, result);
		struct net_record *e = sk && !is_excluded() ? reserve_net(ACCEPT, task, sk) : 0;
		if (e)
			bpf_ringbuf_submit(e, WAKE_IDLE_READER);
	}
	}
	return 0;
}

#else

static __always_inline void note_request(struct io_kiocb *request)
{
	if (request->opcode == OP_CLOSE)
		report_request_of_close(request);
}

#endif

SEC("tp_btf/io_uring_submit_req")
int BPF_PROG(request_taken, struct io_kiocb *request)
{
	note_request(request);
	return 0;
}

/* The same up to Linux 6.3. */
SEC("tp_btf/io_uring_submit_sqe")
int BPF_PROG(request_taken_earlier, struct io_kiocb *request)
{
	note_request(request);
	return 0;
}
