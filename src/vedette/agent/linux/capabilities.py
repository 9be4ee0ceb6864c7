"""Names of Linux capabilities, by their bit (include/uapi/linux/capability.h)."""

from functools import lru_cache

_NAMES = (
    "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service "
    "net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct "
    "sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap "
    "mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore"
).split()


@lru_cache(maxsize=1024)
def capability_names(mask: int) -> str:
    """Give the capabilities of `mask`, comma-separated: `cap_kill,cap_setuid`; empty = none."""
    names = [f"cap_{name}" for bit, name in enumerate(_NAMES) if mask >> bit & 1]
    names += [f"cap_{bit}" for bit in range(len(_NAMES), 64) if mask >> bit & 1]
    return ",".join(names)
