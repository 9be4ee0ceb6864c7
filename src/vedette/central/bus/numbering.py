"""Numbers that segments have beyond their own node, and whose numbers they are."""

import secrets
from pathlib import Path

from vedette.runtime.errors import ConfigError
from vedette.runtime.files import write_atomic

OF_A_NODE = 10**12
"""Segments that a node can number; a spool's file names have twelve digits."""


def number_of(node: int, segment: Path) -> int:
    """Give the number of a spool's segment among those of all nodes; node 0, which has no bus, keeps its own."""
    return node * OF_A_NODE + int(segment.stem)


def spool_identity(spool: Path) -> str:
    """Give the random name of a spool, made at its first use: a number belongs to a spool, not to a machine.

    Raises ConfigError when the file is damaged, OSError when it cannot be written.
    """
    path = spool / "identity"
    if not path.exists():
        spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(path, secrets.token_hex(16).encode())
    name = path.read_text(encoding="ascii", errors="replace").strip()
    if len(name) != 32:
        raise ConfigError(f"{path} is damaged: restore it, or empty {spool} and give this node a new number")
    return name
