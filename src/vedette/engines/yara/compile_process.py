"""`python -m vedette.engines.yara.compile_process CPU MEMORY`: a rule set on its input, the compiled set on its output.

CPU in seconds, MEMORY in bytes of address space; the kernel ends it beyond them.
"""

import os
import resource
import sys

import msgspec

from vedette.engines.yara.compiling import compile_set
from vedette.engines.yara.ruleset import decode
from vedette.runtime.clock import now

NICENESS = 10


def main() -> None:
    """Be the process that compiles."""
    cpu, memory = int(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(max(0, NICENESS - os.getpriority(os.PRIO_PROCESS, 0)))
    compiled = compile_set(decode(sys.stdin.buffer.read()), now=now())
    sys.stdout.buffer.write(msgspec.msgpack.encode(compiled))


if __name__ == "__main__":
    main()
