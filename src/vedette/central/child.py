"""How a child of the supervisor that needs nothing but the data directory begins and ends."""

import argparse
import logging
from collections.abc import Callable
from pathlib import Path

from vedette.runtime import logs
from vedette.runtime.errors import VedetteError


def main(name: str, run: Callable[[Path], None]) -> int:
    """Run until SIGTERM; gives the exit code: 1 with a sentence when that cannot begin."""
    parser = argparse.ArgumentParser(prog=f"vedette.central.{name}")
    parser.add_argument("--data", type=Path, required=True, help="the Central Node's directory")
    given = parser.parse_args()
    logs.setup(name)
    try:
        run(given.data)
    except VedetteError as error:
        logging.getLogger(__name__).error("%s", error)  # noqa: TRY400 - a sentence for the operator, not a trace
        return 1
    return 0
