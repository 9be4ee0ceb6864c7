"""What the agent costs: its own process and those below it."""

import subprocess
import sys

import pytest

from vedette.agent.core.own_cost import own_cpu, own_memory, parse

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
WORK = """
import sys
held = bytearray(b"x" * (60 << 20))
while True:
    if __import__("time").process_time() > 0.7:
        print("done", flush=True)
        sys.stdin.readline()
        break
"""


def test_a_child_counts_while_it_runs_and_after_it() -> None:
    cpu, memory = own_cpu(), own_memory()
    with subprocess.Popen([sys.executable, "-c", WORK], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert own_cpu() - cpu > 0.6
        during = own_memory()
        assert during - memory > 55 << 20
        child.communicate(b"\n")
    assert own_cpu() - cpu > 0.6
    assert own_memory() < during - (55 << 20)


def test_a_name_may_hold_anything() -> None:
    assert parse("7 (a) b 1 2 (3) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15") == 11 + 12 + 13 + 14
