"""The tree of a process: who started it, what it started."""

from typing import Annotated

from fastapi import Path, Query

from vedette.central.api.hunting import limited
from vedette.central.api.routes import Routes
from vedette.central.api.work import InWork
from vedette.query.tree import MAX_DEPTH, MAX_PROCESSES, Tree, process_tree
from vedette.schema.access import Right

routes = Routes("processes")


@routes.get("/processes/{entity_id}/tree", needs=Right.EVENTS_READ, answers=Tree)
def tree_of_process(
    work: InWork,
    entity_id: Annotated[str, Path(pattern="^[0-9A-Fa-f]{32}$")],
    up: Annotated[int, Query(ge=0, le=MAX_DEPTH)] = 16,
    down: Annotated[int, Query(ge=0, le=MAX_DEPTH)] = 16,
    most: Annotated[int, Query(ge=1, le=MAX_PROCESSES)] = 500,
    children: Annotated[int, Query(ge=1, le=MAX_PROCESSES)] = 200,
) -> Tree:
    """Give the ancestors and descendants of a process; `complete` is false where the tree goes on."""
    with limited(work) as ask:
        return process_tree(ask, entity_id, work.scope, up=up, down=down, most=most, children=children)
