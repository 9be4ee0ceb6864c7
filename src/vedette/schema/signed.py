"""What is signed, and with the key of which purpose."""

from typing import Annotated, Final

from msgspec import Meta, Struct

TASKS: Final = "tasks"
"""The key that signs task orders."""
UPDATES: Final = "updates"
"""The key that signs the manifests of releases."""

PublicPem = Annotated[str, Meta(max_length=16_384, description="Ed25519 public, PEM")]
PinnedKeys = Annotated[dict[Annotated[str, Meta(max_length=64)], PublicPem], Meta(max_length=16)]
"""Purpose -> key. Agents pin them beside the one for settings; a purpose that they do not know is passed over."""


class Signed(Struct, frozen=True, kw_only=True):
    """`signature` is Ed25519 over `body` by `key_id` (hex SHA-256 of the key's DER)."""

    body: bytes
    signature: bytes
    key_id: str
