"""`python -m vedette.central.pipeline --data DIR --share I --of N`: one pipeline process."""

import argparse
import logging
import sys
from pathlib import Path

from vedette.central.pipeline.app import run
from vedette.central.pipeline.worker import Share
from vedette.runtime import logs
from vedette.runtime.errors import VedetteError


def main() -> int:
    """Process segments until SIGTERM; 1 with a sentence when that cannot begin."""
    parser = argparse.ArgumentParser(prog="vedette.central.pipeline")
    parser.add_argument("--data", type=Path, required=True, help="the Central Node's directory")
    parser.add_argument("--share", type=int, default=0, help="from 0")
    parser.add_argument("--of", type=int, default=1, help="pipeline processes in all")
    given = parser.parse_args()
    if not 0 <= given.share < given.of:
        parser.error("--share must be less than --of")
    logs.setup(f"pipeline-{given.share}")
    try:
        run(given.data, Share(given.share, given.of))
    except VedetteError as error:
        logging.getLogger(__name__).error("%s", error)  # noqa: TRY400 - a sentence for the operator, not a trace
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
