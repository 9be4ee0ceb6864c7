"""Every bound of the wire format, said once; sender and receiver both keep them."""

MIB = 1 << 20

MAGIC = b"VDT1"

# One frame.
HEADER_BYTES = 64 << 10
"""The msgpack header, in clear."""
BODY_BYTES = 4 * MIB
"""The zstd part."""
CONTENT_BYTES = 16 * MIB
"""The zstd part once unpacked; its size stands in the frame and is checked before it is unpacked."""
FRAME_BYTES = len(MAGIC) + 4 + HEADER_BYTES + BODY_BYTES

# One batch.
EVENTS = 10_000
TYPES = 64
COLUMNS = 4096
"""Columns of one event type: about 120 of the schema, the rest Windows data names."""
NAME_CHARACTERS = 256
"""Of an event type or a column."""
VALUES = 1_000_000
"""Distinct values of all columns of a batch together, and the items of those that are lists and maps."""
COLUMN_BYTES = 4 * MIB
"""The values of one column; unpacked they take at most about twenty times as much memory."""

# One value.
TEXT_CHARACTERS = 65_536
ITEMS = 4096
"""Entries of a list or a map."""
INTEGER_MINIMUM = -(2**63)
INTEGER_MAXIMUM = 2**63 - 1

# Header fields.
WORD_CHARACTERS = 1024
SEQUENCE_MAXIMUM = 2**62
REFUSALS = 32
"""Parts of the agent that its host refuses, told in a header."""
REASON_CHARACTERS = 256
COUNTERS = 256
"""Entries of `drops` and `throttled`."""

# Messages.
MESSAGE_BYTES = 64 << 10
"""Any JSON message but the settings document and the receipt."""
CSR_CHARACTERS = 8192
CERTIFICATE_CHARACTERS = 16_384
TOKEN_CHARACTERS = 256
SETTINGS_BYTES = 1 * MIB
RECEIPT_BYTES = 1 * MIB
RANGES = 10_000
"""Ranges of one receipt."""
HINTS = 64
TASKS = 16
"""Tasks handed over at once."""
TASKS_BYTES = 1 * MIB

# An object in Storage.
OBJECT_BYTES = 1024 * MIB

# A release of the agent.
ARCHIVE_BYTES = 256 * MIB
"""The compressed archive."""
RELEASE_BYTES = 1024 * MIB
"""All its files."""
RELEASE_FILES = 20_000
MANIFEST_BYTES = 4 * MIB
PATH_CHARACTERS = 255
"""Of a file in a release: what a ustar header holds."""
PIECE_BYTES = 256 << 10
"""Of an archive, in one answer."""
