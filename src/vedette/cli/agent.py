"""`vedette agent`: enrol this host, run the agent, ask how it fares."""

import faulthandler
import signal
import sys
import threading
from pathlib import Path

import click
import msgspec

from vedette.cli.agent_data import data_option, last_status
from vedette.cli.agent_install import install, uninstall
from vedette.cli.agent_proxy import proxy
from vedette.cli.agent_selftest import selftest
from vedette.cli.agent_top import top
from vedette.runtime.errors import VedetteError

MODES = ("lsm", "tracepoint", "audit", "proc", "poll")


@click.group("agent")
def agent() -> None:
    """Observe this host and send what happens to the Central Node.

    \b
    Examples:
      vedette agent enrol --server https://central.example:8441 --token vde_...
      vedette agent run
      vedette agent install
      vedette agent status --json
      vedette agent selftest
      vedette agent top
    """  # noqa: D301 - click wants the backspace itself


@agent.command("enrol")
@click.option("--server", required=True, help="The Central Node's ingest address, https://host:port.")
@click.option("--token", envvar="VEDETTE_ENROL_TOKEN", required=True, help="Enrolment token; it also pins the CA.")
@click.option("--ca", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="The deployment's CA, PEM.")
@click.option("--ca-fingerprint", default="", help="SHA-256 of the CA's DER, hex: checked beside the token's.")
@click.option(
    "--proxy",
    envvar="VEDETTE_PROXY",
    default="",
    help="HTTP proxy, http://[user:password@]host:port; `environment` takes HTTPS_PROXY, which else is not asked.",
)
@click.option("--force", is_flag=True, help="Replace the identity that this host has.")
@data_option
def enrol(  # noqa: PLR0913, PLR0917 - click passes options so
    server: str,
    token: str,
    ca: Path | None,
    ca_fingerprint: str,
    proxy: str,
    force: bool,  # noqa: FBT001 - same
    data: Path,
) -> None:
    """Get an identity for this host.

    \b
    Example:
      vedette agent enrol --server https://127.0.0.1:8441 --token vde_... --data ./agent
    """  # noqa: D301 - click wants the backspace itself
    from vedette.agent.core.enrolment import enrol as enrol_host
    from vedette.agent.core.identity import IdentityStore
    from vedette.agent.core.proxy import chosen_proxy, keep_proxy, parse_proxy
    from vedette.agent.platform import this_platform

    store = IdentityStore(data)
    if store.exists() and not force:
        raise click.ClickException(f"this host is enrolled already ({data}); --force replaces its identity")
    try:
        proxy = chosen_proxy(proxy)
        identity = enrol_host(
            store,
            server=server,
            token=token,
            facts=this_platform().facts(),
            ca=None if ca is None else ca.read_text(encoding="ascii"),
            ca_fingerprint=ca_fingerprint,
            proxy=parse_proxy(proxy) if proxy else None,
        )
        keep_proxy(data, proxy)
    except (VedetteError, OSError, UnicodeDecodeError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"enrolled as {identity.agent} (tenant {identity.tenant}, group {identity.group}) at {identity.server}")


@agent.command("run")
@data_option
@click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False),
    default="INFO",
    show_default=True,
    help="What is worth a line.",
)
@click.option(
    "--mode",
    envvar="VEDETTE_AGENT_MODE",
    type=click.Choice(("auto", *MODES)),
    default="auto",
    show_default=True,
    show_envvar=True,
    help="How a Linux kernel is observed; auto takes the best that works, any other one works or is an error.",
)
def run(data: Path, log_level: str, mode: str) -> None:
    """Observe and send until told to stop (SIGTERM or Ctrl-C)."""
    from vedette.agent.app import run as run_agent
    from vedette.agent.platform import this_platform
    from vedette.runtime.logs import setup

    setup("agent", level=log_level)
    if not faulthandler.is_enabled() and sys.__stderr__ is not None:
        faulthandler.enable(sys.__stderr__)  # systemd's watchdog sends SIGABRT: say where it hung
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        run_agent(data, stop, platform=this_platform(data, mode=mode.replace("auto", "")))
    except VedetteError as error:
        raise click.ClickException(str(error)) from error


@agent.command("status")
@data_option
@click.option("--json", "as_json", is_flag=True, help="One JSON line.")
def status(data: Path, as_json: bool) -> None:  # noqa: FBT001 - click passes options so
    """Say how the agent on this host fares. Exit 1 when it does not run."""
    from vedette.agent.core.status_text import lines

    found, alive = last_status(data)
    if as_json:
        click.echo(msgspec.json.encode({"alive": alive, **msgspec.to_builtins(found)}))
    else:
        for label, value in lines(found, alive=alive):
            click.echo(f"{label:<12} {value}")
    if not alive:
        raise SystemExit(1)


for _command in (install, proxy, selftest, top, uninstall):
    agent.add_command(_command)
