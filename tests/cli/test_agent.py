"""`vedette agent`: what people see."""

import json
import os
import socket
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from vedette.agent.core.activity import Activity, Marked, ProgramCount
from vedette.agent.core.buffer import BufferStats
from vedette.agent.core.governor import BudgetReport, Gauge
from vedette.agent.core.hourly import Hourly
from vedette.agent.core.identity import Identity, IdentityStore
from vedette.agent.core.source import SourceState
from vedette.agent.core.status import SourceReport, Status, write_status
from vedette.agent.core.uplink import Link
from vedette.agent.linux.selftest_acts import CHECKS
from vedette.cli.agent import agent
from vedette.runtime.clock import MINUTE, now
from vedette.wire.token import make_token

IDENTITY = Identity(server="https://c:1", agent="a" * 32, tenant="default", group="servers", ca="", settings_key="")
STATUS = Status(
    version="0.1.0",
    pid=os.getpid(),
    started=1_760_000_000_000_000,
    updated=0,
    running=True,
    agent="a" * 32,
    tenant="default",
    group="servers",
    server="https://c:1",
    certificate_expires=1_770_000_000_000_000,
    mode="kernel:tracepoint",
    link=Link(state="busy", since=1_760_000_000_000_000, last_problem="the Central Node answered 503: spool is full"),
    buffer=BufferStats(batches=2, events=30, bytes=400, oldest=1_760_000_000_000_000, next=31, expired=4),
    waiting=0,
    losses={"file_change": 3},
    throttled={"file_change/budget.cpu": 900},
    budget=BudgetReport(
        level=4,
        because="cpu",
        since=1_760_000_000_000_000,
        exceeded=("cpu",),
        limits={
            "cpu": Gauge(limit=10.0, used=12.34, level=4, left=-0.1),
            "rss": Gauge(limit=200 << 20, used=100 << 20, level=0, left=1.0),
            "bytes": Gauge(limit=48 << 20, used=12 << 20, level=0, left=1.0),
        },
    ),
    events_per_hour={"module_load": Hourly(limit=1000, left=0)},
    activity=Activity(types={"process_start": 90}),
    sources=[SourceReport(loop=SourceState("kernel", "running"), details={"mode": "tracepoint"})],
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    IdentityStore(tmp_path).save(IDENTITY, b"key", "certificate")
    return tmp_path


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(agent, arguments)
    return result.exit_code, result.stdout, result.stderr


def test_help_shows_examples() -> None:
    code, out, _ = run("--help")
    assert code == 0
    assert "vedette agent enrol --server https://central.example:8441 --token vde_..." in out
    assert {"enrol", "run", "status"} <= set(out.split())


@pytest.mark.parametrize("command", ["run", "status"])
def test_a_host_that_is_not_enrolled_is_told_so(command: str, tmp_path: Path) -> None:
    code, _, err = run(command, "--data", str(tmp_path))
    assert (code, "this host is not enrolled; run `vedette agent enrol` first" in err) == (1, True)


def test_an_enrolled_host_that_never_ran_is_told_so(data: Path) -> None:
    code, _, err = run("status", "--data", str(data))
    assert (code, "has not run yet" in err) == (1, True)


def test_status_for_people(data: Path) -> None:
    write_status(data, msgspec.structs.replace(STATUS, updated=now()))
    code, out, _ = run("status", "--data", str(data))
    assert code == 0
    assert "https://c:1 busy since 2025-10-09T08:53:20Z: the Central Node answered 503: spool is full" in out
    assert "30 events, 400 bytes, oldest 2025-10-09T08:53:20Z" in out
    assert "3 file_change, 4 unsent (of these 0 for want of room)" in out
    assert "kernel running (tracepoint)" in out
    assert "900 file_change/budget.cpu" in out
    assert "level 4 of 4 since 2025-10-09T08:53:20Z because of cpu; exceeded: cpu, by process_start;" in out
    assert "cpu 12.3 of 10 %, rss 100.0 of 200 MiB, bytes 12.0 of 48 MiB/day" in out


def test_status_for_programs(data: Path) -> None:
    write_status(data, msgspec.structs.replace(STATUS, updated=now()))
    code, out, _ = run("status", "--data", str(data), "--json")
    found = json.loads(out)
    assert (code, found["alive"], found["buffer"]["events"], found["link"]["state"]) == (0, True, 30, "busy")


@pytest.mark.parametrize(
    "changes", [{"updated": now() - MINUTE}, {"running": False, "updated": now()}, {"pid": 2**22 + 1, "updated": now()}]
)
def test_an_agent_that_does_not_run_is_exit_1(data: Path, changes: dict[str, int]) -> None:
    write_status(data, msgspec.structs.replace(STATUS, **changes))
    code, out, _ = run("status", "--data", str(data))
    assert (code, "not running" in out) == (1, True)


def test_a_damaged_status_is_named(data: Path) -> None:
    (data / "status.json").write_text("{")
    code, _, err = run("status", "--data", str(data))
    assert (code, str(data / "status.json") in err) == (1, True)


def test_an_enrolled_host_keeps_its_identity_unless_forced(data: Path) -> None:
    code, _, err = run("enrol", "--server", "https://c:1", "--token", make_token("a" * 64), "--data", str(data))
    assert (code, "enrolled already" in err) == (1, True)


def test_a_server_that_cannot_be_reached_is_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{unused.getsockname()[1]}"
        code, _, err = run("enrol", "--server", url, "--token", make_token("a" * 64), "--data", str(tmp_path))
    assert code == 1
    assert err.startswith(f"Error: {url} cannot be reached: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--token", "x"], "this is not an enrolment token"),
        (["--token", make_token("a" * 64), "--server", "http://c"], "expected https://host:port"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_sent(tmp_path: Path, arguments: list[str], problem: str) -> None:
    code, _, err = run("enrol", "--server", "https://127.0.0.1:1", "--data", str(tmp_path), *arguments)
    assert (code, problem in err) == (1, True)


def test_a_missing_option_is_misuse() -> None:
    code, _, err = run("enrol")
    assert (code, "--server" in err) == (2, True)


def test_top_shows_types_programs_and_threads(data: Path) -> None:
    activity = Activity(
        seconds=60.0,
        events=300,
        bytes=6000,
        cpu={"source-kernel": 0.006},
        types={"file_change": 200, "process_start": 100},
        programs=[ProgramCount(program="/usr/bin/cc", events=300, types={"file_change": 200, "process_start": 100})],
    )
    write_status(data, msgspec.structs.replace(STATUS, updated=now(), activity=activity))
    code, out, _ = run("top", "--once", "--data", str(data))
    assert code == 0
    assert "5.0 events/s, 100 bytes/s sent, 0.01 % of a core, 20 us an event" in out
    assert ["file_change", "200", "67", "%"] in [line.split() for line in out.splitlines()]
    assert ["300", "100", "%", "file_change", "200,", "process_start", "100", "/usr/bin/cc"] in [
        line.split() for line in out.splitlines()
    ]
    assert ["source-kernel", "6", "100", "%"] in [line.split() for line in out.splitlines()]
    assert ["cpu", "12.3", "of", "10", "%", "123", "%", "exceeded"] in [line.split() for line in out.splitlines()]
    assert ["rss", "100.0", "of", "200", "MiB", "50", "%", "kept"] in [line.split() for line in out.splitlines()]
    assert ["module_load", "an", "hour", "1,000", "allowed", "-", "throttled"] in [
        line.split() for line in out.splitlines()
    ]
    code, out, _ = run("top", "--once", "--json", "--data", str(data))
    assert (code, json.loads(out)["activity"]["types"]["file_change"]) == (0, 200)


@pytest.mark.parametrize("command", [["top", "--once"], ["selftest"]])
def test_what_asks_the_running_agent_says_when_none_runs(data: Path, command: list[str]) -> None:
    write_status(data, msgspec.structs.replace(STATUS, running=False, updated=now()))
    code, _, err = run(*command, "--data", str(data))
    assert (code, f"the agent of {data} does not run; start it with `vedette agent run`" in err) == (1, True)


@pytest.mark.parametrize("delivers", [True, False])
def test_a_self_test_shows_each_check_and_fails_when_one_is_missing(
    data: Path, monkeypatch: pytest.MonkeyPatch, *, delivers: bool
) -> None:
    def perform(marker: str) -> None:
        marked = [Marked(marker=marker, source="kernel", type=check.event, events=1) for check in CHECKS]
        link = Link(state="online")
        status = msgspec.structs.replace(
            STATUS,
            link=link,
            updated=now() + 20 * 1_000_000,
            activity=Activity(marked=marked if delivers else marked[1:]),
        )
        write_status(data, status)

    write_status(data, msgspec.structs.replace(STATUS, updated=now()))
    monkeypatch.setattr("vedette.agent.linux.selftest_acts.perform", perform)
    code, out, _ = run("selftest", "--json", "--wait", "1", "--data", str(data))
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == (0 if delivers else 1)
    assert len(lines) == len(CHECKS) + 1
    assert (lines[0]["event"], lines[0]["delivered"]) == ("process_start", "yes" if delivers else "no")


def test_a_proxy_is_set_shown_without_its_password_and_removed(data: Path) -> None:
    assert run("proxy", "--data", str(data))[:2] == (0, "no proxy\n")
    code, out, _ = run("proxy", "http://agents:secret@proxy.example:3128", "--data", str(data))
    assert (code, out) == (0, "http://proxy.example:3128 as agents\n")
    result = CliRunner().invoke(agent, ["proxy", "-", "--data", str(data)], input="http://other.example:8080\n")
    assert (result.exit_code, result.stdout) == (0, "http://other.example:8080 without sign-in\n")
    assert run("proxy", "--remove", "--data", str(data))[:2] == (0, "no proxy\n")


def test_a_proxy_that_is_away_is_named_and_not_kept(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        options = ["--token", make_token("a" * 64), "--proxy", f"http://u:secret@{address}", "--data", str(tmp_path)]
        code, _, err = run("enrol", "--server", "https://127.0.0.1:1", *options)
    assert (code, err.startswith(f"Error: the proxy http://{address} cannot be reached: ")) == (1, True)
    assert "secret" not in err
    assert list(tmp_path.iterdir()) == []
