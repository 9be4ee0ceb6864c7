"""CPU by thread."""

import threading

import pytest

from vedette.agent.core.thread_cost import parse, thread_seconds


@pytest.mark.parametrize("name", ["python3", "a (b) c", ") R 1 2"])
def test_a_thread_may_be_called_anything(name: str) -> None:
    fields = " ".join(["R", *map(str, range(1, 11)), "7", "5", *["0"] * 30])
    assert parse(f"42 ({name}) {fields}\n") == (name, 12)


def test_threads_are_named_as_python_names_them() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, name="source-of-this-test")
    thread.start()
    found = thread_seconds()
    stop.set()
    thread.join()
    assert found["source-of-this-test"] < 1
    assert found["MainThread"] > 0
