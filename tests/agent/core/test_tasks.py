"""Task orders on a host: taken once, run once, told at each change, whatever ends in between."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vedette.agent.core.tasks import REMEMBERED, TaskDesk, TaskEndedError, Work
from vedette.central.pki import public_pem
from vedette.runtime.clock import DAY, HOUR
from vedette.runtime.errors import WireError
from vedette.schema.entities import Task
from vedette.schema.events.logs import TaskReport
from vedette.schema.tasks import CANCEL, SignedTask, TaskOrder
from vedette.wire.task import sign_task

KEY = Ed25519PrivateKey.generate()
HOST = "a" * 32


class Played:
    """A runner that does what a test says."""

    def __init__(self, *, resumes: bool = False) -> None:
        self.resumes = resumes
        self.ran: list[str] = []
        self.act: Callable[[Work], bool] = lambda _: True

    def about(self, order: TaskOrder) -> str:
        if bytes(order.parameters) == b'"bad"':
            raise WireError("the parameters are bad")
        return "it"

    def run(self, work: Work) -> bool:
        self.ran.append(work.order.id)
        return self.act(work)


class Desk:
    """A desk with a journal on disk, which can be opened again as after a kill."""

    def __init__(self, folder: Path, clock: Any) -> None:
        self.path, self.clock = folder / "tasks.json", clock
        self.told: list[Task] = []
        self.runner = Played()
        self.open()

    def open(self) -> TaskDesk:
        self.desk = TaskDesk(self.path, tenant="t", host=HOST, report=self._report, clock=self.clock)
        self.desk.key = public_pem(KEY)
        self.desk.runners = {"play": self.runner}
        return self.desk

    def _report(self, report: TaskReport) -> None:
        assert report.task is not None
        self.told.append(report.task)

    def order(self, task: str = "1" * 32, **more: Any) -> SignedTask:
        values: dict[str, Any] = {
            "id": task, "type": "play", "tenant": "t", "host": HOST, "issued": self.clock(),
            "expires": self.clock() + HOUR, "parameters": msgspec.Raw(b"{}"),
        }  # fmt: skip
        return sign_task(TaskOrder(**(values | more)), KEY)

    def work(self) -> None:
        """Run what waits."""
        stop = threading.Event()
        while self.desk._queue:
            self.desk._run(self.desk._queue.popleft(), stop)

    @property
    def states(self) -> list[str | None]:
        return [task.state for task in self.told]


@pytest.fixture
def desk(tmp_path: Path, clock: Any) -> Desk:
    return Desk(tmp_path, clock)


def test_an_order_is_accepted_run_and_told(desk: Desk) -> None:
    def act(work: Work) -> bool:
        work.report("step", progress=1, total=2)
        return True

    desk.runner.act = act
    desk.desk.take([desk.order()], 5)
    desk.work()
    assert desk.states == ["accepted", "running", "done"]
    assert (desk.told[1].step, desk.told[1].progress, desk.told[1].total, desk.told[1].object) == ("step", 1, 2, "it")
    assert (desk.told[0].finished, desk.told[2].finished) == (None, desk.clock())
    assert (desk.desk.wants(5), desk.desk.wants(6)) == (False, True)


def test_an_id_is_taken_once_also_after_a_restart(desk: Desk) -> None:
    order = desk.order()
    for _ in range(2):
        desk.desk.take([order, order], 1)
        desk.work()
        desk.open()
    assert desk.runner.ran == ["1" * 32]
    desk.clock.move(HOUR + REMEMBERED - DAY)
    desk.desk.take([order, desk.order("2" * 32)], 2)
    desk.work()
    assert desk.runner.ran == ["1" * 32, "2" * 32]


def test_orders_for_others_and_forged_ones_are_refused(desk: Desk) -> None:
    forged = sign_task(TaskOrder(
        id="3" * 32, type="play", tenant="t", host=HOST, issued=0, expires=2**60, parameters=msgspec.Raw(b"{}"),
    ), Ed25519PrivateKey.generate())  # fmt: skip
    desk.desk.take([desk.order(host="b" * 32), desk.order(tenant="x"), forged], 1)
    desk.work()
    assert (desk.states, desk.runner.ran) == ([], [])
    assert "signed by another key" in desk.desk.problem


def test_without_a_key_nothing_is_wanted(desk: Desk) -> None:
    desk.desk.key = ""
    assert not desk.desk.wants(9)


def test_an_order_that_comes_too_late_is_not_begun(desk: Desk) -> None:
    desk.desk.take([desk.order(expires=desk.clock())], 1)
    desk.work()
    assert (desk.states, desk.runner.ran) == (["expired"], [])


def test_a_type_that_is_not_known_and_bad_parameters_fail_with_a_reason(desk: Desk) -> None:
    desk.desk.take([desk.order(type="later"), desk.order("2" * 32, parameters=msgspec.Raw(b'"bad"'))], 1)
    desk.work()
    assert desk.states == ["failed", "failed"]
    assert [task.error for task in desk.told] == [
        "this version knows no task of type 'later'",
        "the parameters are bad",
    ]


def test_a_runner_that_breaks_fails_its_task_alone(desk: Desk) -> None:
    def act(work: Work) -> bool:
        if work.order.id.startswith("1"):
            raise ZeroDivisionError("oh")
        raise TaskEndedError("no room")

    desk.runner.act = act
    desk.desk.take([desk.order(), desk.order("2" * 32)], 1)
    desk.work()
    assert [(task.state, task.error) for task in desk.told if task.state == "failed"] == [
        ("failed", "ZeroDivisionError: oh"),
        ("failed", "no room"),
    ]


def test_a_task_can_be_cancelled_before_and_while_it_runs(desk: Desk) -> None:
    cancel = desk.order("c" * 32, type=CANCEL, parameters=msgspec.Raw(msgspec.json.encode({"task": "1" * 32})))
    desk.desk.take([desk.order(), cancel], 1)
    desk.work()
    assert [(task.type, task.state) for task in desk.told] == [
        ("play", "accepted"),
        (CANCEL, "done"),
        ("play", "cancelled"),
    ]
    assert desk.runner.ran == []


def test_what_is_not_open_cannot_be_cancelled(desk: Desk) -> None:
    cancel = desk.order("c" * 32, type=CANCEL, parameters=msgspec.Raw(msgspec.json.encode({"task": "1" * 32})))
    desk.desk.take([cancel], 1)
    assert [(task.state, task.error) for task in desk.told] == [("failed", "that task is not open here")]


def test_after_a_kill_a_task_goes_on_or_has_failed(desk: Desk) -> None:
    desk.desk.take([desk.order()], 1)
    desk.open()  # killed before it ran
    desk.work()
    assert (desk.states, desk.runner.ran) == (["accepted", "done"], ["1" * 32])

    desk.runner.act = lambda _: False  # killed while it runs
    for task, resumes, states in (("2", False, ["accepted", "failed"]), ("3", True, ["accepted", "done"])):
        desk.told.clear()
        desk.runner.resumes = resumes
        desk.desk.take([desk.order(task * 32)], 2)
        desk.work()
        desk.open()
        desk.runner.act = lambda _: True
        desk.work()
        assert desk.states == states
        desk.runner.act = lambda _: False
    assert desk.runner.ran == ["1" * 32, "2" * 32, "3" * 32, "3" * 32]


def test_a_task_whose_time_runs_out_ends(desk: Desk) -> None:
    def act(work: Work) -> bool:
        desk.clock.move(2 * HOUR)
        work.wait(0)
        return True

    desk.runner.act = act
    desk.desk.take([desk.order()], 1)
    desk.work()
    assert desk.states == ["accepted", "expired"]


def test_what_could_not_be_written_down_was_not_taken(desk: Desk) -> None:
    desk.desk._path = desk.path.parent / "gone" / "tasks.json"
    with pytest.raises(OSError, match="No such file"):
        desk.desk.take([desk.order()], 1)
    desk.desk._path = desk.path
    desk.desk.take([desk.order()], 1)
    desk.work()
    assert desk.states == ["accepted", "done"]


def test_a_broken_journal_is_no_end(desk: Desk) -> None:
    desk.path.write_bytes(b"{")
    desk.open()
    desk.desk.take([desk.order()], 1)
    desk.work()
    assert desk.states == ["accepted", "done"]
