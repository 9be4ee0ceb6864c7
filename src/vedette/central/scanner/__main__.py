"""`python -m vedette.central.scanner --data DIR`: a child of the supervisor."""

import sys

from vedette.central import child
from vedette.central.scanner.app import run

if __name__ == "__main__":
    sys.exit(child.main("scanner", run))
