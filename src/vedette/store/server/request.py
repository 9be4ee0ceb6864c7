"""One HTTP request of the ClickHouse interface as a value. Pure."""

import base64
import binascii
import gzip
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import parse_qsl

import msgspec
import zstandard

from vedette.runtime.errors import AccessDenied
from vedette.store.server import allowed

BODY_LIMIT = 128 * 2**20
"""Bytes of a request's body, also after decompression; a segment is at most about 60 MiB as Arrow."""

# The statement of an insert stands before its data, on one line; column lists stay far below this.
_HEAD = re.compile(rb"\s*INSERT\s+INTO\s[^\n]{1,65536}?\sFORMAT\s+(\w+)[ \t]*\r?\n", re.IGNORECASE)


class Request(msgspec.Struct, frozen=True):
    """What the caller asks: a statement, its parameters and settings, and an insert's data."""

    statement: str
    parameters: Mapping[str, str]
    settings: Mapping[str, str]
    format: str
    query_id: str
    database: str
    data: bytes


def password(headers: Mapping[str, str], query: str) -> str:
    """Find the password in a request: header, basic authentication or parameter; "" if none."""
    key = headers.get("x-clickhouse-key")
    if key is not None:
        return key
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return dict(parse_qsl(query)).get("password", "")


def read(query: str, body: bytes, *, encoding: str = "", content_type: str = "") -> Request:
    """Read address parameters and body. Raises AccessDenied (a setting that is not accepted), ValueError (form)."""
    given = parse_qsl(query, keep_blank_values=True)
    body = decompress(body, encoding)
    if content_type.startswith("multipart/form-data"):
        given, body = given + list(_form(body, content_type)), b""
    fields = dict(given)
    statement = fields.get("query", "")
    head = _HEAD.match(body) if not statement else None
    data = b""
    if head is not None and head[1].upper() != b"VALUES":
        statement, data = head[0].decode(), body[head.end() :]
    elif statement and _takes_data(statement):
        data = body
    else:
        statement = "\n".join(part for part in (statement, body.decode()) if part)
    return Request(
        statement=statement,
        parameters={name[6:]: value for name, value in given if name.startswith("param_")},
        settings=_settings(given),
        format=fields.get("default_format", "TabSeparated"),
        query_id=fields.get("query_id", ""),
        database=fields.get("database", ""),
        data=data,
    )


def _form(body: bytes, content_type: str) -> Iterator[tuple[str, str]]:
    """Fields of a multipart form, as urllib3 writes it for long parameters. Raises ValueError."""
    boundary = re.search(r'boundary="?([^";]+)', content_type)
    if boundary is None:
        raise ValueError("the form has no boundary")
    for part in body.split(b"--" + boundary[1].encode())[1:-1]:
        head, _, value = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]*)"', head)
        if name is None or b"filename=" in head:
            raise ValueError("the form has a part that is no plain field")
        yield name[1].decode(), value.removesuffix(b"\r\n").decode()


def _takes_data(statement: str) -> bool:
    return bool(re.match(r"(?is)\s*INSERT\s+INTO\s.*\sFORMAT\s+(?!VALUES\b)\w+\s*;?\s*$", statement))


def _settings(given: Iterable[tuple[str, str]]) -> dict[str, str]:
    settings = {}
    for name, value in given:
        if name.startswith("param_") or name in allowed.TRANSPORT_PARAMETERS:
            continue
        if name not in allowed.QUERY_SETTINGS:
            raise AccessDenied(f"the setting {name[:60]!r} is not accepted")
        settings[name] = value
    return settings


def decompress(body: bytes, encoding: str) -> bytes:
    """Undo a Content-Encoding, never beyond BODY_LIMIT. Raises ValueError."""
    if encoding in {"", "identity"}:
        return body
    source = io.BytesIO(body)
    if encoding == "zstd":
        plain = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True).read(BODY_LIMIT + 1)
    elif encoding == "gzip":
        plain = gzip.GzipFile(fileobj=source).read(BODY_LIMIT + 1)
    elif encoding == "lz4":
        import lz4.frame  # type: ignore[import-untyped] # ships no types

        plain = lz4.frame.LZ4FrameFile(source).read(BODY_LIMIT + 1)
    else:
        raise ValueError(f"the content encoding {encoding[:20]!r} is not known")
    if len(plain) > BODY_LIMIT:
        raise ValueError(f"the body is larger than {BODY_LIMIT} bytes when decompressed")
    return bytes(plain)
