"""Rules and recorded events of SigmaHQ's regression cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from vedette.cli.replay_events import batches
from vedette.engines.taa import Loaded, load, read_folder
from vedette.normalise.windows import Tally
from vedette.wire.batch import BatchHeader, Builder, decode, frame
from vedette.wire.merge import Arrival, Batch, merge


@pytest.fixture(scope="session")
def public_rules(shared_data: Path) -> Loaded:
    """Every rule of the tree."""
    folders = sorted((shared_data / "sigma").glob("rules*"))
    return load(text for folder in folders for text in read_folder(folder))


Case = tuple[str, int, list[Batch]]


@pytest.fixture(scope="session")
def cases(shared_data: Path) -> list[Case]:
    """(rule, least number of matches, recorded events) of every case with an EVTX file."""
    return list(_cases(shared_data / "sigma"))


def _cases(folder: Path) -> Iterator[Case]:
    for info in sorted(folder.glob("regression_data/**/info.yml")):
        told = yaml.safe_load(info.read_text())
        for test in told.get("regression_tests_info", ()):
            if test["type"] == "evtx":
                rule = told["rule_metadata"][0]["id"]
                yield rule, test.get("match_count", 1), list(batches(folder / test["path"], Tally()))


def batch_of(events: list[Any], family: str = "windows") -> Batch:
    """Events as detection sees them: over the wire and joined."""
    from vedette.schema.entities import Os

    header = BatchHeader(
        agent="a" * 32, epoch="e" * 16, first=1, last=len(events), count=len(events), sent=0, os=Os(family=family)
    )
    payload = Builder(events).encode(1)
    return merge([Arrival(decode(frame(header, payload)), host="a" * 32, tenant="default", epoch="e" * 16, received=0)])


@pytest.fixture(scope="session")
def make_batch() -> Callable[..., Batch]:
    return batch_of
