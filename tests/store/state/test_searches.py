"""Saved searches: whose they are, who sees them, and one name for one search."""

import pytest

from vedette.runtime.errors import ConfigError, NotFoundError
from vedette.schema.access import RIGHTS, Role, Scope
from vedette.store.state import State, searches
from vedette.store.state.searches import NewSearch, Person

NEW = NewSearch(
    name="downloads", query="process.file.name:curl", language="hunt", since="7d", until="", columns=["user.name"],
    shared=False,
)  # fmt: skip


def person(name: str, *, tenant: str = "default", role: Role = Role.OFFICER) -> Person:
    return Person(f"id of {name}", name, Scope(tenants=frozenset({tenant}), rights=RIGHTS[role]))


def keep(state: State, who: Person, **changes: object) -> searches.SavedSearch:
    new = NewSearch(**{name: getattr(NEW, name) for name in NEW.__struct_fields__} | changes)
    with state.write() as db:
        return searches.create(db, new, who, tenant="default", now=5)


def test_a_search_comes_back_as_it_was_kept(state: State) -> None:
    made = keep(state, person("ann"))
    with state.read() as db:
        found = searches.get(db, made.id, person("ann"))
    assert found == made
    assert (found.columns, found.shared, found.version, found.created) == (["user.name"], False, 1, 5)


def test_others_see_only_what_is_shared_in_their_tenant(state: State) -> None:
    mine = keep(state, person("ann"))
    shared = keep(state, person("ann"), name="for all", shared=True)
    with state.read() as db:
        assert [one.id for one in searches.page(db, person("bob"))] == [shared.id]
        assert [one.id for one in searches.page(db, person("ann"))] == [mine.id, shared.id]
        assert searches.page(db, person("eve", tenant="other")) == []
        with pytest.raises(NotFoundError):
            searches.get(db, mine.id, person("bob"))


def test_only_the_owner_changes_it_and_who_manages_users_may_delete_it(state: State) -> None:
    shared = keep(state, person("ann"), shared=True)
    with state.write() as db:
        with pytest.raises(ConfigError):
            searches.replace(db, shared.id, NEW, person("bob"), now=6)
        with pytest.raises(ConfigError):
            searches.remove(db, shared.id, person("bob"))
        assert searches.replace(db, shared.id, NEW, person("ann"), now=6).version == 2
        searches.remove(db, shared.id, person("ann"))
    again = keep(state, person("ann"), shared=True)
    with state.write() as db:
        assert searches.remove(db, again.id, person("root", role=Role.ADMINISTRATOR)).owner_name == "ann"


def test_a_name_is_taken_once_by_each_owner(state: State) -> None:
    keep(state, person("ann"))
    keep(state, person("bob"))
    other = keep(state, person("ann"), name="other")
    with pytest.raises(ConfigError):
        keep(state, person("ann"))
    with state.write() as db, pytest.raises(ConfigError):
        searches.replace(db, other.id, NEW, person("ann"), now=6)


def test_pages_follow_one_another(state: State) -> None:
    made = [keep(state, person("ann"), name=f"search {number}") for number in range(5)]
    with state.read() as db:
        first = searches.page(db, person("ann"), limit=3)
        rest = searches.page(db, person("ann"), after=(first[-1].name, first[-1].id))
    assert first + rest == made
