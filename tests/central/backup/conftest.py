"""A Central Node without its supervisor: store and pipeline run while a test wants them to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.central.conftest import Node
from tests.central.pipeline.conftest import make_record
from tests.central.pipeline.test_crashes import Processes
from tests.store.conftest import store_at

__all__ = ["make_record", "store_at"]


def quiet(_done: int, _total: int) -> None:
    """Show no progress."""


@pytest.fixture
def processes_at() -> Iterator[Callable[[Node], Processes]]:
    """Give `processes_at(node)`: store and pipeline of a node, ended with the test."""
    with ExitStack() as stack:

        def make(node: Node) -> Processes:
            made = Processes(node)
            stack.callback(end, made)
            return made

        yield make


def end(processes: Processes) -> None:
    for process in processes.running.values():
        process.kill()
        process.wait()


@pytest.fixture
def node_in() -> Iterator[Callable[[Path], Node]]:
    """Give `node_in(folder)`: a node provisioned there, or the one that is there."""
    with ExitStack() as stack:

        def make(folder: Path) -> Node:
            made = Node(folder)
            stack.callback(made.close)
            return made

        yield make
