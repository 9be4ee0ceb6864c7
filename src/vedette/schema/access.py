"""Who may do what: rights, roles, and the scope that every query and route takes."""

from enum import StrEnum

from msgspec import Struct


class Right(StrEnum):
    """One thing that a route may need."""

    EVENTS_READ = "events.read"
    EVENTS_EXPORT = "events.export"
    ENVIRONMENT_READ = "environment.read"
    HOSTS_READ = "hosts.read"
    HOSTS_MANAGE = "hosts.manage"
    LEDGER_READ = "ledger.read"
    ALERTS_READ = "alerts.read"
    ALERTS_MANAGE = "alerts.manage"
    ALERTS_VIP_READ = "alerts.vip.read"
    RULES_READ = "rules.read"
    RULES_MANAGE = "rules.manage"
    TASKS_READ = "tasks.read"
    TASKS_RUN = "tasks.run"
    STORAGE_READ = "storage.read"
    STORAGE_MANAGE = "storage.manage"
    SETTINGS_READ = "settings.read"
    SETTINGS_MANAGE = "settings.manage"
    USERS_READ = "users.read"
    USERS_MANAGE = "users.manage"
    AUDIT_READ = "audit.read"
    UPGRADES_READ = "upgrades.read"
    UPGRADES_MANAGE = "upgrades.manage"


class Role(StrEnum):
    """A named set of rights."""

    ADMINISTRATOR = "administrator"
    SENIOR_OFFICER = "senior_officer"
    OFFICER = "officer"
    AUDITOR = "auditor"


_READ = frozenset(right for right in Right if right.value.endswith(".read"))
_OFFICER = frozenset(
    {
        Right.EVENTS_READ,
        Right.EVENTS_EXPORT,
        Right.HOSTS_READ,
        Right.LEDGER_READ,
        Right.ALERTS_READ,
        Right.ALERTS_MANAGE,
        Right.RULES_READ,
        Right.TASKS_READ,
        Right.STORAGE_READ,
    }
)

RIGHTS: dict[Role, frozenset[Right]] = {
    Role.ADMINISTRATOR: frozenset(Right),
    Role.SENIOR_OFFICER: (frozenset(Right) - {Right.USERS_MANAGE, Right.SETTINGS_MANAGE, Right.UPGRADES_MANAGE}),
    Role.OFFICER: _OFFICER,
    Role.AUDITOR: _READ,
}
"""What each role may do. An auditor reads everything, changes nothing and carries nothing away in bulk."""


class Scope(Struct, frozen=True, kw_only=True):
    """What a caller may see and do; every query function takes one."""

    tenants: frozenset[str]
    rights: frozenset[Right]

    def allows(self, right: Right) -> bool:
        """Whether the caller has `right`."""
        return right in self.rights
