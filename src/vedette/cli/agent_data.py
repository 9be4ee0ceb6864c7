"""The agent's directory on the command line, and what the agent in it last said."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from vedette.runtime.clock import SECOND, now
from vedette.runtime.errors import VedetteError

if TYPE_CHECKING:
    from vedette.agent.core.status import Status

DEFAULT_DATA: Final = Path("/var/lib/vedette-agent")
STALE: Final = 30 * SECOND
"""A status older than this is that of an agent which does not run."""

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DATA,
    show_default=True,
    help="The agent's directory: identity, buffer, settings, status.",
)


def last_status(data: Path) -> "tuple[Status, bool]":
    """Give the status of the agent of `data`, and whether it runs now. ClickException when there is none."""
    from vedette.agent.core.identity import IdentityStore
    from vedette.agent.core.status import read_status

    try:
        IdentityStore(data).load()
        found = read_status(data)
    except (VedetteError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if found is None:
        raise click.ClickException(f"{data}: enrolled, but the agent has not run yet")
    return found, found.running and now() - found.updated < STALE and _lives(found.pid)


def running_status(data: Path) -> "Status":
    """Give the status of the agent that runs now. ClickException when it does not."""
    found, alive = last_status(data)
    if not alive:
        raise click.ClickException(f"the agent of {data} does not run; start it with `vedette agent run`")
    return found


def _lives(pid: int) -> bool:
    if os.name == "nt":
        return True  # signal 0 is no question there
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
