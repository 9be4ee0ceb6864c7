"""`python -m vedette.central.scanner --data DIR`: a child of the supervisor."""

import argparse
import logging
import sys
from pathlib import Path

from vedette.central.scanner.app import run
from vedette.runtime import logs
from vedette.runtime.errors import VedetteError


def main() -> int:
    """Scan until SIGTERM; 1 with a sentence when that cannot begin."""
    parser = argparse.ArgumentParser(prog="vedette.central.scanner")
    parser.add_argument("--data", type=Path, required=True, help="the Central Node's directory")
    given = parser.parse_args()
    logs.setup("scanner")
    try:
        run(given.data)
    except VedetteError as error:
        logging.getLogger(__name__).error("%s", error)  # noqa: TRY400 - a sentence for the operator, not a trace
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
