"""Releases of the agent: added, listed, removed."""

from vedette.central.api.problems import ProblemError
from vedette.central.api.routes import Routes
from vedette.central.api.uploads import InUpload
from vedette.central.api.work import InWork
from vedette.runtime.errors import ConfigError, VedetteError, WireError
from vedette.schema.access import Right
from vedette.store.state import releases, rollouts
from vedette.store.state.releases import Release
from vedette.wire.release import check_archive

routes = Routes("upgrades")


@routes.get("/releases", needs=Right.UPGRADES_READ, answers=list[Release])
def agent_releases(work: InWork) -> list[Release]:
    """List the releases that were added, newest first."""
    with work.read() as db:
        return releases.visible(db, work.scope)


@routes.change(
    "POST",
    "/releases",
    needs=Right.UPGRADES_MANAGE,
    action="release.add",
    answers=Release,
    status=201,
    media="application/zstd",
)
def add_release(work: InWork, upload: InUpload, tenant: str = "") -> Release:
    """Add an agent release: the body is the archive that `make release` writes. It is checked whole and signed.

    The same archive again changes nothing. The body must be here within a minute.
    """
    chosen = work.tenant(tenant)
    try:
        manifest, signed_part = check_archive(upload.file)
    except WireError as error:
        raise ProblemError("invalid", 422, str(error)) from error
    wanted = Release(
        tenant=chosen,
        version=manifest.version,
        platform=manifest.platform,
        python=manifest.python,
        sha256=upload.sha256,
        size=upload.size,
        unpacked=manifest.size,
        added=work.now,
        added_by=work.caller.name,
    )
    # First the files, then the row: a release that is listed is always there.
    work.parts.releases.keep(upload.file, upload.sha256, work.parts.keys.sign_release(signed_part))
    try:
        with work.deed(manifest.version, tenant=chosen, sha256=upload.sha256, platform=manifest.platform) as db:
            return releases.add(db, wanted)
    except VedetteError:
        with work.read() as db:
            if not releases.is_used(db, upload.sha256):
                work.parts.releases.remove(upload.sha256)
        raise


@routes.change("DELETE", "/releases/{version}", needs=Right.UPGRADES_MANAGE, action="release.remove")
def remove_release(work: InWork, version: str, tenant: str = "") -> None:
    """Remove a release. Hosts that run it stay as they are; a roll-out of it must be over."""
    chosen = work.tenant(tenant)
    with work.deed(version, tenant=chosen) as db:
        busy = [one.id for one in rollouts.page(db, work.scope, limit=1000) if _uses(one, chosen, version)]
        if busy:
            raise ConfigError(f"roll-out {busy[0]} uses it: cancel it first")
        unused = releases.remove(db, chosen, version)
    for sha256 in unused:
        work.parts.releases.remove(sha256)


def _uses(rollout: rollouts.Rollout, tenant: str, version: str) -> bool:
    return (rollout.tenant, rollout.version) == (tenant, version) and rollout.state in ("running", "paused")
