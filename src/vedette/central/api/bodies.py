"""What request bodies and pages have in common: nothing unknown is accepted, pages have a cursor."""

import base64
import binascii
from typing import Any, Generic, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict, field_validator

from vedette.central.api.problems import ProblemError

T = TypeVar("T")
_MOST = 2**62
"""Larger numbers fit into no database."""


class Body(BaseModel):
    """A request body: exact types, no unknown members."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @field_validator("*", mode="after")
    @classmethod
    def no_nul(cls, value: Any) -> Any:
        """Refuse texts that no database keeps."""
        if any("\0" in text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)):
            raise ValueError("a text cannot hold NUL")
        return value


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A part of a list. `cursor` asks for the next part; null = this was the last."""

    items: list[T]
    cursor: str | None = None


def to_cursor(*place: Any) -> str:
    """Write a place in a list as opaque text."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def from_cursor(text: str, *kinds: type[Any]) -> tuple[Any, ...]:
    """Read a place that `to_cursor` wrote. Raises ProblemError 400 when it is something else."""
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        place: tuple[Any, ...] = msgspec.json.decode(data, type=tuple[kinds])  # type: ignore[valid-type]
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise ProblemError("cursor", 400, "this cursor was not given by this list") from error
    if any(isinstance(part, int) and abs(part) > _MOST for part in place):
        raise ProblemError("cursor", 400, "this cursor was not given by this list")
    return place
