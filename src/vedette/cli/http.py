"""httpx without its own command line, which imports rich and pygments where they are installed: 0.2 s a call."""

import sys

sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

import httpx  # noqa: E402

__all__ = ["httpx"]
