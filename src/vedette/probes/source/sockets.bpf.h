/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Programs on the root of the unified control groups: they see the sockets of all network namespaces, in both
 * modes, whatever system call was used. All allow (return 1): they only look.
 */
#pragma once
#include "peers.bpf.h"

#define ALLOW 1
#define TCP 6
#define UDP 17
#define IP4_HEADER 20
#define IP6_HEADER 40
#define UDP_HEADER 8
#define TCP_HEADER 20
#define DNS_PORT 53
#define DNS_BYTES 4096
#define IS_ANSWER 0x80 /* third byte of a DNS message */

static __always_inline struct net_record *reserve_end(__u32 kind, __u16 family, struct bpf_sock *sk)
{
	struct net_record *e = bpf_ringbuf_reserve(&control, sizeof(*e), 0);
	if (!e) {
		count_drop(kind);
		return 0;
	}
	fill(&e->header, kind, sizeof(*e), bpf_get_current_task_btf());
	__builtin_memset(e->local, 0, sizeof(e->local) + sizeof(e->remote));
	e->family = family;
	e->protocol = sk->protocol;
	e->local_port = sk->src_port;
	e->remote_port = 0;
	e->result = 0;
	e->reserved = 0;
	return e;
}

/* A TCP socket that asks resolvers is remembered, with who made it: its packets may leave in anybody's time. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64); /* cookie of the socket */
	__type(value, struct header);
} askers SEC(".maps");

static __always_inline int note_asker(struct bpf_sock_addr *to)
{
	struct header asker;
	if (to->user_port != __builtin_bswap16(DNS_PORT) || to->protocol != TCP || is_excluded())
		return ALLOW;
	__u64 cookie = bpf_get_socket_cookie(to);
	fill(&asker, DNS, 0, bpf_get_current_task_btf());
	bpf_map_update_elem(&askers, &cookie, &asker, 0);
	return ALLOW;
}
SEC("cgroup/connect4")
int resolver4_connected(struct bpf_sock_addr *to) { return note_asker(to); }
SEC("cgroup/connect6")
int resolver6_connected(struct bpf_sock_addr *to) { return note_asker(to); }

/* ------------------------------------------------------------------------------------------ datagrams */

/* A datagram with an address of its own; those of connected sockets were told with connect. */
SEC("cgroup/sendmsg4")
int datagram4_sent(struct bpf_sock_addr *to)
{
	__u32 address[4] = { to->user_ip4 };
	__u16 port = __builtin_bswap16(to->user_port);
	struct bpf_sock *sk = to->sk;
	if (!sk || is_excluded() || !is_news(bpf_get_current_task_btf(), address, port))
		return ALLOW;
	struct net_record *e = reserve_end(CONNECT, AF_INET, sk);
	if (!e)
		return ALLOW;
	__u32 from = to->msg_src_ip4;
	__builtin_memcpy(e->local, &from, sizeof(from));
	__builtin_memcpy(e->remote, address, sizeof(address));
	e->remote_port = port;
	bpf_ringbuf_submit(e, WAKE_IDLE_READER);
	return ALLOW;
}

SEC("cgroup/sendmsg6")
int datagram6_sent(struct bpf_sock_addr *to)
{
	__u32 address[4] = { to->user_ip6[0], to->user_ip6[1], to->user_ip6[2], to->user_ip6[3] };
	__u16 port = __builtin_bswap16(to->user_port);
	struct bpf_sock *sk = to->sk;
	if (!sk || is_excluded() || !is_news(bpf_get_current_task_btf(), address, port))
		return ALLOW;
	struct net_record *e = reserve_end(CONNECT, AF_INET6, sk);
	if (!e)
		return ALLOW;
	__u32 from[4] = { to->msg_src_ip6[0], to->msg_src_ip6[1], to->msg_src_ip6[2], to->msg_src_ip6[3] };
	__builtin_memcpy(e->local, from, sizeof(from));
	__builtin_memcpy(e->remote, address, sizeof(address));
	e->remote_port = port;
	bpf_ringbuf_submit(e, WAKE_IDLE_READER);
	return ALLOW;
}

/* A datagram socket listens from here on; a port that the kernel chose for a sender is none of this. */
SEC("cgroup/post_bind4")
int datagram4_bound(struct bpf_sock *sk)
{
	if (sk->type != SOCK_DGRAM || is_excluded())
		return ALLOW;
	struct net_record *e = reserve_end(LISTEN, AF_INET, sk);
	if (!e)
		return ALLOW;
	__u32 address = sk->src_ip4;
	__builtin_memcpy(e->local, &address, sizeof(address));
	bpf_ringbuf_submit(e, WAKE_IDLE_READER);
	return ALLOW;
}

SEC("cgroup/post_bind6")
int datagram6_bound(struct bpf_sock *sk)
{
	if (sk->type != SOCK_DGRAM || is_excluded())
		return ALLOW;
	struct net_record *e = reserve_end(LISTEN, AF_INET6, sk);
	if (!e)
		return ALLOW;
	__u32 address[4] = { sk->src_ip6[0], sk->src_ip6[1], sk->src_ip6[2], sk->src_ip6[3] };
	__builtin_memcpy(e->local, address, sizeof(address));
	bpf_ringbuf_submit(e, WAKE_IDLE_READER);
	return ALLOW;
}

/* ------------------------------------------------------------------------------------------------ DNS */

/* Where the parts of a packet are, in bytes from its begin. */
struct place { __u32 transport; __u8 protocol, version; };

/* Runs for every packet of the host: finds out as cheaply as can be that it is not for a resolver. */
static __always_inline bool is_dns(struct __sk_buff *skb, struct place *p, bool answer)
{
	__u8 *data = (__u8 *)(long)skb->data, *end = (__u8 *)(long)skb->data_end;
	if (data + IP4_HEADER > end)
		return false;
	p->version = data[0] >> 4;
	p->protocol = data[9];
	p->transport = (data[0] & 15) * 4;
	if (p->version == 6) {
		p->protocol = data[6];
		p->transport = IP6_HEADER;
	}
	if (p->protocol != UDP && p->protocol != TCP)
		return false;
	__u8 *ports = data + p->transport;
	if (ports + 4 > end)
		return false;
	__u16 port = answer ? *(__u16 *)ports : *(__u16 *)(ports + 2);
	return port == __builtin_bswap16(DNS_PORT);
}

static __always_inline void fill_ends(struct dns_record *e, struct __sk_buff *skb, struct place *p, bool answer)
{
	__be16 ports[2] = {};
	void *from = answer ? e->remote : e->local, *to = answer ? e->local : e->remote;
	__builtin_memset(e->local, 0, sizeof(e->local) + sizeof(e->remote));
	if (p->version == 6) {
		e->family = AF_INET6;
		bpf_skb_load_bytes(skb, 8, from, 16);
		bpf_skb_load_bytes(skb, 24, to, 16);
	} else {
		e->family = AF_INET;
		bpf_skb_load_bytes(skb, 12, from, 4);
		bpf_skb_load_bytes(skb, 16, to, 4);
	}
	bpf_skb_load_bytes(skb, p->transport, ports, sizeof(ports));
	e->local_port = __builtin_bswap16(ports[answer ? 1 : 0]);
	e->remote_port = __builtin_bswap16(ports[answer ? 0 : 1]);
}

/* Where the message begins: 0 = there is none. */
static __always_inline __u32 find_message(struct __sk_buff *skb, struct place *p, bool answer)
{
	__u8 byte = 0;
	if (p->protocol == TCP) {
		if (bpf_skb_load_bytes(skb, p->transport + 12, &byte, 1))
			return 0;
		return p->transport + (byte >> 4) * 4;
	}
	/* Of a resolver on this host, only the half of those who ask it is told. */
	if (bpf_skb_load_bytes(skb, p->transport + UDP_HEADER + 2, &byte, 1) || !(byte & IS_ANSWER) == answer)
		return 0;
	return p->transport + UDP_HEADER;
}

static __always_inline int report_dns(struct __sk_buff *skb, struct place *p, bool answer)
{
	__u32 begin = find_message(skb, p, answer), length = skb->len;
	if (!begin || begin >= length)
		return ALLOW;
	length -= begin;
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct task_struct *task = bpf_get_current_task_btf();
	struct header *asker = bpf_map_lookup_elem(&askers, &cookie);
	/* Only who asked can be answered: else a stranger could fill the ring. */
	if (!asker && (answer || p->protocol == TCP))
		return ALLOW;
	if (!answer && p->protocol == UDP && is_excluded_pid(task->tgid))
		return ALLOW;
	if (!is_allowed(PACKETS, PACKETS_A_SECOND, DNS))
		return ALLOW;
	struct scratch *s = take_scratch(DNS);
	if (!s)
		return ALLOW;
	struct dns_record *e = (void *)s->bytes;
	if (answer) {
		__builtin_memset(&e->header, 0, sizeof(e->header));
	} else if (asker && p->protocol == TCP) {
		__builtin_memcpy(&e->header, asker, sizeof(e->header));
	} else { /* a datagram leaves in the time of who sends it */
		fill(&e->header, DNS, 0, task);
		bpf_map_update_elem(&askers, &cookie, &e->header, 0);
	}
	e->header.kind = DNS;
	e->header.flags = answer ? ANSWER : 0;
	e->header.time = bpf_ktime_get_boot_ns();
	e->cookie = cookie;
	e->protocol = p->protocol;
	e->sequence = 0;
	e->length = length;
	fill_ends(e, skb, p, answer);
	if (p->protocol == TCP) {
		bpf_skb_load_bytes(skb, p->transport + 4, &e->sequence, sizeof(e->sequence));
		e->sequence = __builtin_bswap32(e->sequence);
	}
	__u32 n = (length > DNS_BYTES ? DNS_BYTES : length) - 1;
	barrier_var(n);
	n = (n & (DNS_BYTES - 1)) + 1; /* 6.1 does not follow that it is not 0 */
	if (!bpf_skb_load_bytes(skb, begin, e->data, n)) {
		e->header.length = sizeof(*e) + n;
		put(&bulk, e, sizeof(*e) + n, DNS);
	}
	give_scratch(s);
	return ALLOW;
}

SEC("cgroup_skb/egress")
int packet_left(struct __sk_buff *skb)
{
	struct place p;
	return is_dns(skb, &p, false) ? report_dns(skb, &p, false) : ALLOW;
}

SEC("cgroup_skb/ingress")
int packet_came(struct __sk_buff *skb)
{
	struct place p;
	return is_dns(skb, &p, true) ? report_dns(skb, &p, true) : ALLOW;
}
