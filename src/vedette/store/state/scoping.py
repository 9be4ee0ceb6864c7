"""The second lock: functions that answer people check the caller's scope themselves."""

from vedette.runtime.errors import AccessDenied
from vedette.schema.access import Right, Scope


def tenants(scope: Scope, right: Right) -> list[str]:
    """Give the tenants in which the caller has `right`. Raises AccessDenied when the right is missing."""
    if not scope.allows(right):
        raise AccessDenied(f"this needs the right {right.value}")
    return sorted(scope.tenants)
