"""What the verifier says about each program of an object: `python -m tests.vm.verify [OBJECT [PROGRAM...]]`."""

import sys

from vedette.probes.libbpf import messages
from vedette.probes.loader import Opened, read_object

LINES = 40
"""Of the verifier's log, from its end."""


def main(name: str = "tracepoints", *only: str) -> int:
    """Load each program alone; give how many are refused."""
    opened = Opened(read_object(name))
    programs = list(opened.programs)
    opened.close()
    refused = 0
    for program in only or programs:
        opened = Opened(read_object(name))
        problem = opened.load([program])
        opened.close()
        print(program, problem or "loads")
        if problem:
            refused += 1
            print("\n".join("\n".join(messages).splitlines()[-LINES:]))
    return refused


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
