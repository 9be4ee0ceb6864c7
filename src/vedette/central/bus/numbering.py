"""Numbers of nodes, and those that segments have beyond their own node."""

import contextlib
import os
import secrets
from pathlib import Path

from vedette.runtime.clock import Clock
from vedette.runtime.errors import ConfigError
from vedette.runtime.files import fsync_directory, write_atomic
from vedette.store.state import State, nodes

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
        made = spool / f".identity.{secrets.token_hex(4)}"
        write_atomic(made, secrets.token_hex(16).encode())
        with contextlib.suppress(FileExistsError):  # another process of this node was first
            os.link(made, path)
        made.unlink()
        fsync_directory(spool)
    name = path.read_text(encoding="ascii", errors="replace").strip()
    if len(name) != 32:
        raise ConfigError(f"{path} is damaged: restore it, or empty {spool} and give this node a new number")
    return name


def register(state: State, spool: Path, node: int, clock: Clock) -> None:
    """Take the number of this node. Raises ConfigError when another has or had it, StoreError, OSError."""
    identity = spool_identity(spool)
    with state.write() as db:
        nodes.register(db, node, identity, now=clock())
