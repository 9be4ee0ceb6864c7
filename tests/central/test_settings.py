"""Settings of a Central Node."""

from pathlib import Path

import pytest

from vedette.central.layout import Layout
from vedette.central.settings import CentralSettings, load, shard_urls, split_address, state_url
from vedette.runtime.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8441", ("127.0.0.1", 8441)),
        ("[::1]:0", ("::1", 0)),
        ("central.example:65535", ("central.example", 65535)),
    ],
)
def test_an_address_is_host_and_port(text: str, expected: tuple[str, int]) -> None:
    assert split_address(text) == expected


@pytest.mark.parametrize("text", ["", "8441", ":8441", "host:", "host:x", "host:65536", "host:-1", "host:²"])
def test_what_is_no_address_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match="is not HOST:PORT"):
        split_address(text)


def test_the_file_is_read_and_an_unknown_setting_named(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert load(layout) == CentralSettings()
    layout.settings_file.write_text('pipelines = 3\nnames = ["a.example"]\n')
    assert load(layout) == CentralSettings(pipelines=3, names=["a.example"])
    layout.settings_file.write_text("pipelinez = 3\n")
    with pytest.raises(ConfigError, match="pipelinez"):
        load(layout)


BUS = 'bus_url = "tls://a.example:4222"'
INGEST, PIPELINE = 'roles = ["ingest"]', 'roles = ["pipeline"]\nnode = 2\nstore_url = "https://s.example:8443"'


@pytest.mark.parametrize(
    "content",
    [
        f"{INGEST}\nnode = 9000\n{BUS}",
        f"{PIPELINE}\n{BUS}",
        'node = 1\nbus_url = "nats://127.0.0.1:4222, nats://[::1]:4223"\nbus_replicas = 1',
        'roles = ["store", "api", "upkeep"]',
    ],
)
def test_nodes_share_the_work(tmp_path: Path, content: str) -> None:
    layout = Layout(tmp_path)
    layout.settings_file.write_text(content)
    assert load(layout).roles


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("roles = []", "at least one"),
        ('roles = ["ingst"]', "ingst"),
        (INGEST, "need a bus_url"),
        (PIPELINE, "need a bus_url"),
        (f"{INGEST}\n{BUS}", "node must be 1"),
        (f"{INGEST}\nnode = 9001\n{BUS}", "node must be 1"),
        (f'roles = ["pipeline"]\n{BUS}', "store_url"),
        (f'roles = ["pipeline"]\nstore_url = "https://s.example:8443"\n{BUS}', "node must be 1"),
        (f'store_url = "https://s.example:1"\nnode = 1\n{BUS}', "store_url"),
        ('roles = ["api"]\nstore_url = "http://s.example:1"', "https://HOST:PORT"),
        ('roles = ["api"]\nstore_url = "https://a.example:1, http://s.example:1"', "http://s.example:1"),
        ('roles = ["api"]\nstore_url = "https://a.example:1,https://a.example:1/"', "twice"),
        (f'{INGEST}\nnode = 1\nbus_url = "nats://a.example:4222"', "tls://HOST:PORT"),
        (f'{INGEST}\nnode = 1\nbus_url = "tls://a.example"', "tls://HOST:PORT"),
        (f'{INGEST}\nnode = 1\nbus_url = "tls://u:p@a.example:1"', "tls://HOST:PORT"),
        (f"{INGEST}\nnode = 1\n{BUS}\nbus_replicas = 2", "bus_replicas"),
        (f"{INGEST}\nnode = 1\n{BUS}\nbus_segments = 3", "bus_segments"),
    ],
)
def test_what_cannot_work_among_nodes_is_named(tmp_path: Path, content: str, says: str) -> None:
    layout = Layout(tmp_path)
    layout.settings_file.write_text(content)
    with pytest.raises(ConfigError, match=says):
        load(layout)


@pytest.mark.parametrize("content", ["pipelines = 0", 'listen_api = "nowhere"', "pipelines = 65"])
def test_a_setting_that_cannot_be_is_refused(tmp_path: Path, content: str) -> None:
    layout = Layout(tmp_path)
    layout.settings_file.write_text(content)
    with pytest.raises(ConfigError):
        load(layout)


def test_the_state_is_in_the_directory_unless_told_otherwise(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert state_url(layout, CentralSettings()) == f"sqlite:///{tmp_path}/state.sqlite"
    assert state_url(layout, CentralSettings(state_url="postgresql://x")) == "postgresql://x"


def test_addresses_of_shards_keep_their_order() -> None:
    assert shard_urls(" https://b.example:1/ ,https://a.example:1,") == ["https://b.example:1", "https://a.example:1"]
