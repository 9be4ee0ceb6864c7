"""Commands against a served API."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.central.api.conftest import PASSWORD, START, Api, RealStore
from tests.central.api.test_events import ENTITY, row
from tests.central.api.test_hosts import enrol
from tests.cli.conftest import Vedette

from vedette.central.api.parts import Node
from vedette.cli.client import Client, load_config
from vedette.cli.hunt import arrivals
from vedette.query.statement import Statement
from vedette.runtime.clock import SECOND
from vedette.schema.access import Role
from vedette.store.events import EventStoreError
from vedette.store.state import accounts, ledger

ALWAYS = ("--since", str(START - 3600 * SECOND), "--until", str(START + SECOND))


@pytest.fixture
def hunting(api: Api, real_store: RealStore, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a function that stores events and makes the command's caller one of their tenant."""
    api.store.answer = real_store.ask

    def hold(*rows: dict[str, Any]) -> None:
        tenant = real_store.insert(list(rows))
        account = api.account(f"ann-{tenant}", Role.ADMINISTRATOR, tenants=(tenant,))
        monkeypatch.setenv("VEDETTE_TOKEN", api.token(account))

    return hold


def test_hunt_shows_what_happened_with_hashes_user_and_parent(vedette: Vedette, hunting: Any) -> None:
    hunting(
        row(1, process__command_line="curl -s x", process__file__name="curl", process__file__sha256="a" * 64,
            process__entity_id=ENTITY, user__name="root", host__name="web", process__parent__command_line="bash -l",
            process__parent__entity_id="b" * 32),
    )  # fmt: skip
    result = vedette("hunt", "process.file.name:curl", *ALWAYS)
    assert result.exit_code == 0
    for value in ("web", "root", "process_start", "curl -s x", "a" * 64, "bash -l", ENTITY):
        assert value in result.stdout
    assert "a" * 64 not in vedette("hunt", "", "--brief", *ALWAYS).stdout
    (line,) = vedette("hunt", "", "--json", *ALWAYS).stdout.splitlines()
    assert json.loads(line)["process.command_line"] == "curl -s x"
    result = vedette("hunt", "", "--columns", "host.name,CommandLine", *ALWAYS)
    assert result.stdout.splitlines()[0].split() == ["host.name", "process.command_line"]
    assert "1 events of 1 hosts" in vedette("hunt", "--count", *ALWAYS).stdout
    assert "curl" in vedette("hunt", "--top", "FileName", *ALWAYS).stdout


def test_hunt_asks_what_an_ioc_file_asks_and_says_what_it_cannot(
    vedette: Vedette, hunting: Any, tmp_path: Path
) -> None:
    hunting(
        row(1, event__type="dns_query", dns__query="a.Evil.example."),
        row(2, event__type="dns_query", dns__query="notevil.example"),
        row(3, event__type="file_create", file__md5="a" * 32),
    )
    (tmp_path / "list.txt").write_text("evil[.]example\n" + "A" * 32 + "\n" + "0" * 40)
    result = vedette("hunt", "--ioc", str(tmp_path / "list.txt"), "--json", *ALWAYS)
    assert [json.loads(line)["event.type"] for line in result.stdout.splitlines()] == ["dns_query", "file_create"]
    assert "digest of 40 digits" in result.stderr
    assert "2 events" in vedette("hunt", "--ioc", str(tmp_path / "list.txt"), "--count", *ALWAYS).stdout
    (tmp_path / "big.txt").write_text("\n".join([f"h{n}.example" for n in range(11_000)] + ["evil.example", "a" * 32]))
    result = vedette("hunt", "--ioc", str(tmp_path / "big.txt"), "--json", *ALWAYS)
    assert [json.loads(line)["event.type"] for line in result.stdout.splitlines()] == ["dns_query", "file_create"]
    assert vedette("hunt", "--ioc", str(tmp_path / "big.txt"), "--count", *ALWAYS).exit_code == 2


def test_hunt_takes_more_pages_up_to_its_limit_and_says_that_there_is_more(vedette: Vedette, hunting: Any) -> None:
    hunting(*(row(number) for number in range(1, 3001)))
    result = vedette("hunt", "--json", "--limit", "2500", *ALWAYS)
    assert len(result.stdout.splitlines()) == 2500
    assert "there are more" in result.stderr
    assert len(vedette("hunt", "--json", "--limit", "5000", *ALWAYS).stdout.splitlines()) == 3000


def test_an_export_is_whole_under_its_name_or_a_part(
    vedette: Vedette, hunting: Any, api: Api, real_store: RealStore, tmp_path: Path
) -> None:
    hunting(*(row(number) for number in range(1, 12_001)))
    hours = ("--since", str(START - 4 * 3600 * SECOND), "--until", str(START))
    file = tmp_path / "found.csv"
    result = vedette("hunt", "--export", str(file), "--columns", "event.sequence", *hours)
    assert (result.exit_code, len(file.read_text().splitlines())) == (0, 12_001)
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(vedette("hunt", "--export", "-", "--format", "jsonl", *hours).stdout.splitlines()) == 12_000
    assert vedette("hunt", "--export", str(tmp_path / "found.parquet"), *hours).exit_code == 0
    assert pq.read_table(tmp_path / "found.parquet").num_rows == 12_000
    assert vedette("hunt", "--export", "found.txt", *hours).exit_code == 2
    asked: list[object] = []

    def failing(statement: Statement) -> Any:
        asked.append(statement)
        if len(asked) > 6:
            raise EventStoreError("Timeout exceeded", code=159)
        return real_store.ask(statement)

    api.store.answer = failing
    cut = vedette("hunt", "--export", str(tmp_path / "cut.jsonl"), *hours)
    assert (cut.exit_code, "it is not all" in cut.stderr) == (1, True)
    assert not (tmp_path / "cut.jsonl").exists()
    assert (tmp_path / "cut.jsonl.part").exists()
    assert vedette("hunt", "no such field:x", "--export", str(tmp_path / "no.csv"), *hours).exit_code == 1
    assert not list(tmp_path.glob("no.csv*"))


def test_a_search_is_kept_listed_run_and_deleted(vedette: Vedette, hunting: Any) -> None:
    hunting(row(1, user__name="root"), row(2, user__name="ann"))
    save = ("searches", "save", "roots", "user.name:root", "--since", ALWAYS[1], "--until", ALWAYS[3])
    assert vedette(*save, "--columns", "user.name").exit_code == 0
    assert "version 2" in vedette(*save, "--shared").stdout
    assert "roots" in vedette("searches").stdout
    for command in (("hunt", "--saved", "roots"), ("searches", "run", "roots")):
        (line,) = vedette(*command, "--json").stdout.splitlines()
        assert json.loads(line)["user.name"] == "root"
    later = vedette("searches", "run", "roots", "--since", str(START - SECOND // 2), "--json")
    assert (later.exit_code, later.stdout) == (0, "")
    assert vedette("hunt", "x", "--saved", "roots").exit_code == 2
    assert vedette("searches", "delete", "roots").exit_code == 0
    assert "no saved search" in vedette("hunt", "--saved", "roots").stderr


def test_hunt_says_why_there_is_nothing(vedette: Vedette, hunting: Any) -> None:
    hunting(row(1, host__name="web"))
    result = vedette("hunt", "user.name:nobody", *ALWAYS)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "the newest event is process_start" in result.stderr
    assert "from host web" in result.stderr
    assert "hint: process.file.path is a whole path" in vedette("hunt", "process.file.path:curl", *ALWAYS).stderr
    assert "process.file.path" in vedette("hunt", "process.file.path:curl", "--explain").stdout


@pytest.mark.usefixtures("vedette")
def test_following_shows_each_event_once_as_it_arrives(
    api: Api, hunting: Any, real_store: RealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    hunting(row(3), row(2))
    monkeypatch.setattr("vedette.cli.hunt.now", lambda: api.clock() - 1)
    monkeypatch.setattr("vedette.cli.hunt.time.sleep", lambda _seconds: None)
    with Client(load_config()) as client:
        tenant = client.get("/me")["tenants"][0]
        coming = arrivals(client, {"query": "", "since": "1m"})
        assert [event["event.sequence"] for event in next(coming)] == [3, 2]
        assert next(coming) == []
        real_store.insert([row(1), row(9)], tenant=tenant)
        assert [event["event.sequence"] for event in next(coming)] == [9, 1]
        assert next(coming) == []


def test_hunt_points_at_what_it_does_not_understand(vedette: Vedette) -> None:
    result = vedette("hunt", "user.name:x AND\nuser.nmae:y")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-2:] == ["  user.nmae:y", "  ^"]
    assert "did you mean" in result.stderr


def test_tree_draws_ancestors_and_descendants(vedette: Vedette, hunting: Any) -> None:
    hunting(
        row(9, process__entity_id="1" * 32, process__command_line="bash", process__pid=10, user__name="ann"),
        row(8, process__entity_id=ENTITY, process__parent__entity_id="1" * 32, process__command_line="make"),
        row(7, process__entity_id="3" * 32, process__parent__entity_id=ENTITY, process__command_line="cc"),
        row(6, event__type="process_stop", process__entity_id="3" * 32, process__end_time=START, process__exit_code=4),
    )
    result = vedette("tree", ENTITY)
    assert result.exit_code == 0, result.output
    shown = [line for line in result.stdout.splitlines() if "[" in line]
    assert [line.lstrip(" └─├│").split("  ")[0] for line in shown] == ["bash", "make", "cc"]
    assert "exit code 4" in result.stdout
    assert [json.loads(line)["depth"] for line in vedette("tree", ENTITY, "--json").stdout.splitlines()] == [-1, 0, 1]
    assert vedette("tree", "f" * 32).exit_code == 1


def test_hosts_are_listed_moved_and_revoked(vedette: Vedette, api: Api) -> None:
    assert "there are no hosts yet" in vedette("hosts").stderr
    host = enrol(api, "web")
    assert "web" in vedette("hosts").stdout
    vedette("settings", "groups", "--add", "lab")
    assert "in lab now" in vedette("hosts", "move", host, "lab").stdout
    assert vedette("hosts", "revoke", host).exit_code == 1
    assert "revoked" in vedette("hosts", "revoke", host, "--yes").stdout
    assert json.loads(vedette("hosts", "--json").stdout)["group"] == "lab"


def test_ledger_shows_each_stream(vedette: Vedette, api: Api) -> None:
    assert "no host has sent" in vedette("ledger").stderr
    host = enrol(api, "web")
    with api.state.write() as db:
        received = ledger.StreamReceived(agent=host, epoch="e", ranges=((1, 1500), (1502, 1502)), sent_last=1502)
        ledger.record_streams(db, [received], now=api.clock())
    assert "1,501" in vedette("ledger").stdout
    assert "missing in e: 1,501 to 1,501" in vedette("ledger", "web").stdout
    line = json.loads(vedette("ledger", "--json").stdout)
    assert (line["host"], line["epoch"], line["sent"], line["received"]) == (host, "e", 1502, 1501)
    assert line["gaps"] == [{"first": 1501, "last": 1501}]


def test_tokens_are_made_listed_and_revoked(vedette: Vedette, api: Api) -> None:
    made = json.loads(vedette("tokens", "create", "--note", "lab", "--json").stdout)
    assert made["token"].startswith("vde_")
    assert ":PORT --token" in vedette("tokens", "create").stderr
    api.parts.node = Node(agents_port=lambda: 9443)
    assert "--server https://127.0.0.1:9443 --token" in vedette("tokens", "create").stderr
    assert "usable" in vedette("tokens", "list").stdout
    assert vedette("tokens", "revoke", made["id"]).exit_code == 0
    assert "revoked" in vedette("tokens", "list").stdout
    assert vedette("tokens", "revoke", made["id"]).exit_code == 1


def test_users_are_added_changed_and_reset(vedette: Vedette) -> None:
    assert vedette("users", "add", "bob", "--role", "officer").exit_code == 0
    assert "auditor" in vedette("users", "change", "bob", "--role", "auditor").stdout
    assert "disabled" in vedette("users", "change", "bob", "--disable").stdout
    assert vedette("users", "change", "bob").exit_code == 2
    assert json.loads(vedette("users", "reset-password", "bob", "--json").stdout)["password"]
    assert vedette("users", "reset-password", "nobody").exit_code == 1
    assert "bob" in vedette("users", "list").stdout


def test_ones_own_account_has_tokens_and_sessions(vedette: Vedette, api: Api) -> None:
    assert "ann, administrator" in vedette("account").stdout
    made = json.loads(vedette("account", "add-token", "ci", "--right", "hosts.read", "--json").stdout)
    assert "usable" in vedette("account", "tokens").stdout
    assert api.client(made["token"]).get("/hosts").status_code == 200
    assert vedette("account", "revoke-token", made["id"]).exit_code == 0
    assert "revoked" in vedette("account", "tokens").stdout
    assert "no sessions" in vedette("account", "sessions").stderr
    session = api.signed_in("ann").get("/me").json()["via"].partition(":")[2]
    assert session in vedette("account", "sessions").stdout
    assert vedette("account", "end-session", session).exit_code == 0
    assert vedette("account", "end-session", session).exit_code == 1


def test_settings_are_shown_and_changed_one_by_one(vedette: Vedette) -> None:
    assert "send_interval" in vedette("settings", "show").stdout
    done = vedette("settings", "set", "default", "send_interval=5", "exclude_paths=/a,/b", "keep_environment=false")
    assert done.exit_code == 0, done.output
    assert vedette("settings", "set", "default", "buffer_days=7").exit_code == 0
    held = json.loads(vedette("settings", "show", "default", "--json").stdout)["settings"]
    assert (held["send_interval"], held["exclude_paths"], held["keep_environment"]) == (5.0, ["/a", "/b"], False)
    assert (held["buffer_days"], held["version"]) == (7, 3)
    for wrong in ("send_interval", "nonsense=1", "send_interval=x", "version=9"):
        assert vedette("settings", "set", "default", wrong).exit_code == 2
    assert vedette("settings", "set", "default", "send_interval=99").exit_code != 0
    limits = "budget_events_per_hour=file_create:20000,module_load:500"
    assert vedette("settings", "set", "default", limits, "budget_cpu_percent=2.5").exit_code == 0
    held = json.loads(vedette("settings", "show", "default", "--json").stdout)["settings"]
    assert held["budget_events_per_hour"] == {"file_create": 20000, "module_load": 500}
    assert held["budget_cpu_percent"] == 2.5
    refused = vedette("settings", "set", "default", "budget_events_per_hour=network_connect:1")
    assert (refused.exit_code, "network_connect cannot be limited" in refused.stderr) == (1, True)


def test_audit_is_listed_and_verified(vedette: Vedette, api: Api) -> None:
    vedette("settings", "groups", "--add", "lab")
    assert "group.create" in vedette("audit", "list").stdout
    assert "whole: 1 entries" in vedette("audit", "verify").stdout
    from sqlalchemy import text

    with api.state.write() as db:
        db.execute(text("DELETE FROM audit"))
    result = vedette("audit", "verify")
    assert result.exit_code == 1
    assert "NOT whole" in result.stderr


def test_fields_need_no_server(vedette: Vedette, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEDETTE_URL", "")
    assert "process.command_line" in vedette("fields", "commandline").stdout
    assert "not searchable" in vedette("fields", "blocked.hash_type").stdout
    assert "no field" in vedette("fields", "nonsense-name").stderr


def test_a_size_is_reckoned_without_a_server(vedette: Vedette) -> None:
    told = vedette("doctor", "sizing", "--hosts", "100000", "--send-interval", "30")
    assert told.exit_code == 0
    assert "and three small ones for NATS" in told.output
    made = json.loads(vedette("doctor", "sizing", "--hosts", "1000", "--json").output)
    assert (made["nodes"], made["cores"]) == (1, 1)
    assert vedette("doctor", "sizing", "--hosts", "0").exit_code == 2


def test_doctor_says_what_is_not_well(vedette: Vedette, api: Api) -> None:
    vedette("settings", "groups", "--add", "lab")
    assert vedette("doctor").exit_code == 0
    enrol(api, "silent")
    result = vedette("doctor")
    assert result.exit_code == 1
    assert "silent" in result.stdout


def test_an_unusable_token_asks_to_sign_in(vedette: Vedette, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEDETTE_TOKEN", "vdt_x_y")
    result = vedette("hosts")
    assert result.exit_code == 1
    assert "run `vedette login`" in result.stderr


def test_login_refuses_a_server_without_tls(vedette: Vedette, api: Api) -> None:
    result = vedette("login", api.url, "--password-stdin", input=f"{PASSWORD}\n")
    assert result.exit_code == 1
    assert "https://" in result.stderr
    with api.state.read() as db:
        assert accounts.credentials(db, "ann") is not None
    assert not Path("client.toml").exists()
