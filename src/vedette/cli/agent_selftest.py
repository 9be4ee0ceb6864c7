"""`vedette agent selftest`: do one harmless thing for each source, and see which ones the agent noticed."""

import platform
import secrets
import subprocess
import time
from pathlib import Path

import click
import msgspec

from vedette.cli.agent_data import data_option, running_status
from vedette.cli.printing import json_lines, table
from vedette.runtime.clock import SECOND

_COLUMNS = {"act": "did", "event": "event", "source": "source", "delivered": "delivered", "reason": "reason"}
_LOOK = 0.5


@click.command("selftest")
@data_option
@click.option("--wait", type=click.IntRange(1, 50), default=20, show_default=True, help="Seconds to wait for events.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines.")
def selftest(data: Path, wait: int, as_json: bool) -> None:  # noqa: FBT001 - click passes options so
    """Find out which sources of the running agent deliver. Exit 1 when one does not.

    Starts a program, creates, renames and deletes a file in the temporary directory, connects to itself on loopback
    and writes one audit record; all carry a marker and are sent on like any event.
    """
    if platform.system() != "Linux":
        raise click.ClickException("the self-test is there for Linux only")
    from vedette.agent.core import selftest as core
    from vedette.agent.linux import selftest_acts as acts

    running_status(data)
    marker = f"vedette-selftest-{secrets.token_hex(8)}"
    begun = time.time_ns() // 1000
    try:
        acts.perform(marker)
    except (OSError, subprocess.SubprocessError) as error:
        raise click.ClickException(f"the self-test could not be done: {error}") from error
    found = running_status(data)
    while core.missing(acts.CHECKS, found, marker) and found.updated < begun + wait * SECOND:
        time.sleep(_LOOK)
        found = running_status(data)
    lines = core.results(acts.CHECKS, found, marker)
    if as_json:
        json_lines(lines)
    else:
        table(_COLUMNS, [msgspec.to_builtins(line) for line in lines])
    if not core.passed(lines):
        raise SystemExit(1)
