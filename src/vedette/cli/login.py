"""`vedette login`: sign in with name and password, keep an API token."""

import getpass
import socket
import sys
from pathlib import Path

import click
import msgspec

from vedette.cli.client import ApiError, Client, ClientConfig, config_files, load_config, save_config
from vedette.runtime.errors import ConfigError


@click.command("login")
@click.argument("url", default="")
@click.option("--name", "-n", default="admin", show_default=True, help="Name of the account.")
@click.option("--ca", metavar="FILE", help="The deployment's CA certificate.")
@click.option("--days", type=click.IntRange(1, 365), default=30, show_default=True, help="How long the token lasts.")
@click.option("--password-stdin", is_flag=True, help="Read the password (and a second line: the new one) from stdin.")
def login(url: str, *, name: str, ca: str | None, days: int, password_stdin: bool) -> None:
    """Sign in at URL and keep an API token in client.toml, readable by you only.

    A one-time password must be replaced: you are asked for a new one.

    \b
    Examples:
      vedette login https://central.example:8440 --ca ca.pem
      vedette login --name ann
    """  # noqa: D301 - click wants the backspace itself
    before = load_config()
    path = config_files()[0] if config_files()[0].is_file() else config_files()[-1]
    address = url or before.url
    if not address.startswith("https://"):
        raise ConfigError(f"the server's address must begin with https://, not {address!r}")
    config = ClientConfig(url=address, ca=str(Path(ca).absolute()) if ca else before.ca)
    with Client(config) as client:
        _sign_in(client, name, stdin=password_stdin)
        token = client.post("/api-tokens", {"name": f"vedette login on {socket.gethostname()}"[:64], "days": days})
        client.post("/logout")
    save_config(msgspec.structs.replace(config, token=token["secret"]), path)
    click.echo(f"signed in as {name}; the token is in {path} and lasts {days} days")


def _sign_in(client: Client, name: str, *, stdin: bool) -> None:
    password = _ask(f"Password of {name}: ", stdin=stdin)
    me = client.post("/login", {"name": name, "password": password})
    client.csrf = me["csrf"]
    while me["must_change_password"]:
        click.echo("This is a one-time password. Choose your own, at least 12 characters.", err=True)
        new = _ask("New password: ", stdin=stdin)
        if not stdin and new != getpass.getpass("The same again: "):
            click.echo("These two differ.", err=True)
            continue
        try:
            client.put("/me/password", {"current": password, "new": new})
        except ApiError as error:
            if stdin or error.word != "weak-password":
                raise
            click.echo(str(error), err=True)
            continue
        return


def _ask(prompt: str, *, stdin: bool) -> str:
    if not stdin:
        return getpass.getpass(prompt)
    return sys.stdin.readline().rstrip("\n")
