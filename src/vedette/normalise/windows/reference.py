"""The page that says which Windows records become which events, made of the table that does it."""

from vedette.normalise.windows.mapping import TABLE

_HEAD = """# Windows records and the events they become

Written by `make gen` from `vedette/normalise/windows/mapping.py`; [windows-logs.md](../windows-logs.md) explains it.
A record that is not listed becomes `os_log`, with every item under `winlog.data.*`.

| Provider | Event ids | Becomes | What it tells |
|---|---|---|---|
"""


def document() -> str:
    """Give the page."""
    return _HEAD + "".join(
        f"| {provider} | {ids.replace(' ', ', ')} | {_types(types)} | {_first_line(build.__doc__)} |\n"
        for provider, ids, build, types in TABLE
    )


def _types(types: str) -> str:
    return " or ".join(f"`{kind}`" for kind in types.split())


def _first_line(text: str | None) -> str:
    return (text or "").partition("\n")[0].replace("|", "\\|")
