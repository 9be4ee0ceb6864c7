"""The options that every command of people has: which server, and how to print."""

import functools
from collections.abc import Callable
from typing import Any

import click
import msgspec

from vedette.cli.client import Client, load_config


def connected(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the API client as its first argument, and --url, --ca, --token and --json."""

    @click.option("--url", metavar="URL", help="The API's URL (else VEDETTE_URL, else client.toml).")
    @click.option("--ca", metavar="FILE", help="The deployment's CA certificate (else VEDETTE_CA).")
    @click.option("--token", metavar="TOKEN", help="API token (better VEDETTE_TOKEN: flags are seen by others).")
    @click.option("--json", "as_json", is_flag=True, help="JSON lines instead of a table.")
    @functools.wraps(command)
    def run(*args: Any, url: str | None, ca: str | None, token: str | None, as_json: bool, **options: Any) -> None:
        given = {"url": url, "ca": ca, "token": token}
        config = msgspec.structs.replace(load_config(), **{name: value for name, value in given.items() if value})
        with Client(config) as client:
            command(client, *args, as_json=as_json, **options)

    return run


class ListingGroup(click.Group):
    """A group that lists when no command is named: `vedette hosts --json` is `vedette hosts list --json`."""

    default = "list"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command in where none is named."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = [self.default, *args]
        return super().parse_args(ctx, args)
