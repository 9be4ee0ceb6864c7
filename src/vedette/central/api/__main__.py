"""`python -m vedette.central.api --data DIR --listen HOST:PORT`: a child of the supervisor."""

import argparse
import logging
import sys
from pathlib import Path

from vedette.central.api.event_store import Asking
from vedette.central.api.serve import run
from vedette.central.layout import Layout
from vedette.central.settings import load
from vedette.central.store_link import StoreAddress
from vedette.runtime import logs
from vedette.runtime.errors import VedetteError


def main() -> int:
    """Run the API; exit 1 with a sentence when it cannot."""
    parser = argparse.ArgumentParser(prog="vedette.central.api")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--listen", required=True)
    options = parser.parse_args()
    logs.setup("api")
    layout = Layout(options.data)
    try:
        chosen = load(layout)
        run(layout, chosen, options.listen, Asking(StoreAddress(layout, chosen.store_url)))
    except (VedetteError, OSError) as error:
        logging.getLogger("vedette.central.api").error("%s", error)  # noqa: TRY400 - a sentence
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
