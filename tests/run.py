"""Run every test in groups and print the minutes of each; `--acceptance` prints the acceptance table instead."""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
GROUPS = (
    ("unit", ["tests", "--ignore=tests/system", "--ignore=tests/acceptance"]),
    ("acceptance", ["tests/acceptance"]),
    ("system", ["tests/system"]),
)


def main() -> int:
    """Give 0 when every group passed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--acceptance", action="store_true")
    only_acceptance = arguments.parse_args().acceptance
    code, minutes = 0, []
    for name, paths in GROUPS:
        if only_acceptance and name != "acceptance":
            continue
        started = time.monotonic()
        command = [sys.executable, "-m", "pytest", "-q", *paths]
        print(f"== {name}", flush=True)
        code = subprocess.run(command, cwd=ROOT, env=os.environ, check=False).returncode or code
        minutes.append(f"{name} {(time.monotonic() - started) / 60:.1f} min")
    print("== time: " + ", ".join(minutes))
    return code


if __name__ == "__main__":
    sys.exit(main())
