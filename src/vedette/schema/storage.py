"""How columns are sent and stored: which event types carry them, which are indexed, which recur.

A process's full facts are sent with its start and stop; other events carry what identifies it, what rules read
and what an analyst needs in a row. Measured: the environment in every event would cost more than all the rest.
"""

_LIFE = ("process_start", "process_stop")
_DETAIL = (*_LIFE, "process_block", "file_block")
_PARENT = (*_DETAIL, "os_log", "epp_detect", "amsi_scan", "script_run", "process_access")

ONLY_IN: dict[str, tuple[str, ...]] = {
    "process.args": ("process_start",),
    "process.args_truncated": ("process_start",),
    "process.env": ("process_start",),
    "process.working_directory": ("process_start",),
    "process.start_time": _LIFE,
    "process.end_time": _LIFE,
    "process.exit_code": _LIFE,
    "process.exit_signal": _LIFE,
    "process.parent.command_line": _PARENT,
    "process.parent.file.name": _PARENT,
    "process.parent.file.directory": _PARENT,
    "process.parent.file.md5": _PARENT,
    "process.parent.file.sha256": _PARENT,
}
"""Column -> the only event types that carry it."""

_VERSION_RESOURCE = ("original_name", "company", "product", "description", "version", "imphash")
_INODE = ("created", "modified", "owner", "group", "mode", "inherited_privileges", "type", "hash_status")
ONLY_IN |= {f"process.file.{leaf}": _DETAIL for leaf in (*_VERSION_RESOURCE, *_INODE)}

BLOOM = frozenset(
    {
        "process.entity_id",
        "process.parent.entity_id",
        "process.file.md5",
        "process.file.sha256",
        "file.md5",
        "file.sha256",
        "socket.remote_ip",
        "dns.query",
    }
)
"""Columns that are looked up by equality over all of history."""

NGRAM = frozenset({"process.command_line", "file.path"})
"""Columns that are searched by substring over all of history."""

LOW_PREFIXES = ("process.file.", "process.parent.file.", "target.file.", "user.")
"""Files of processes and accounts recur, so their columns are dictionaries even where the type alone says text."""
