"""Whether the server lives and can answer; tells nothing else to somebody who has not signed in."""

import msgspec

from vedette.central.api.routes import Anyone, Routes
from vedette.central.api.work import InWork
from vedette.query.merge import Merge
from vedette.query.statement import Statement

routes = Routes("health")

_PING = Statement("SELECT 1", {}, {"max_execution_time": 5}, ("one",), Merge(fold=("key",)))


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """`ready`: the state and the event store both answer."""

    ready: bool


@routes.get("/health", needs=Anyone.PUBLIC, answers=Health)
def health(_work: InWork) -> Health:
    """Answer whenever the process lives."""
    return Health(ready=True)


@routes.get("/ready", needs=Anyone.PUBLIC, answers=Health)
def ready(work: InWork) -> Health:
    """Ask the state and the event store; 503 when one is away."""
    with work.read():
        work.ask(_PING)
    return Health(ready=True)
