"""`python -m vedette.central.bus --data DIR --part forward|receive`: a child of the supervisor."""

import argparse
import logging
import sys
from pathlib import Path

from vedette.central.layout import Layout
from vedette.central.settings import load
from vedette.runtime import logs
from vedette.runtime.errors import ConfigError, VedetteError


def main() -> int:
    """Run one side of the bus; exit 1 with a sentence when it cannot."""
    parser = argparse.ArgumentParser(prog="vedette.central.bus")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--part", choices=("forward", "receive"), required=True)
    given = parser.parse_args()
    logs.setup(given.part)
    layout = Layout(given.data)
    try:
        settings = load(layout)
        try:
            from vedette.central.bus.app import run
        except ModuleNotFoundError as error:
            raise ConfigError(f"a bus needs the extra `bus`: pip install 'vedette[bus]' ({error})") from error
        run(layout, settings, given.part)
    except (VedetteError, OSError) as error:
        logging.getLogger("vedette.central.bus").error("%s", error)  # noqa: TRY400 - a sentence
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
