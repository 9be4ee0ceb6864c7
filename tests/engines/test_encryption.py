"""Objects whose content a password hides are told from those that can be seen."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.engines.encryption import is_encrypted

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        made.writestr("name", "content")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "hidden"),
    [
        (archive(), False),
        (b"PK\x03\x04\x14\x00\x01\x00" + b"\0" * 60, True),
        (b"PK\x03\x04", False),
        (OLE + b"\0" * 100, False),
        (OLE + "EncryptedPackage".encode("utf-16-le"), True),
        (b"%PDF-1.7\n" + b"x" * 9000, False),
        (b"%PDF-1.7\n" + b"x" * 9000 + b"trailer << /Encrypt 5 0 R >>", True),
        (b"Rar!\x1a\x07\x01\x00" + b"\1\2\3\4\x21\x04", True),
        (b"Rar!\x1a\x07\x01\x00" + b"\1\2\3\4\x21\x01", False),
        (b"", False),
    ],
)
def test_protected_containers_are_told(data: bytes, hidden: bool) -> None:  # noqa: FBT001 - a case
    assert is_encrypted(data) is hidden


@given(st.binary(max_size=64), st.sampled_from([b"", b"PK\x03\x04", OLE, b"%PDF-", b"Rar!\x1a\x07\x01\x00"]))
def test_any_bytes_have_an_answer(data: bytes, head: bytes) -> None:
    assert is_encrypted(head + data) in (True, False)
