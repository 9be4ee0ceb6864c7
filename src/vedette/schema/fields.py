"""The types that fields are made of: meaning, bounds and how they are stored, said once.

`Meta(extra=...)` carries what the store needs: `low` (few distinct values), `kind` (`time`, else by type),
`hidden` (stored, not searchable), `spread` (a map whose keys travel as columns of their own).
Lengths count characters; bytes are at most four times as many.
"""

from typing import Annotated

from msgspec import Meta

Micros = Annotated[
    int, Meta(ge=-(2**62), le=2**62, description="Microseconds since 1970-01-01 UTC", extra={"kind": "time"})
]
"""A moment."""

Word = Annotated[str, Meta(max_length=1024, extra={"low": True})]
"""Text of which a host sees few distinct values: names, kinds, versions."""
Text = Annotated[str, Meta(max_length=8192)]
"""Text with many distinct values: paths, addresses, ids."""
LongText = Annotated[str, Meta(max_length=65_536)]
"""Command lines, messages, scripts; what is longer is cut by the source, which says so."""
EntityId = Annotated[str, Meta(max_length=64)]
"""128 bits as lower-case hex."""
Md5 = Annotated[str, Meta(max_length=32)]
"""Lower-case hex."""
Sha256 = Annotated[str, Meta(max_length=64)]
"""Lower-case hex."""
TextList = Annotated[tuple[str, ...], Meta(max_length=4096)]
"""Ordered texts."""
WordMap = Annotated[dict[str, str], Meta(max_length=4096)]
"""Names to texts; travels and is stored as one value."""
SpreadMap = Annotated[dict[str, str], Meta(max_length=4096, extra={"spread": True})]
"""Names to texts whose names recur: each name travels as a column of its own."""

Pid = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Port = Annotated[int, Meta(ge=0, le=65_535)]
Small = Annotated[int, Meta(ge=0, le=255)]
Code = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
"""Exit codes, signals, response codes."""
Number = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Bytes = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""A size in bytes."""
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]


def doc(text: str) -> Meta:
    """Say what one field means, for the dictionary and the generated reference."""
    return Meta(description=text)


HIDDEN = Meta(extra={"hidden": True})
"""Stored and shown, but not a search field."""
