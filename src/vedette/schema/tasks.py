"""What the Central Node orders of one host, and how a task ends.

An order is signed with the deployment's task key. It names one host and an end of its life, and its id is used once:
an order that is copied, kept or sent to another host does nothing.
"""

from typing import Annotated, Final

from msgspec import Meta, Raw, Struct

from vedette.schema.fields import Micros
from vedette.schema.signed import Signed

TaskId = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
HostId = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
Version = Annotated[str, Meta(pattern=r"^(0|[1-9][0-9]{0,8})(\.(0|[1-9][0-9]{0,8})){1,3}$")]
"""Two to four numbers; also the name of a directory, so nothing else."""
Platform = Annotated[str, Meta(pattern="^[a-z0-9]+-[a-z0-9_]+$", description="linux-x86_64")]
PythonMinor = Annotated[str, Meta(pattern=r"^3\.[0-9]{1,2}$")]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="SHA-256")]

UPGRADE: Final = "upgrade"
CANCEL: Final = "cancel"

FINAL_STATES: Final = frozenset({"done", "failed", "expired", "cancelled", "rolled_back"})
"""A task in one of these never changes again."""


class TaskOrder(Struct, frozen=True, kw_only=True):
    """One task for one host."""

    id: TaskId
    """Random; also the nonce: a host takes an id once."""
    type: Annotated[str, Meta(max_length=64)]
    tenant: Annotated[str, Meta(max_length=1024)]
    host: HostId
    issued: Micros
    expires: Micros
    """A host that gets it later does not begin."""
    parameters: Raw
    """JSON, as the type of the task has it."""


class SignedTask(Signed, frozen=True, kw_only=True):
    """`body` is a TaskOrder as JSON."""


class Archive(Struct, frozen=True, kw_only=True):
    """A release for one platform: which one, and the digest and size of its archive."""

    platform: Platform
    python: PythonMinor
    sha256: Digest
    size: Annotated[int, Meta(ge=1, le=1 << 30)]


class UpgradeOrder(Struct, frozen=True, kw_only=True):
    """Parameters of `upgrade`: become this version of the agent."""

    version: Version
    archives: Annotated[list[Archive], Meta(min_length=1, max_length=16)]
    minutes: Annotated[int, Meta(ge=1, le=1440)] = 10
    """The new version must confirm itself within so many minutes of a start."""
    starts: Annotated[int, Meta(ge=1, le=20)] = 3
    """It may end so often before it has."""
    allow_older: bool = False
    """An older version than the one that runs is refused unless the operator said so."""


class CancelOrder(Struct, frozen=True, kw_only=True):
    """Parameters of `cancel`: stop this task if it can still be stopped."""

    task: TaskId
