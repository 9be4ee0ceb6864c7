"""`vedette central`: run a Central Node, copy it, make one of a copy."""

import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vedette.cli.printing import json_line, size, when
from vedette.runtime.errors import VedetteError

if TYPE_CHECKING:
    from vedette.central.backup.make import Made

_DATA = click.Path(file_okay=False, path_type=Path)
PROGRESS_SECONDS = 1.0
"""Between two lines of progress."""


@click.group("central", invoke_without_command=True)
@click.option("--data", type=_DATA, help="Directory of this Central Node.")
@click.option("--listen-ingest", metavar="HOST:PORT", help="Where agents connect. [default: 127.0.0.1:8441]")
@click.option("--listen-api", metavar="HOST:PORT", help="Where console and API answer. [default: 127.0.0.1:8440]")
@click.option("--name", "names", multiple=True, metavar="NAME", help="A DNS name or address of this server.")
@click.pass_context
def central(
    ctx: click.Context, data: Path | None, listen_ingest: str | None, listen_api: str | None, names: tuple[str, ...]
) -> None:
    """Run a Central Node in DATA until it is told to stop.

    The first start makes keys, a certificate authority and an administrator, and prints the one-time
    password and a token for enrolling hosts. Port 0 lets the system choose.

    \b
    Examples:
      vedette central --data /var/lib/vedette
      vedette central backup /mnt/backup/monday --data /var/lib/vedette
      vedette central restore /mnt/backup/monday --data /var/lib/vedette-new
    """  # noqa: D301 - click wants the backspace itself
    if ctx.invoked_subcommand is not None:
        return
    if data is None:
        raise click.UsageError("Missing option '--data'.", ctx)
    from vedette.central.app import Overrides, run

    run(data, Overrides(listen_ingest=listen_ingest, listen_api=listen_api, names=names))


@central.command("backup")
@click.argument("folder", type=_DATA, metavar="DIR")
@click.option("--data", type=_DATA, required=True, help="Directory of the Central Node.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines: progress, then what was done.")
def backup(folder: Path, data: Path, *, as_json: bool) -> None:
    """Copy the Central Node in DATA, which may run, into DIR, which must be new or empty.

    Everything that agents had receipts for when this began is in the copy, with state, keys, settings and releases.
    DIR then holds the keys of your deployment: keep it as secret as DATA. DIR is a backup once its manifest.json is
    there, which is written last.

    \b
    Examples:
      vedette central backup /mnt/backup/monday --data /var/lib/vedette
      vedette central backup /mnt/backup/$(date +%F) --data /var/lib/vedette --json
    """  # noqa: D301 - click wants the backspace itself
    from vedette.central.backup.make import backup as make
    from vedette.runtime.clock import now

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: nothing half-done stays
    try:
        made = make(data, folder, clock=now, progress=_Progress(as_json=as_json))
    except OSError as error:
        raise VedetteError(f"the backup could not be made, nothing is left of it: {error}") from error
    _tell(made, as_json=as_json)
    if not as_json:
        click.echo(f"Its pipeline had to wait for {made.paused:.2f} s. Restore it by:")
        click.echo(f"  vedette central restore {folder} --data NEW")


@central.command("restore")
@click.argument("folder", type=_DATA, metavar="DIR")
@click.option("--data", type=_DATA, required=True, help="New or empty directory to restore to.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines: progress, then what was done.")
def restore(folder: Path, data: Path, *, as_json: bool) -> None:
    """Make DATA, which must be new or empty, of the backup in DIR.

    Every file is compared with the manifest; if one is missing or differs, nothing is restored. Never let the old and
    the restored node run at the same time: to agents they are the same.

    \b
    Examples:
      vedette central restore /mnt/backup/monday --data /var/lib/vedette-new
      vedette central --data /var/lib/vedette-new
    """  # noqa: D301 - click wants the backspace itself
    from vedette.central.backup.restore import restore as remake

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        made = remake(folder, data, progress=_Progress(as_json=as_json))
    except OSError as error:
        raise VedetteError(f"the backup could not be restored, nothing is left of it: {error}") from error
    _tell(made, as_json=as_json)
    if not as_json:
        click.echo(f"Start it by:\n  vedette central --data {data}")


class _Progress:
    """Tells now and then how far it is: on the terminal in one line, else in JSON lines."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json, self._next = as_json, time.monotonic() + PROGRESS_SECONDS

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + PROGRESS_SECONDS
        if self._as_json:
            json_line({"done": done, "total": total})
        elif sys.stderr.isatty():
            click.echo(f"\r{size(done)} of {size(total)}   ", err=True, nl=done >= total)
        else:
            click.echo(f"{size(done)} of {size(total)}", err=True)


def _tell(made: "Made", *, as_json: bool) -> None:
    if as_json:
        json_line(made)
        return
    click.echo(
        f"{made.folder}: {made.files:,} files, {size(made.bytes)}, as of {when(made.made)}, in {made.seconds:.1f} s"
    )


@central.command("tables")
@click.option("--cluster", required=True, metavar="NAME", help="The cluster's name in the servers' `remote_servers`.")
@click.option("--upgrade", is_flag=True, help="What an older version's tables lack, instead of new tables.")
def tables(cluster: str, *, upgrade: bool) -> None:
    """Print the SQL that makes the event store's tables on ClickHouse servers.

    \b
    Example:
      vedette central tables --cluster vedette | clickhouse-client --multiquery
    """  # noqa: D301 - click wants the backspace itself
    from vedette.store.cluster_tables import create_all, upgrade_all

    for statement in (upgrade_all if upgrade else create_all)(cluster):
        click.echo(f"{statement};\n")
