"""What kind of content a file has, from its first bytes: a small table of signatures, then text or data."""

from functools import cache
from importlib import resources
from typing import Literal, NamedTuple

HEAD = 512
"""Bytes of a file that are looked at."""
_EXECUTABLE, _SHARED, _INTERPRETER = 2, 3, 3
_ELF_KINDS = {1: "object", 2: "executable", 3: "shared object", 4: "core file"}
_TEXT = bytes({7, 8, 9, 10, 12, 13, 27, *range(32, 256)} - {127})


class _Signature(NamedTuple):
    offset: int
    magic: bytes
    name: str


@cache
def _signatures() -> tuple[dict[int, list[_Signature]], list[_Signature]]:
    """Those at the beginning by their first byte, and the others."""
    table = resources.files(__package__).joinpath("content.tsv").read_text(encoding="ascii")
    rows = (line.split("\t") for line in table.splitlines() if line and not line.startswith("#"))
    all_of_them = [_Signature(int(offset), bytes.fromhex(magic), name) for offset, magic, name in rows]
    first: dict[int, list[_Signature]] = {}
    for signature in all_of_them:
        if signature.offset == 0:
            first.setdefault(signature.magic[0], []).append(signature)
    return first, [signature for signature in all_of_them if signature.offset]


def content_kind(head: bytes) -> str:
    """Give the kind of content that begins with `head`: `ELF executable`, `script /bin/sh`, `text`, `empty` ..."""
    if not head:
        return "empty"
    if head.startswith(b"\x7fELF") and len(head) >= 64:
        return _elf_kind(head)
    if head.startswith(b"#!"):
        words = head[2:].split(b"\n", 1)[0].split()
        program = words[0][:100].decode("ascii", "replace") if words else ""
        return f"script text {program}".rstrip()
    at_beginning, further = _signatures()
    for signature in [*at_beginning.get(head[0], []), *further]:
        if head.startswith(signature.magic, signature.offset):
            return signature.name
    return "text" if _is_text(head) else "data"


def _elf_kind(head: bytes) -> str:
    order: Literal["little", "big"] = "big" if head[5] == 2 else "little"
    kind = int.from_bytes(head[16:18], order)
    wide = head[4] == 2
    at = int.from_bytes(head[32:40] if wide else head[28:32], order)
    size, count = (int.from_bytes(head[a : a + 2], order) for a in ((54, 56) if wide else (42, 44)))
    parts = {
        int.from_bytes(head[begin : begin + 4], order)
        for begin in range(at, min(at + size * count, HEAD), size or HEAD)
    }
    if kind == _SHARED and _INTERPRETER in parts:
        kind = _EXECUTABLE  # position independent
    return f"ELF {_ELF_KINDS.get(kind, 'file')}"


def _is_text(head: bytes) -> bool:
    if head.translate(None, _TEXT):
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character may be cut by the end of what was read.
        return error.start >= len(head) - 3 and len(head) == HEAD
    return True
