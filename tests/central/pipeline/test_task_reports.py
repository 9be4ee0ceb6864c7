"""Task reports in a segment: the sender counts, the last word wins, a flood stays small."""

from collections.abc import Sequence

from tests.central.pipeline.conftest import AGENT, EPOCH, RECEIVED

from vedette.central.pipeline.prepare import prepare
from vedette.central.pipeline.task_reports import MOST_TASKS
from vedette.schema.entities import Task
from vedette.schema.events.logs import TaskReport
from vedette.store.segment import Record
from vedette.store.state.tasks import TaskUpdate
from vedette.wire.batch import BatchHeader, Builder, frame


def updates(reports: Sequence[tuple[int, Task]], *, agent: str = AGENT) -> tuple[TaskUpdate, ...]:
    events = [TaskReport(time=RECEIVED + offset, task=task) for offset, task in reports]
    count = len(events)
    header = BatchHeader(agent=agent, epoch=EPOCH, first=1, last=count, count=count, sent=RECEIVED)
    record = Record(
        agent=agent, epoch=EPOCH, first=1, last=count, count=count, received=RECEIVED,
        body=frame(header, Builder(list(events)).encode(1)),
    )  # fmt: skip
    return prepare([record], {agent: "default"}).updates


def test_a_report_says_all_that_the_state_shows() -> None:
    task = Task(id="1", state="running", step="download", progress=5, total=10, error="slow")
    assert updates([(7, task)]) == (
        TaskUpdate(
            id="1", agent=AGENT, time=RECEIVED + 7, state="running", step="download", progress=5, total=10, error="slow"
        ),
    )


def test_the_last_word_on_a_task_wins_and_an_end_is_never_undone() -> None:
    story = [(1, Task(id="1", state="done")), (9, Task(id="1", state="running")), (5, Task(id="2", state="running"))]
    assert {update.id: update.state for update in updates(story)} == {"1": "done", "2": "running"}


def test_states_that_do_not_exist_and_empty_reports_are_passed_over() -> None:
    assert updates([(1, Task(id="1", state="pending")), (2, Task()), (3, Task(id="1", state="x" * 1000))]) == ()


def test_a_flood_of_tasks_is_cut() -> None:
    flood = [(number, Task(id=str(number), state="done")) for number in range(MOST_TASKS + 50)]
    assert len(updates(flood)) == MOST_TASKS


def test_long_texts_are_cut() -> None:
    (update,) = updates([(1, Task(id="1", state="failed", error="e" * 8000))])
    assert len(update.error) == 1000
