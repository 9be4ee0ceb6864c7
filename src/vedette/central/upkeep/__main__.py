"""`python -m vedette.central.upkeep --data DIR`: a child of the supervisor."""

import sys

from vedette.central import child
from vedette.central.upkeep.app import run

if __name__ == "__main__":
    sys.exit(child.main("upkeep", run))
