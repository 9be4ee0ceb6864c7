"""What a segment's `task_report` events say of tasks: the state follows the events, there is no second way."""

from collections import Counter
from collections.abc import Sequence

from vedette.schema.events import tag
from vedette.schema.events.logs import TaskReport
from vedette.schema.tasks import FINAL_STATES
from vedette.store.state.tasks import TaskUpdate
from vedette.wire.merge import UNKNOWN, Arrival, Batch

KNOWN_STATES = FINAL_STATES | {"accepted", "running"}
MOST_TASKS = 64
_MOST_TEXT = 1000


def task_updates(batch: Batch, arrivals: Sequence[Arrival]) -> tuple[TaskUpdate, ...]:
    """Give the last word of each host on each task; the sender is the certificate's, whatever the report says.

    A host that floods has `MOST_TASKS` of its tasks looked at; its events are stored all the same.
    """
    rows = batch.types.get(tag(TaskReport))
    if rows is None:
        return ()
    latest: dict[tuple[str, str], TaskUpdate] = {}
    tasks: Counter[str] = Counter()
    for row in range(rows.start, rows.stop):
        update = _update(batch, row, arrivals[int(batch.arrival[row])].host)
        key = (update.agent, update.id)
        before = latest.get(key)
        if update.state not in KNOWN_STATES or (before is None and tasks[update.agent] >= MOST_TASKS):
            continue
        if before is None or _rank(update) >= _rank(before):
            tasks[update.agent] += before is None
            latest[key] = update
    return tuple(latest.values())


def _rank(update: TaskUpdate) -> tuple[bool, int]:
    return update.state in FINAL_STATES, update.time


def _update(batch: Batch, row: int, host: str) -> TaskUpdate:
    return TaskUpdate(
        id=_text(batch, "task.id", row),
        agent=host,
        time=_number(batch, "event.time", row) or 0,
        state=_text(batch, "task.state", row),
        step=_text(batch, "task.step", row),
        progress=_number(batch, "task.progress", row),
        total=_number(batch, "task.total", row),
        error=_text(batch, "task.error", row),
    )


def _text(batch: Batch, column: str, row: int) -> str:
    dictionary = batch.dictionaries.get(column)
    value = None if dictionary is None else dictionary.values[int(dictionary.indices[row])]
    return "" if value is None else str(value)[:_MOST_TEXT]


def _number(batch: Batch, column: str, row: int) -> int | None:
    numbers = batch.numbers.get(column)
    value = UNKNOWN if numbers is None else int(numbers[row])
    return None if value == UNKNOWN else value
