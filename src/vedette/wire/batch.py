"""A batch of events on the wire; the names that the other packages use.

`VDT1 | u32 header length | msgpack(BatchHeader) | zstd(msgpack(types))`, where types is
`{event type: {"n": rows, "columns": {column: [values, indices]}}}`.

`values` is a list of distinct values, or raw little-endian i8 for integers that are mostly distinct.
`indices` is one index a row: u1 for up to 256 values, else little-endian u2; empty when row i has value i.
"""

from vedette.wire.builder import Builder
from vedette.wire.columns import Column
from vedette.wire.decode import RawBatch, RawColumns, decode
from vedette.wire.expand import rows
from vedette.wire.frame import frame, read_header
from vedette.wire.header import BatchHeader

__all__ = ["BatchHeader", "Builder", "Column", "RawBatch", "RawColumns", "decode", "frame", "read_header", "rows"]
