"""Keeps what Python has freed from staying with the C library. mallopt(3), malloc_trim(3); glibc only."""

import ctypes
from functools import cache
from typing import Any, Final

_ARENA_MAX: Final = -8
_MMAP_THRESHOLD: Final = -3
ARENAS: Final = 2
"""Each thread would else get free memory of its own, eight times as many as there are processors."""
LARGE: Final = 256 << 10
"""Bytes from which on a piece goes back to the system when it is freed."""


@cache
def _library() -> Any:
    return ctypes.CDLL(None)


def hold_less() -> None:
    """Set the C library up, before threads are started."""
    set_option = getattr(_library(), "mallopt", None)
    if set_option is not None:
        set_option(_ARENA_MAX, ARENAS)
        set_option(_MMAP_THRESHOLD, LARGE)


def give_back() -> None:
    """Give back what is free."""
    trim = getattr(_library(), "malloc_trim", None)
    if trim is not None:
        trim(0)
