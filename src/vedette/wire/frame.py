"""A batch as bytes: `VDT1 | u32 header length | msgpack header | zstd body`.

The header is in clear so that the receiver can check identity and sequence numbers without unpacking the body.
"""

import struct

import msgspec

from vedette.runtime.errors import WireError
from vedette.wire import limits
from vedette.wire.header import BatchHeader

_PREFIX = struct.Struct("<4sI")
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(BatchHeader)


def frame(header: BatchHeader, payload: bytes) -> bytes:
    """Put `header` before `payload` (what `Builder.encode` gave). Raises WireError beyond the limits."""
    head = _encoder.encode(header)
    if len(head) > limits.HEADER_BYTES:
        raise WireError(f"header: {len(head)} bytes, allowed are {limits.HEADER_BYTES}")
    if len(payload) > limits.BODY_BYTES:
        raise WireError(f"body: {len(payload)} bytes, allowed are {limits.BODY_BYTES}")
    return _PREFIX.pack(limits.MAGIC, len(head)) + head + payload


def read_header(data: bytes) -> BatchHeader:
    """Give the header of a frame; the body is not looked at. Raises WireError."""
    return split(data)[0]


def split(data: bytes) -> tuple[BatchHeader, memoryview]:
    """Give header and body of a frame, with the header checked. Raises WireError."""
    if len(data) > limits.FRAME_BYTES:
        raise WireError(f"frame: {len(data)} bytes, allowed are {limits.FRAME_BYTES}")
    if len(data) < _PREFIX.size:
        raise WireError(f"frame: {len(data)} bytes are too few")
    magic, length = _PREFIX.unpack_from(data)
    if magic != limits.MAGIC:
        raise WireError(f"frame: begins with {magic.hex()}, expected {limits.MAGIC.hex()}")
    end = _PREFIX.size + length
    if length > limits.HEADER_BYTES or end > len(data):
        raise WireError(f"header: length {length} does not fit (frame {len(data)})")
    view = memoryview(data)
    if len(data) - end > limits.BODY_BYTES:
        raise WireError(f"body: {len(data) - end} bytes, allowed are {limits.BODY_BYTES}")
    return _parse(view[_PREFIX.size : end]), view[end:]


def _parse(head: memoryview) -> BatchHeader:
    try:
        header = _decoder.decode(head)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise WireError(f"header: {error}") from error
    if header.last - header.first + 1 != header.count:
        raise WireError(f"header: count {header.count} is not the length of {header.first}..{header.last}")
    return header
