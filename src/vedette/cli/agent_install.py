"""`vedette agent install` and `uninstall`: the agent as a service of this host."""

import os
import sys
from pathlib import Path

import click

from vedette.cli.agent_data import data_option, last_status
from vedette.runtime.errors import VedetteError

_root = click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path("/"),
    help="Another file system than this host's (an image): nothing is started or stopped.",
)


@click.command("install")
@data_option
@_root
@click.option(
    "--executable",
    type=click.Path(path_type=Path),
    help="A `vedette` with its `python` beside it; this one by default.",
)
@click.option("--no-start", is_flag=True, help="Only write the files.")
def install(data: Path, root: Path, executable: Path | None, no_start: bool) -> None:  # noqa: FBT001 - click passes options so
    """Make the agent a systemd service of this host and start it.

    Done again after an upgrade it renews the unit and restarts the service; identity and buffer stay.
    """
    from vedette.agent.linux import service

    control = service.systemctl if root == Path("/") and not no_start and service.systemd_runs() else None
    started = executable or _this_program()
    try:
        unit = service.install(root=root, executable=started, data=data.absolute(), control=control)
    except VedetteError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"wrote {unit}")
    if not (root / data.absolute().relative_to("/") / "identity.json").exists():
        click.echo("the service waits until this host is enrolled: `vedette agent enrol`, then start it")
    elif control is None:
        click.echo(f"start it with: systemctl enable --now {service.UNIT}")
    else:
        click.echo("the agent is started; `vedette agent status` shows how it fares")


@click.command("uninstall")
@data_option
@_root
@click.option("--keep-data", is_flag=True, help="Leave identity, settings and buffer.")
def uninstall(data: Path, root: Path, keep_data: bool) -> None:  # noqa: FBT001 - click passes options so
    """Stop the service and remove it with the agent's directory: identity, settings and what was not sent."""
    from vedette.agent.linux import service

    control = service.systemctl if root == Path("/") and service.systemd_runs() else None
    if control is None and root == Path("/"):
        _refuse_a_running_agent(data)
    try:
        removed = service.uninstall(root=root, data=data.absolute(), keep_data=keep_data, control=control)
    except VedetteError as error:
        raise click.ClickException(str(error)) from error
    for path in removed:
        click.echo(f"removed {path}")
    if not removed:
        click.echo("nothing to remove")


def _this_program() -> Path:
    """Give the `vedette` that runs now, also when it was started as `python -m vedette`."""
    started = Path(sys.argv[0]).resolve()  # /usr/bin/vedette leads to where its Python is
    beside = Path(sys.executable).parent / "vedette"
    found = started if started.name == "vedette" else beside
    if not os.access(found, os.X_OK) or not os.access(found.with_name("python"), os.X_OK):
        raise click.ClickException(f"{found} cannot be started by its own Python; say what can with --executable")
    return found


def _refuse_a_running_agent(data: Path) -> None:
    try:
        alive = last_status(data)[1]
    except click.ClickException:
        return  # not enrolled, or never ran
    if alive:
        raise click.ClickException(f"the agent of {data} runs; stop it first")
