"""Numbers of tracepoints, and perf events on them, without mounting anything on the host."""

import ctypes
import os
import platform
import struct

from vedette.probes.mounts import detached, system_call
from vedette.runtime.errors import ProbeError

_PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}
MACHINES = frozenset(_PERF_EVENT_OPEN)
"""Machines that the probes are written for."""
_TYPE_TRACEPOINT, _PERF_FLAG_FD_CLOEXEC = 2, 8
_ATTRIBUTES_SIZE = 112  # perf_event_attr, version 5


class Tracefs:
    """A private view of tracefs; close it when the numbers are read."""

    def __init__(self) -> None:
        try:
            self._root = detached(b"tracefs")
        except OSError as error:
            raise ProbeError(f"tracefs cannot be opened: {error.strerror}") from error

    def close(self) -> None:
        """Give the view back."""
        os.close(self._root)

    def number(self, category: str, name: str) -> int:
        """The kernel's number of a tracepoint. Raises OSError when this kernel has no such tracepoint."""
        handle = os.open(f"events/{category}/{name}/id", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._root)
        try:
            return int(os.read(handle, 32))
        finally:
            os.close(handle)


def perf_event(number: int) -> int:
    """A descriptor to which a program for tracepoint `number` can be attached. Raises OSError."""
    attributes = bytearray(_ATTRIBUTES_SIZE)
    struct.pack_into("<IIQQ", attributes, 0, _TYPE_TRACEPOINT, _ATTRIBUTES_SIZE, number, 1)
    event = (ctypes.c_char * len(attributes)).from_buffer(attributes)
    call = _PERF_EVENT_OPEN[platform.machine()]
    # pid -1, cpu 0: a program on a tracepoint runs on every CPU whatever is said here.
    return system_call(call, event, -1, 0, -1, ctypes.c_ulong(_PERF_FLAG_FD_CLOEXEC))
