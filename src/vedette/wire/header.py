"""The header of a batch: who sends, which sequence numbers, and how the agent fares."""

from typing import Annotated

from msgspec import Meta, Struct

from vedette.schema.entities import Host, Os
from vedette.schema.fields import Micros
from vedette.wire import limits

AgentId = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
Epoch = Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
Sequence = Annotated[int, Meta(ge=0, le=limits.SEQUENCE_MAXIMUM)]
Tally = Annotated[int, Meta(ge=0, le=limits.SEQUENCE_MAXIMUM)]
ShortText = Annotated[str, Meta(max_length=limits.WORD_CHARACTERS)]
Counters = Annotated[
    dict[Annotated[str, Meta(max_length=limits.NAME_CHARACTERS)], Tally], Meta(max_length=limits.COUNTERS)
]

Reason = Annotated[str, Meta(max_length=limits.REASON_CHARACTERS)]
Refusals = Annotated[dict[Reason, Reason], Meta(max_length=limits.REFUSALS)]


class BatchHeader(Struct, frozen=True, kw_only=True):
    """Sent with each batch, made anew at each sending; a batch of no events is a sign of life.

    The batch holds the events `first`..`last` of the stream (agent, epoch), numbered from 1 without gaps.
    A sign of life has `count` 0 and `last` = `first` - 1, so `last` is what the agent has made so far.
    """

    agent: AgentId
    epoch: Epoch
    """Random, one for each buffer file."""
    first: Annotated[int, Meta(ge=1, le=limits.SEQUENCE_MAXIMUM)]
    last: Sequence
    count: Annotated[int, Meta(ge=0, le=limits.EVENTS)]
    sent: Micros
    """The agent's clock at sending."""
    spool_events: Tally = 0
    """Events that wait in the agent's buffer."""
    spool_oldest: Micros | None = None
    """Time of the oldest of them."""
    drops: Counters = {}
    """Event type -> events lost before the buffer since the epoch began (ring overflow and the like)."""
    throttled: Counters = {}
    """Event type/policy -> events left out on purpose since the epoch began, for example `file_change/budget.cpu`."""
    expired: Tally = 0
    """Events that left the buffer unsent (21 days or byte quota) since the epoch began."""
    aged: Counters = {}
    """Event type -> those of them that were too old ..."""
    overflowed: Counters = {}
    """... and those for which there was no room."""
    settings_version: Annotated[int, Meta(ge=0, le=limits.SEQUENCE_MAXIMUM)] = 0
    stopping: bool = False
    """The agent was told to stop: its silence from now on is no alarm."""
    mode: ShortText = ""
    """Which sources are in force, for example `kernel:tracepoint`."""
    refused: Refusals = {}
    """Modes and parts of modes that the host refuses, for example `kernel/lsm` -> why."""
    version: ShortText = ""
    """Of the agent."""
    host: Host = Host()
    os: Os = Os()
