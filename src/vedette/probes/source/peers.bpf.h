/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* How often datagrams to one place, packets and lines are told: a storm of them must not fill the rings. */
#pragma once
#include "probe.h"

#define WINDOW (60 * SECOND)

/* Whom a process sent datagrams to, and when that was told last. */
struct peer {
	__u64 start;
	__u32 pid;
	__u16 port, reserved;
	__u8 address[16];
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct peer);
	__type(value, __u64);
} peers SEC(".maps");

enum sort { DATAGRAMS, PACKETS, LINES, SORTS };
#define DATAGRAMS_A_SECOND 500 /* on each CPU */
#define PACKETS_A_SECOND 2000
#define LINES_A_SECOND 100
/* [sort]: how many were told in this second. */
struct allowance { __u64 second, used; };
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SORTS);
	__type(key, __u32);
	__type(value, struct allowance);
} allowances SEC(".maps");

static __always_inline bool is_allowed(__u32 sort, __u32 most, __u32 kind)
{
	struct allowance *a = bpf_map_lookup_elem(&allowances, &sort);
	__u64 second = bpf_ktime_get_boot_ns() / SECOND;
	if (!a)
		return false;
	if (a->second != second) {
		a->second = second;
		a->used = 0;
	}
	if (a->used >= most) {
		count_drop(kind);
		return false;
	}
	a->used += 1;
	return true;
}

/* Whether a datagram to this place is to be told: once in a while for each process. `address`: 16 bytes. */
static __always_inline bool is_news(struct task_struct *task, const void *address, __u16 port)
{
	struct peer key = { .start = task->group_leader->start_boottime, .pid = task->tgid, .port = port };
	__builtin_memcpy(key.address, address, sizeof(key.address));
	__u64 now = bpf_ktime_get_boot_ns();
	__u64 *at = bpf_map_lookup_elem(&peers, &key);
	if (at && now - *at < WINDOW)
		return false;
	if (!is_allowed(DATAGRAMS, DATAGRAMS_A_SECOND, CONNECT))
		return false;
	bpf_map_update_elem(&peers, &key, &now, 0);
	return true;
}
