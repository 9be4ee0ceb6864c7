"""`make gen`: write everything that is generated from the contract; `--check` fails on drift and writes nothing."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent


def _openapi() -> str:
    from vedette.central.api import openapi

    return json.dumps(openapi.document(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _ddl() -> str:
    from vedette.store import columns

    return columns.reference_ddl()


def _arrow() -> str:
    from vedette.store import columns

    return columns.reference_arrow()


def _sizes() -> str:
    from vedette.central import sizing

    return sizing.document()


def targets() -> dict[str, Callable[[], str]]:
    """File, relative to the root -> the function that gives its text."""
    from vedette.normalise.windows import reference
    from vedette.schema.project import jsonschema, markdown, typescript

    return {
        "docs/reference/events.md": markdown.document,
        "docs/reference/events.schema.json": jsonschema.document,
        "docs/reference/event.sql": _ddl,
        "docs/reference/event.arrow.txt": _arrow,
        "docs/reference/windows-records.md": reference.document,
        "docs/reference/openapi.json": _openapi,
        "docs/reference/sizing.md": _sizes,
        "console/src/schema/events.ts": typescript.document,
    }


def main() -> int:
    """Write or check; the exit code counts as failure when something drifted."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true", help="only say what is out of date")
    check = arguments.parse_args().check
    drifted = []
    for name, make in targets().items():
        path, text = ROOT / name, make()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        drifted.append(name)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {name}\n")
    if check and drifted:
        sys.stderr.write(f"out of date, run `make gen`: {', '.join(drifted)}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
