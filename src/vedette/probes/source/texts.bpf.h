/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Records that are a number and a text: lines typed at a console, BPF programs, modules from memory. */
#pragma once
#include "peers.bpf.h"

#define LINE_BYTES 4096
#define PROGRAM_NAME 16
#define MODULE_NAME 56
#define LOAD_PROGRAM 5 /* BPF_PROG_LOAD */

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
