"""What agents and the Central Node say besides batches: JSON structs, every text and list bounded."""

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from vedette.runtime.errors import WireError
from vedette.schema.entities import Os
from vedette.schema.signed import PinnedKeys
from vedette.schema.tasks import SignedTask
from vedette.wire import limits
from vedette.wire.header import AgentId, Sequence, ShortText

Certificate = Annotated[str, Meta(max_length=limits.CERTIFICATE_CHARACTERS, description="PEM")]
Csr = Annotated[str, Meta(max_length=limits.CSR_CHARACTERS, description="PEM")]

T = TypeVar("T", bound=Struct)


class EnrolRequest(Struct, frozen=True, kw_only=True):
    """Asks for an identity; nothing in the request's subject is believed."""

    token: Annotated[str, Meta(max_length=limits.TOKEN_CHARACTERS)]
    csr: Csr
    hostname: ShortText
    os: Os = Os()


class EnrolReply(Struct, frozen=True, kw_only=True):
    """The identity that the Central Node chose."""

    agent: AgentId
    certificate: Certificate
    ca: Certificate
    settings_key: Annotated[str, Meta(max_length=limits.CERTIFICATE_CHARACTERS, description="Ed25519 public, PEM")]
    tenant: ShortText
    group: ShortText
    keys: PinnedKeys = {}
    """Of other purposes, to be pinned."""


class RenewRequest(Struct, frozen=True, kw_only=True):
    """Asks for a new certificate of the same identity; the old one authenticates the request."""

    csr: Csr


class RenewReply(Struct, frozen=True, kw_only=True):
    """The new certificate."""

    certificate: Certificate


class Receipt(Struct, frozen=True, kw_only=True):
    """What is now durable at the Central Node, and what it would like."""

    ranges: Annotated[list[tuple[Sequence, Sequence]], Meta(max_length=limits.RANGES)] = []
    """First and last sequence number of each durable range; never a high-water mark."""
    duplicate: bool = False
    """The batch was here already; for one that its sender never sent before that means that numbers came twice."""
    time: Annotated[int, Meta(ge=0, le=limits.INTEGER_MAXIMUM)] = 0
    """The Central Node's clock, microseconds UTC; 0 = not said."""
    settings_version: Annotated[int, Meta(ge=0)] = 0
    """Of the settings document for the agent's group; 0 = none."""
    rate: Annotated[int, Meta(ge=0)] = 0
    """Events a second that the agent may send; 0 = no limit."""
    tasks: Annotated[int, Meta(ge=0, le=limits.SEQUENCE_MAXIMUM)] = 0
    """Number of the newest task that waits for this host; 0 = none."""
    hints: Annotated[list[ShortText], Meta(max_length=limits.HINTS)] = []


class TaskList(Struct, frozen=True, kw_only=True):
    """The oldest tasks that wait for a host."""

    tasks: Annotated[list[SignedTask], Meta(max_length=limits.TASKS)] = []


class Problem(Struct, frozen=True, kw_only=True):
    """A refusal (RFC 9457)."""

    type: ShortText = "about:blank"
    title: ShortText = ""
    status: int = 0
    detail: Annotated[str, Meta(max_length=limits.CSR_CHARACTERS)] = ""


_encoder = msgspec.json.Encoder()
_decoders: dict[type[Struct], msgspec.json.Decoder[Struct]] = {
    kind: msgspec.json.Decoder(kind)
    for kind in (EnrolRequest, EnrolReply, RenewRequest, RenewReply, Receipt, TaskList, Problem)
}


def encode_message(message: Struct) -> bytes:
    """Give a message as JSON."""
    return _encoder.encode(message)


def decode_message(kind: type[T], data: bytes, *, limit: int = limits.MESSAGE_BYTES) -> T:
    """Give the message in `data`. Raises WireError."""
    if len(data) > limit:
        raise WireError(f"{kind.__name__}: {len(data)} bytes, allowed are {limit}")
    decoder = _decoders.get(kind)
    try:
        message = msgspec.json.decode(data, type=kind) if decoder is None else decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise WireError(f"{kind.__name__}: {error}") from error
    return message  # type: ignore[return-value] # the decoder is that of `kind`
