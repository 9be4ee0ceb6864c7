"""Settings documents: one signed document per version and host group; none is ever changed."""

from collections.abc import Callable

import msgspec
from sqlalchemy import Connection, text

from vedette.schema.policies import Settings, SignedSettings
from vedette.store.state.rows import to_struct, to_structs

Sign = Callable[[bytes], SignedSettings]
"""Signs the JSON of a Settings with the deployment's settings key."""


class SettingsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a group's settings; `created` in microseconds UTC."""

    tenant: str
    group: str
    version: int
    body: bytes
    signature: bytes
    key_id: str
    created: int
    created_by: str

    def settings(self) -> Settings:
        """Read the body."""
        return msgspec.json.decode(self.body, type=Settings)

    def signed(self) -> SignedSettings:
        """Give the form that an agent fetches."""
        return SignedSettings(body=self.body, signature=self.signature, key_id=self.key_id)


COLUMNS = 'tenant, group_name AS "group", version, body, signature, key_id, created, created_by'

CURRENT = text(f"""
SELECT {COLUMNS} FROM settings_document
WHERE tenant = :tenant AND group_name = :group_name ORDER BY version DESC LIMIT 1
""")  # noqa: S608 - the text is a constant

ALL_CURRENT = text(f"""
SELECT {COLUMNS} FROM settings_document d WHERE version = (
    SELECT max(version) FROM settings_document n WHERE n.tenant = d.tenant AND n.group_name = d.group_name)
ORDER BY tenant, group_name
""")  # noqa: S608 - the text is a constant

INSERT = text("""
INSERT INTO settings_document (tenant, group_name, version, body, signature, key_id, created, created_by)
VALUES (:tenant, :group_name, :version, :body, :signature, :key_id, :now, :created_by)
""")


def current(db: Connection, tenant: str, group: str) -> SettingsDocument | None:
    """Give a group's newest document; None when none was published."""
    row = db.execute(CURRENT, {"tenant": tenant, "group_name": group}).one_or_none()
    return None if row is None else to_struct(row, SettingsDocument)


def all_current(db: Connection) -> list[SettingsDocument]:
    """Give the newest document of every group."""
    return to_structs(db.execute(ALL_CURRENT), SettingsDocument)


VERSIONS = text("""
SELECT tenant, group_name, max(version) AS version FROM settings_document GROUP BY tenant, group_name
""")


def versions(db: Connection) -> dict[tuple[str, str], int]:
    """Give the newest version by (tenant, group)."""
    return {(row.tenant, row.group_name): row.version for row in db.execute(VERSIONS)}


def publish(
    db: Connection, settings: Settings, *, tenant: str, sign: Sign, now: int, created_by: str = ""
) -> SettingsDocument:
    """Sign `settings` as the next version of its group's document and keep it."""
    before = current(db, tenant, settings.group)
    version = 1 if before is None else before.version + 1
    signed = sign(msgspec.json.encode(msgspec.structs.replace(settings, version=version)))
    document = SettingsDocument(
        tenant=tenant,
        group=settings.group,
        version=version,
        body=signed.body,
        signature=signed.signature,
        key_id=signed.key_id,
        created=now,
        created_by=created_by,
    )
    values = msgspec.structs.asdict(document)
    db.execute(INSERT, values | {"group_name": document.group, "now": now})
    return document
