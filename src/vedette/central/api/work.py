"""What a route works with: who calls, the state, and `deed`, the one way to change something."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Connection

from vedette.central.api.caller import Caller
from vedette.central.api.parts import Parts
from vedette.central.api.statements import Statements
from vedette.runtime.errors import AccessDenied, ConfigError
from vedette.schema.access import Scope
from vedette.store.state import audit


class Work:
    """One request."""

    def __init__(self, parts: Parts, *, name: str, action: str, address: str) -> None:
        self.parts, self.name, self.action, self.address = parts, name, action, address
        self._caller: Caller | None = None
        self.target = ""
        """What a denial is about, where the path does not say it."""
        self.deeds = 0
        self.now = parts.clock()
        self.ask = Statements(parts.events, parts.stop)
        """Asks the event store, for as long as the caller waits."""

    def sign(self, caller: Caller) -> None:
        """Note who calls, once the guard or a login knows."""
        self._caller = caller

    @property
    def caller(self) -> Caller:
        """Who calls. Raises AccessDenied on a public route, which has nobody to ask for."""
        if self._caller is None:
            raise AccessDenied("nobody has signed in")
        return self._caller

    @property
    def scope(self) -> Scope:
        """What the caller may see and do."""
        return self.caller.scope

    def read(self) -> AbstractContextManager[Connection]:
        """Open a consistent view of the state."""
        return self.parts.state.read()

    @contextmanager
    def deed(self, target: str = "", *, tenant: str = "", **detail: str) -> Iterator[Connection]:
        """Change the state; the audit entry commits with the change, under the route's declared action."""
        if not self.action:
            raise RuntimeError(f"the route {self.name} changes something and declares no action")
        with self.parts.state.write() as db:
            yield db
            self.note(db, target, tenant=tenant, detail=detail)

    def note(
        self,
        db: Connection,
        target: str = "",
        *,
        outcome: str = "done",
        tenant: str = "",
        detail: dict[str, str] | None = None,
    ) -> None:
        """Add an audit entry of this request."""
        caller = self._caller
        entry = audit.NewEntry(
            actor=caller.name if caller else "",
            action=self.action or self.name,
            target=target[:500],
            outcome=outcome,
            tenant=tenant or (caller.tenant if caller else "default"),
            via=caller.via if caller else "",
            address=self.address,
            detail=detail or {},
        )
        audit.append(db, self.parts.keys.audit, entry, now=self.now)
        self.deeds += 1

    def tenant(self, wanted: str = "") -> str:
        """Choose the tenant of a new thing: the one that is named, else the caller's own."""
        chosen = wanted or self.caller.tenant
        if chosen not in self.scope.tenants:
            raise ConfigError(f"there is no tenant {chosen} in your scope")
        return chosen


def work_of(request: Request) -> Work:
    """Give this request's work, which the guard prepared."""
    work: Work = request.state.work
    return work


InWork = Annotated[Work, Depends(work_of)]
"""A route's parameter of this type is its work."""
