"""Secrets in scripts and typed lines: the value of `NAME=value`, `name: "value"`, `--name value` for secret names."""

import re
from collections.abc import Callable

REDACTED = "<redacted>"
_VALUE = r"""(?:"[^"\n]{0,4096}"?|'[^'\n]{0,4096}'?|[^\s"';|&),]+)"""
_ASSIGNED = re.compile(
    rf"""(?P<name>\b[A-Za-z_][\w.-]{{0,63}})["'\])]{{0,2}}[ \t]{{0,4}}(?:=>|:=|=|:)[ \t]{{0,4}}(?P<value>{_VALUE})"""
    rf"""|(?<![\w-])--?(?P<option>[A-Za-z][\w-]{{0,63}})[ \t]{{1,4}}(?P<of_option>{_VALUE})"""
)


def redacted(text: str, is_secret: Callable[[str], bool]) -> str:
    """Give `text` without the values of what `is_secret` says of its name (lower case, `_` for dashes)."""
    parts: list[str] = []
    at = begin = 0
    while (found := _ASSIGNED.search(text, begin)) is not None:
        which = "value" if found["name"] else "of_option"
        name = (found["name"] or found["option"]).replace("-", "_").lower()
        if is_secret(name):
            parts += (text[at : found.start(which)], REDACTED)
            at = begin = found.end(which)
        else:
            begin = found.start(which)  # there may be another name in the value
    return "".join((*parts, text[at:]))
