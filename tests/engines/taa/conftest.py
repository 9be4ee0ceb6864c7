"""Rules and recorded events of SigmaHQ's regression cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from tests.engines.taa.made import batch_of

from vedette.cli.replay_events import batches
from vedette.engines.taa import Loaded, load, read_folder
from vedette.normalise.windows import Tally
from vedette.wire.merge import Batch


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


@pytest.fixture(scope="session")
def make_batch() -> Callable[..., Batch]:
    return batch_of
