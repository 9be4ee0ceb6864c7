"""The formula of sizes: values in, values out."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import REPOSITORY

from vedette.central.sizing import Costs, Limits, Load, batch_rate, hosts_until, size, writer_share
from vedette.runtime.errors import ConfigError

LIGHT = Load(hosts=1_000, events_per_host_hour=360, peak=10, send_interval=9, days=10)
"""0.1 events a second and host, 1 at the peak; a batch each 10 s, and a sign of life each minute."""


def test_a_small_fleet_is_reckoned_by_hand() -> None:
    costs = Costs(busy=0.5)
    made = size(LIGHT, costs)
    assert (made.events, made.events_peak) == pytest.approx((100, 1_000))
    batches = 1_000 * (1 / 10 + 1 / 60)
    assert made.batches_peak == pytest.approx(batches)
    assert made.ingest_cores == pytest.approx((1_000 * 0.25 + batches * 290) / 1e6 / 0.5)
    assert made.pipeline_cores == pytest.approx((1_000 * 6.5 + batches * 430) / 1e6 / 0.5)
    assert made.store_cores == pytest.approx(1_000 * 9.5 / 1e6 / 0.5)
    assert made.day == pytest.approx(100 * 86_400 * 60)
    assert made.disk == pytest.approx(made.day * 10 * 1.25)
    assert made.network == pytest.approx(8 * (1_000 * 60 + batches * 2_200))
    assert (made.ingests, made.pipelines, made.shards, made.nodes, made.cores) == (1, 1, 1, 1, 1)


def test_rules_cost_the_pipeline_and_a_longer_interval_saves_batches() -> None:
    plain = size(LIGHT)
    rules = size(msgspec.structs.replace(LIGHT, rules=True))
    slow = size(msgspec.structs.replace(LIGHT, send_interval=30))
    assert rules.pipeline_cores - plain.pipeline_cores == pytest.approx(1_000 * 20 / 1e6 / 0.7)
    assert slow.batches_peak < plain.batches_peak / 2
    assert slow.store_cores == plain.store_cores


@pytest.mark.parametrize(
    ("limits", "what"),
    [
        (Limits(connections=999), "connections of ingest"),
        (Limits(node_disk=1e9), "10 TB of disk"),
        (Limits(ledger_rows=1), "the ledger is a minute behind"),
    ],
)
def test_what_breaks_first_comes_first(limits: Limits, what: str) -> None:
    assert next(iter(hosts_until(LIGHT, limits=limits))) == what


def test_the_one_writer_of_the_state_is_never_divided() -> None:
    limits = Limits(ledger_rows=100, connections=500)
    made = size(LIGHT, limits=limits)
    batches = made.batches_peak
    assert made.ingests == 2
    assert made.writer == pytest.approx((batches * (18 + 12) + min(batches, 2 * 100) * 42) / 1e6)
    until = hosts_until(LIGHT, limits=limits)["the state's one writer"]
    share = writer_share(until * batch_rate(LIGHT, Costs()), Costs(), limits, ingests=1, several=False)
    assert share == pytest.approx(0.7, abs=0.001)


def test_several_nodes_are_told_when_one_is_too_small() -> None:
    made = size(LIGHT, limits=Limits(connections=300))
    assert (made.ingests, made.nodes) == (4, 4 + 1 + 1 + 1)
    assert size(LIGHT, limits=Limits(node_disk=2e9)).shards == 4


@pytest.mark.parametrize("interval", [2.0, 30.0])
def test_the_page_names_the_limits_that_the_formula_gives(interval: float) -> None:
    page = (REPOSITORY / "docs" / "scaling.md").read_text(encoding="utf-8")
    until = hosts_until(Load(hosts=1, send_interval=interval))
    told = [until["the one core of ingest"], until["the ledger is a minute behind"], until["10 TB of disk"]]
    told += [until[f"{Limits().node_cores} cores"]] if interval > 2 else []
    for hosts in told:
        assert f"| {int(float(f'{hosts:.2g}')):,} |" in page
    costs = Costs()
    assert f"| receive | {costs.receive_event} us | {costs.receive_batch:.0f} us |" in page
    assert f"| decode and join | {costs.prepare_event} us | {costs.prepare_batch:.0f} us |" in page
    assert f"| store | {costs.store_event} us | - |" in page


LOADS = st.builds(
    Load,
    hosts=st.integers(1, 10**7),
    events_per_host_hour=st.floats(0.1, 1e6),
    days=st.integers(1, 3_650),
    peak=st.floats(1, 100),
    send_interval=st.floats(1, 30),
    rules=st.booleans(),
)


@given(LOADS)
def test_more_hosts_never_need_less(load: Load) -> None:
    one, two = size(load), size(msgspec.structs.replace(load, hosts=2 * load.hosts))
    for name in ("ingests", "pipelines", "shards", "nodes", "cores", "memory", "disk", "network"):
        assert 0 < getattr(one, name) <= getattr(two, name)
    assert one.drain > 0
    assert batch_rate(load, Costs()) <= 1 / load.send_interval + 1 / 60 + 1e-9


@pytest.mark.parametrize("wrong", [{"hosts": 0}, {"days": 0}, {"send_interval": 0.0}, {"peak": 0.5}])
def test_a_load_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        size(msgspec.structs.replace(LIGHT, **wrong))
