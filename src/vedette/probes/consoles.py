"""Where programs that edit lines read them: the function `readline` in bash and in the library of that name."""

import ctypes
import glob
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

FUNCTION = b"readline"
PLACES = (
    "/usr/bin/bash",
    "/bin/bash",
    "/usr/local/bin/bash",
    "/usr/lib*/libreadline.so.?",
    "/usr/lib/*/libreadline.so.?",
)
MOST = 32
"""Files that are followed at most: an upgrade brings another one, and running shells keep the old one."""


class UprobeOptions(ctypes.Structure):
    """`struct bpf_uprobe_opts` of libbpf 1.0."""

    _fields_ = (
        ("size", ctypes.c_size_t),
        ("reference_counter", ctypes.c_size_t),
        ("cookie", ctypes.c_uint64),
        ("at_return", ctypes.c_bool),
        ("function", ctypes.c_char_p),
    )

    @classmethod
    def at_return_of(cls, function: bytes) -> "UprobeOptions":
        """Options for the return of a function."""
        return cls(ctypes.sizeof(cls), 0, 0, True, function)  # noqa: FBT003 - positions of a C struct


class Consoles:
    """The files whose `readline` is followed. `follow` attaches to one file and says whether that was possible."""

    def __init__(self, follow: Callable[[Path], bool], places: Iterable[str] = PLACES) -> None:
        self._follow, self._places = follow, tuple(places)
        self._seen: dict[tuple[int, int], bool] = {}

    def look(self) -> bool:
        """Follow what is new; give whether any file is followed. To be called now and then."""
        for path in self._files():
            try:
                at = path.stat()
            except OSError:
                continue
            key = (at.st_dev, at.st_ino)
            if key not in self._seen and len(self._seen) < MOST:
                self._seen[key] = self._follow(path)
        return any(self._seen.values())

    def _files(self) -> Iterator[Path]:
        for place in self._places:
            yield from map(Path, sorted(glob.glob(os.fspath(place))))  # noqa: PTH207 - patterns begin at the root
