"""Saved searches: kept by their owner, seen by the owner alone or by the whole tenant."""

from typing import Annotated

import msgspec
from fastapi import Header, Query, Response
from pydantic import Field

from vedette.central.api.bodies import Body, Page, from_cursor, to_cursor
from vedette.central.api.hosts import Limit
from vedette.central.api.hunting import parse
from vedette.central.api.period import window
from vedette.central.api.problems import ProblemError
from vedette.central.api.routes import Routes
from vedette.central.api.shape import Wanted
from vedette.central.api.work import InWork, Work
from vedette.query import ast
from vedette.schema.access import Right
from vedette.store.state import searches
from vedette.store.state.searches import NewSearch, Person, SavedSearch

routes = Routes("searches")

_Moment = Annotated[str, Field(max_length=64)]


class SearchToKeep(Body):
    """A search, as it is asked: `since` and `until` are text, so that `24h` is each day's last 24 hours."""

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\s/][^\r\n/]*$")]
    query: Annotated[str, Field(max_length=min(ast.MAX_TEXT, 100_000))] = ""
    language: Annotated[str, Field(max_length=16)] = "hunt"
    since: _Moment = ""
    until: _Moment = ""
    columns: Annotated[list[str], Field(default_factory=list, max_length=100)]
    shared: bool = False
    """Whether the whole tenant sees it."""


@routes.get("/searches", needs=Right.EVENTS_READ, answers=Page[SavedSearch])
def saved_searches(
    work: InWork,
    name: Annotated[str, Query(max_length=100)] = "",
    limit: Limit = 100,
    cursor: Annotated[str, Query(max_length=1000)] = "",
) -> Page[SavedSearch]:
    """List one's own saved searches and the shared ones, by name; `name`: only those of this name."""
    after_name, after_id = from_cursor(cursor, str, str) if cursor else ("", "")
    with work.read() as db:
        found = searches.page(db, _person(work), name=name, after=(after_name, after_id), limit=limit + 1)
    more = to_cursor(found[limit - 1].name, found[limit - 1].id) if len(found) > limit else None
    return Page(items=found[:limit], cursor=more)


@routes.change("POST", "/searches", needs=Right.EVENTS_READ, action="search.save", answers=SavedSearch, status=201)
def save_search(work: InWork, body: SearchToKeep, tenant: Annotated[str, Query(max_length=64)] = "") -> Response:
    """Keep a search."""
    new, chosen = _checked(work, body), work.tenant(tenant)
    with work.deed(body.name, tenant=chosen, query=body.query[:500], shared=str(body.shared)) as db:
        made = searches.create(db, new, _person(work), tenant=chosen, now=work.now)
    return _with_etag(made, status=201)


@routes.get("/searches/{search}", needs=Right.EVENTS_READ, answers=SavedSearch)
def saved_search(work: InWork, search: str) -> Response:
    """Give one saved search; the ETag is for a later PUT."""
    with work.read() as db:
        return _with_etag(searches.get(db, search, _person(work)))


@routes.change("PUT", "/searches/{search}", needs=Right.EVENTS_READ, action="search.change", answers=SavedSearch)
def change_search(
    work: InWork, search: str, body: SearchToKeep, if_match: Annotated[str, Header(max_length=64)] = ""
) -> Response:
    """Change a search of one's own, whole. With If-Match it is refused with 412 when it was changed in between."""
    new = _checked(work, body)
    with work.deed(body.name, query=body.query[:500], shared=str(body.shared)) as db:
        held = searches.get(db, search, _person(work))
        if if_match and if_match != _etag(held):
            raise ProblemError("changed-meanwhile", 412, f"the search is at version {held.version} now")
        made = searches.replace(db, search, new, _person(work), now=work.now)
    return _with_etag(made)


@routes.change("DELETE", "/searches/{search}", needs=Right.EVENTS_READ, action="search.delete")
def delete_search(work: InWork, search: str) -> None:
    """Delete a search of one's own; with the right to manage users also a shared one."""
    with work.deed(search) as db:
        searches.remove(db, search, _person(work))


def _person(work: Work) -> Person:
    return Person(work.caller.account, work.caller.name, work.scope)


def _checked(work: Work, body: SearchToKeep) -> NewSearch:
    """See that it can be asked. Raises QueryError, ProblemError."""
    parse(body.query, body.language, now=work.now)
    window(body.since, body.until, now=work.now)
    Wanted(body.columns, work.scope)
    return msgspec.convert(body.model_dump(), NewSearch)


def _etag(search: SavedSearch) -> str:
    return f'"{search.version}"'


def _with_etag(search: SavedSearch, *, status: int = 200) -> Response:
    return Response(
        msgspec.json.encode(search),
        status_code=status,
        media_type="application/json",
        headers={"ETag": _etag(search)},
    )
