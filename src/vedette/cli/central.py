"""`vedette central`: run a Central Node."""

from pathlib import Path

import click


@click.command("central")
@click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), required=True, help="Directory of this Central Node."
)
@click.option("--listen-ingest", metavar="HOST:PORT", help="Where agents connect. [default: 127.0.0.1:8441]")
@click.option("--listen-api", metavar="HOST:PORT", help="Where console and API answer. [default: 127.0.0.1:8440]")
@click.option("--name", "names", multiple=True, metavar="NAME", help="A DNS name or address of this server.")
def central(data: Path, listen_ingest: str | None, listen_api: str | None, names: tuple[str, ...]) -> None:
    """Run a Central Node in DATA until it is told to stop.

    The first start makes keys, a certificate authority and an administrator, and prints the one-time
    password and a token for enrolling hosts. Port 0 lets the system choose.
    """
    from vedette.central.app import Overrides, run
    from vedette.runtime.errors import VedetteError

    try:
        run(data, Overrides(listen_ingest=listen_ingest, listen_api=listen_api, names=names))
    except VedetteError as error:
        raise click.ClickException(str(error)) from error
