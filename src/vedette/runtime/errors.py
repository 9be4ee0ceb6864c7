"""The errors that some caller acts on.

VedetteError
|- ConfigError       a setting is wrong: name it, stop
|- WireError         bytes from another component break the format: keep, count, refuse
|- IdentityError     a certificate, token or signature is not accepted: refuse, count
|- AccessDenied      the caller's scope does not cover what was asked
|- NotFoundError     what was named does not exist (in the caller's scope)
|- QueryError        a query cannot be understood: show where
|- SpoolFull         nothing can be promised now: answer 503
|- StoreError        the event store or the state refused or is away: retry
|- ProbeError        a kernel program or source cannot run here: next one
"""


class VedetteError(Exception):
    """Something a caller can act on; the text is a sentence for people."""


class ConfigError(VedetteError):
    """A setting, file or environment variable is wrong."""


class WireError(VedetteError):
    """Bytes from another component break the wire format."""


class IdentityError(VedetteError):
    """A certificate, token or signature is not accepted; `reason` is a stable word that is counted."""

    def __init__(self, problem: str, *, reason: str) -> None:
        self.reason = reason
        super().__init__(problem)


class AccessDenied(VedetteError):  # noqa: N818 - the field's term
    """The caller's rights or tenants do not cover what was asked."""


class NotFoundError(VedetteError):
    """What was named does not exist, or not in the caller's scope."""


class QueryError(VedetteError):
    """A query cannot be understood. `offset` counts characters from 0; line and column count from 1."""

    def __init__(
        self,
        problem: str,
        *,
        offset: int = 0,
        line: int = 1,
        column: int = 1,
        suggestions: tuple[str, ...] = (),
    ) -> None:
        self.problem, self.offset, self.line, self.column = problem, offset, line, column
        self.suggestions = suggestions
        hint = f" (did you mean {', '.join(suggestions)}?)" if suggestions else ""
        super().__init__(f"line {line}, column {column}: {problem}{hint}")


class SpoolFull(VedetteError):  # noqa: N818 - the field's term
    """The spool cannot promise to keep more; try again after `retry_after` seconds."""

    def __init__(self, problem: str, *, retry_after: int = 30) -> None:
        self.retry_after = retry_after
        super().__init__(problem)


class StoreError(VedetteError):
    """The event store or the state database refused or cannot be reached."""


class ProbeError(VedetteError):
    """A kernel program or source cannot run on this host; the text says why."""
