"""`vedette demo`: a Central Node, this host's agent and a benign activity to hunt for; Ctrl-C removes it all."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import click

from vedette.cli.client import Client, load_config
from vedette.cli.demo_scene import play
from vedette.runtime.errors import VedetteError

_READY_SECONDS = 60
_ARRIVE_SECONDS = 20


@click.command("demo")
@click.option("--data", type=click.Path(path_type=Path), default=Path(".vedette"), show_default=True)
@click.option("--exit-after-start", is_flag=True, hidden=True, help="end as soon as the first hunt has answered")
def demo(data: Path, *, exit_after_start: bool) -> None:
    """Run a Central Node and this host's agent, do something worth hunting for, and wait for Ctrl-C.

    Everything lives in DATA, listens on loopback only, and is removed at the end.
    """
    data = data.resolve()
    if data.exists():
        raise click.ClickException(
            f"{data} exists: another demo is running, or one was killed. Remove it to start anew: rm -r {data}"
        )
    data.mkdir(mode=0o700, parents=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, data, ignore_errors=True)
        _run(data, cleanup, stop, exit_after_start=exit_after_start)
        click.echo("\nStopping and removing everything ...")


def _run(data: Path, cleanup: contextlib.ExitStack, stop: threading.Event, *, exit_after_start: bool) -> None:
    started = time.monotonic()
    central = data / "central"
    click.echo("Starting the Central Node ...")
    cleanup.enter_context(
        _child(
            data / "central.log", "central", "--data", str(central),
            "--listen-api", _address(8440), "--listen-ingest", _address(8441),
        )
    )  # fmt: skip
    ports = _wait_for_ports(central / "run" / "ports.json", data / "central.log", stop)
    (data / "client.toml").symlink_to(central / "client.toml")
    client = cleanup.enter_context(Client(load_config({"VEDETTE_CLIENT": str(central / "client.toml")})))
    _wait_for_api(client, stop)
    if os.geteuid() != 0:
        click.secho("No agent: the kernel's events need root. Run `sudo make demo` to see this host.", fg="yellow")
    else:
        _start_agent(data, cleanup, client, ports["ingest"])
        _show_scene(data, client, stop)
    if stop.is_set():
        return
    for line in (data / "central.log").read_text().splitlines():
        if line.startswith("  "):
            click.echo(line)
    click.secho(f"\nReady after {time.monotonic() - started:.0f} s.", bold=True)
    if not exit_after_start:
        _say_what_to_try()
        stop.wait()


def _address(port: int) -> str:
    """Prefer the customary port; any other when it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return "127.0.0.1:0"
    return f"127.0.0.1:{port}"


@contextlib.contextmanager
def _child(log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a `vedette` command beside this one; end it at the end."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "vedette", *arguments],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _vedette(data: Path, *arguments: str) -> str:
    """Give what a command prints. Raises ClickException with its sentence when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "vedette", *arguments],
        env=os.environ | {"VEDETTE_CLIENT": str(data / "client.toml")},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    if done.returncode:
        raise click.ClickException(f"vedette {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _wait_for_ports(path: Path, log: Path, stop: threading.Event) -> dict[str, int]:
    """Wait until every part of the Central Node has its port."""
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        ports: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        if {"ingest", "api"} <= set(ports):
            return ports
        if stop.wait(0.1):
            raise click.Abort
        if time.monotonic() > deadline:
            raise click.ClickException(f"the Central Node did not start:\n{log.read_text()[-2000:]}")


def _wait_for_api(client: Client, stop: threading.Event) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            client.get("/hosts")
        except VedetteError as error:
            if stop.wait(0.2):
                raise click.Abort from error
            if time.monotonic() > deadline:
                raise
        else:
            return


def _start_agent(data: Path, cleanup: contextlib.ExitStack, client: Client, port: int) -> None:
    click.echo("Enrolling and starting this host's agent ...")
    # The store's own files would be events, which make the store write.
    _vedette(data, "settings", "set", "default", f"exclude_paths={data}/central/*")
    token = client.post("/enrolment-tokens", {})["secret"]
    agent = str(data / "agent")
    _vedette(data, "agent", "enrol", "--server", f"https://127.0.0.1:{port}", "--token", token, "--data", agent)
    cleanup.enter_context(_child(data / "agent.log", "agent", "run", "--data", agent))


def _show_scene(data: Path, client: Client, stop: threading.Event) -> None:
    """Wait for the first event, play the scene, and show what the hunt finds of it."""
    _wait_for_event(client, "event.type:*", stop)
    mark = play(data / "scene")
    _wait_for_event(client, f"event.type:process_stop AND process.command_line:*{mark}*", stop)
    query = f"event.type:process_start AND process.command_line:*{mark}*"
    click.echo(f"\n$ vedette hunt '{query}'")
    click.echo(_vedette(data, "hunt", query, "--since", "10m", "--brief"))


def _wait_for_event(client: Client, query: str, stop: threading.Event) -> None:
    deadline = time.monotonic() + _ARRIVE_SECONDS
    while not client.post("/events/search", {"query": query, "since": "10m", "limit": 1})["events"]:
        if stop.wait(0.2):
            raise click.Abort
        if time.monotonic() > deadline:
            click.secho(f"Nothing matches {query!r} after {_ARRIVE_SECONDS} s; see agent.log.", fg="yellow")
            return


def _say_what_to_try() -> None:
    program = Path(sys.executable).with_name("vedette")
    click.echo(
        f"""
Work on this host for a minute, then, in another terminal in this folder:

  alias vedette={program}
  vedette hunt 'process.file.name:curl'            who ran curl: hashes, user, parents
  vedette hunt 'file.inherited_privileges:setuid'  new setuid files
  vedette hunt 'event.type:network_connect'        connections
  vedette hunt "EventType == 'filechange' AND FileName == '*.sh'" --language kata
  vedette tree ENTITY_ID                           a process, its parents and its children
  vedette hosts; vedette ledger                    what was sent, received, stored, lost

Ctrl-C stops everything and removes it."""
    )
