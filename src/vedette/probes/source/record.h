/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What the probes write into the rings. `vedette/probes/records.py` reads exactly this; keep them together. */
#pragma once

enum kind {
	EXEC = 1,    /* struct exec_record */
	EXIT,        /* struct exit_record */
	FORK,        /* struct header of the child */
	CONNECT,     /* struct net_record */
	ACCEPT,      /* struct net_record */
	LISTEN,      /* struct net_record */
	CREATE,      /* struct file_record */
	CLOSE,       /* struct file_record: a file that was open for writing */
	MAP,         /* struct file_record: mapped executable */
	ATTRIBUTES,  /* struct file_record: changed through its descriptor */
	PATH,        /* struct path_record */
	DRIVER,      /* struct file_record: a kernel module was loaded from it */
	ACCESS,      /* struct access_record */
	DNS,         /* struct dns_record */
	LINE,        /* struct text_record: read by a program that edits lines (shells) */
	MEMFD,       /* struct file_record: made in memory, with a name but in no folder */
	PROGRAM,     /* struct text_record: name of a BPF program that was loaded; sort = its type */
	MODULE,      /* struct text_record: name of a kernel module that was loaded from memory; number = bytes */
	KINDS = 32,
};

/* What a system call did to a path. */
enum operation { UNLINK = 1, RENAME, SYMLINK, LINK, MKNOD, CHANGE };

enum flag {
	INTERPRETED = 1,     /* exec: a script, run by the file of the process */
	SECURE = 2,          /* exec: raised rights (setuid, setgid, file capabilities) */
	PATH_CUT = 4,        /* the walk to the root was too long: the path lacks its beginning */
	DIRECTORY_CUT = 8,   /* same for the working directory */
	STRINGS_CUT = 16,    /* exec: arguments and environment are longer than what is kept */
	LAST = 32,           /* close: nobody else holds the open file */
	ANSWER = 64,         /* dns: from the resolver; the header then names no process */
};

/* Event types of which records may be left out when the agent costs too much. */
enum left_out { FILE_CREATE, FILE_CHANGE, MODULE_LOAD, LEFT_OUT = 8 };

struct header {
	__u16 kind, flags;
	__u32 length;            /* of the whole record */
	__u64 time;              /* ns since boot, suspend included */
	__u64 start;             /* of the process, same clock */
	__u32 pid, tid;
	__u32 uid, gid, euid, egid;
	__u32 login, session;    /* audit login uid and session, 0xffffffff = none */
	__u32 mount_namespace;
	__u32 parent;
	__u64 parent_start;
};
struct inode_facts {
	__u64 number, size, modified, changed; /* times in ns since 1970 */
	__u32 device, generation, mode, uid, gid, links, reserved[2];
};
/* Paths are names from leaf to root, each ended by NUL; user space turns them round. */
struct exec_record {
	struct header header;
	struct inode_facts inode;
	__u64 capabilities, cgroup;
	__u32 pid_namespace, network_namespace;
	__u32 arguments, variables;              /* how many */
	__u32 strings_kept, strings_length;      /* bytes: kept here, and in the process */
	__u16 path_length, directory_length, name_length, reserved;
	char tty[16];
	char data[]; /* path, working directory, name as invoked, arguments and environment */
};
struct exit_record {
	struct header header;
	__u32 status; /* as wait() gives it */
	__u32 reserved;
};
struct net_record {
	struct header header;
	__u16 family, protocol, local_port, remote_port;
	__u8 local[16], remote[16];
	__s32 result; /* of the system call: 0 or -errno */
	__u32 reserved;
};
struct file_record {
	struct header header;
	struct inode_facts inode;
	__u32 path_length;
	__u32 reserved;
	char data[]; /* path */
};
/* A packet to or from port 53; of TCP: a part of the stream. Local is this host. */
struct dns_record {
	struct header header;
	__u64 cookie; /* of the socket */
	__u16 family, protocol, local_port, remote_port;
	__u8 local[16], remote[16];
	__u32 sequence; /* TCP: number of the first byte */
	__u32 length;   /* of what was sent; the record may have less */
	char data[];
};
struct text_record {
	struct header header;
	__u64 number;
	__u32 sort;
	__u32 length;
	char data[];
};
/* A process took hold of another one (ptrace, its memory). */
struct access_record {
	struct header header;
	__u64 target_start; /* 0 = not known */
	__u32 target, mode; /* mode: PTRACE_MODE_*: 1 read, 2 attach */
};
struct path_record {
	struct header header;
	__u16 operation;
	__u16 base_length, name_length;           /* the path, or the old path, or the target of a symbolic link */
	__u16 new_base_length, new_name_length;   /* the new path */
	__u16 reserved;
	__u32 flags;                              /* argument of the system call */
	char data[]; /* base, name, new base, new name; bases are walked, names are as given */
};
