"""Logging: one line an event, `time level component message key=value ...`, on standard error."""

import logging
import sys

_FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)-7s {component} %(message)s"


def setup(component: str, *, level: str = "INFO") -> None:
    """Configure the process's root logger once, at the start of `component`."""
    import time

    formatter = logging.Formatter(_FORMAT.format(component=component), datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
