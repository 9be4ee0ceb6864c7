"""`vedette agent proxy`: show, set or remove the proxy through which the agent reaches the Central Node."""

import sys
from pathlib import Path

import click

from vedette.cli.agent_data import data_option
from vedette.runtime.errors import VedetteError


@click.command("proxy")
@click.argument("url", required=False)
@click.option("--remove", is_flag=True, help="Connect without a proxy.")
@data_option
def proxy(url: str | None, remove: bool, data: Path) -> None:  # noqa: FBT001 - click passes options so
    """Show the agent's HTTP proxy, or set it to URL (http://[user:password@]host:port, or `environment`).

    A running agent takes it with its next connection. `-` reads URL from standard input, so that no password is in
    the list of processes.
    """
    from vedette.agent.core.identity import IdentityStore
    from vedette.agent.core.proxy import chosen_proxy, keep_proxy, kept_proxy

    if url and remove:
        raise click.UsageError("either URL or --remove")
    try:
        IdentityStore(data).load()
        if remove:
            keep_proxy(data, "")
        elif url:
            keep_proxy(data, chosen_proxy(sys.stdin.readline() if url == "-" else url))
        found = kept_proxy(data)
    except (VedetteError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if found is None:
        click.echo("no proxy")
    else:
        click.echo(f"{found.address} {f'as {found.user}' if found.user else 'without sign-in'}")
