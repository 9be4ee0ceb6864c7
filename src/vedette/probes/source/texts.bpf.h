/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Records that are a number and a text: lines typed at a console, BPF programs, modules from memory. */
#pragma once
#include "peers.bpf.h"

#define LINE_BYTES 4096
#define PROGRAM_NAME 16
#define MODULE_NAME 56
#define LOAD_PROGRAM 5 /* BPF_PROG_LOAD */
#define NAME_AT 48     /* of prog_name in union bpf_attr */
#if defined(__TARGET_ARCH_x86)
#define SYSTEM_CALL(regs) ((int)(regs)->orig_ax)
#define INIT_MODULE 175
#else
#define SYSTEM_CALL(regs) ((regs)->syscallno)
#define INIT_MODULE 105
#endif

/* Puts a record in the ring whose text of `n` bytes, the final NUL included, is in it already. */
static __always_inline void put_text(struct scratch *s, __u32 kind, __u64 number, __u32 sort, long n)
{
	struct text_record *e = (void *)s->bytes;
	fill(&e->header, kind, 0, bpf_get_current_task_btf());
	e->number = number;
	e->sort = sort;
	__u32 length = n;
	barrier_var(length);
	if (length > LINE_BYTES)
		return;
	e->length = length;
	e->header.length = sizeof(*e) + length;
	put(&control, e, sizeof(*e) + length, kind);
}

/* return of readline(): the line that was typed */
SEC("uretprobe")
int line_read(struct pt_regs *regs)
{
	const char *line = (const char *)PT_REGS_RC(regs);
	if (!line || is_excluded() || !is_allowed(LINES, LINES_A_SECOND, LINE))
		return 0;
	struct scratch *s = take_scratch(LINE);
	if (!s)
		return 0;
	struct text_record *e = (void *)s->bytes;
	long n = bpf_probe_read_user_str(e->data, LINE_BYTES, line);
	if (n > 1)
		put_text(s, LINE, 0, 0, n);
	give_scratch(s);
	return 0;
}

/* exit of bpf: a program was loaded; its name and type are in the attributes */
SEC("tracepoint")
int program_loaded(struct trace_event_raw_sys_exit *call)
{
	if (call->ret < 0)
		return 0;
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	unsigned long arguments[8] = ARGUMENTS(regs);
	if ((__u32)arguments[1] != LOAD_PROGRAM || is_excluded())
		return 0;
	struct scratch *s = take_scratch(PROGRAM);
	if (!s)
		return 0;
	struct text_record *e = (void *)s->bytes;
	struct { __u32 type, instructions; } head = {};
	const char *attributes = (void *)arguments[2];
	long n = 0;
	bpf_probe_read_user(&head, sizeof(head), attributes);
	/* Older callers give attributes that end before the name. */
	if ((__u32)arguments[3] >= NAME_AT + PROGRAM_NAME)
		n = bpf_probe_read_user_str(e->data, PROGRAM_NAME, attributes + NAME_AT);
	put_text(s, PROGRAM, head.instructions, head.type, n < 0 ? 0 : n);
	give_scratch(s);
	return 0;
}

/* A module was loaded; those from a file are told by the system call that names the file. */
SEC("tp_btf/module_load")
int BPF_PROG(module_arrived, struct module *module)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	unsigned long arguments[8] = ARGUMENTS(regs);
	if (SYSTEM_CALL(regs) != INIT_MODULE)
		return 0;
	struct scratch *s = take_scratch(MODULE);
	if (!s)
		return 0;
	struct text_record *e = (void *)s->bytes;
	long n = bpf_core_read_str(e->data, MODULE_NAME, &module->name);
	put_text(s, MODULE, arguments[2], 0, n < 0 ? 0 : n);
	give_scratch(s);
	return 0;
}
