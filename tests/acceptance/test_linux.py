"""The Linux rows, live: real kernel events of a scene on this host, through every step, read back by a hunt.

The same rows are then asked of a second deployment whose agent leaves every field but type and time empty: there
each must fail, so no row can pass without its fields.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.acceptance.linux_rows import ROWS, Found
from tests.acceptance.questions import RowError
from tests.acceptance.scene import Scene
from tests.acceptance.watched import Watched
from tests.conftest import Deployment

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Give a folder that every account may enter."""
    path = Path(tempfile.mkdtemp(prefix="vedette-scene-", dir="/var/tmp"))
    yield path
    shutil.rmtree(path)


def play(deployment: Deployment, folder: Path, *, marked: bool = True) -> Found:
    """Play the scene and hunt for what it left; an unmarked hunt takes whatever came since."""
    scene = Scene(folder=folder, mark=uuid.uuid4().hex[:12])
    scene.play()
    scene.truth["addresses"] = addresses()
    scene.truth["os.version"] = os_version()
    query = f"process.file.path:*{scene.mark}* OR file.path:*{scene.mark}* OR process.command_line:*{scene.mark}*"
    if marked:
        deployment.wait_for(f"event.type:process_stop AND process.file.path:*{scene.mark}*")
        deployment.wait_for(f"event.type:file_create AND file.path:*{scene.document.name}")
        return Found(deployment.hunt(query), scene)
    deployment.wait_for("event.type:process_stop", count=2)
    return Found(deployment.hunt("event.type:*", "--limit", "1000"), scene)


def addresses() -> set[str]:
    """Give this host's addresses as the kernel's own tool tells them."""
    told = json.loads(subprocess.run(["ip", "-j", "address"], capture_output=True, check=True).stdout)
    return {one["local"] for link in told for one in link["addr_info"]}


def os_version() -> str:
    lines = Path("/etc/os-release").read_text().splitlines()
    return next(line.split("=", 1)[1].strip('"') for line in lines if line.startswith("VERSION_ID="))


@pytest.fixture(scope="module")
def found(make_deployment: Callable[[], Deployment], folder: Path) -> Found:
    deployment = make_deployment()
    deployment.start_central()
    deployment.enrol()
    deployment.start_agent()
    deployment.wait_for_agent()
    deployment.wait_for("event.type:*", seconds=60)
    return play(deployment, folder)


@pytest.mark.parametrize("row", sorted(ROWS))
@pytest.mark.acceptance
def test_row_arrives_in_the_hunt(row: str, found: Found) -> None:
    ROWS[row](found)


@pytest.mark.acceptance("T-06")
def test_what_happens_on_a_linux_host_is_in_the_events_database(found: Found) -> None:
    kinds = {event["event.type"] for event in found.events}
    assert {"process_start", "process_stop", "file_create"} <= kinds
    assert len({event["event.id"] for event in found.events}) == len(found.events)


@pytest.fixture(scope="module")
def blanked(make_deployment: Callable[[], Deployment], folder: Path) -> Found:
    deployment = make_deployment()
    deployment.start_central()
    data = deployment.enrol()
    agent = Path(__file__).parent / "blanking_agent.py"
    deployment.start("agent", command=[sys.executable, str(agent), str(data)])
    deployment.wait_for("event.type:*", seconds=60)
    return play(deployment, folder, marked=False)


@pytest.mark.parametrize("row", sorted(set(ROWS) - {"L-GEN-01", "L-GEN-02"}))
def test_row_fails_when_the_source_leaves_its_fields_empty(row: str, blanked: Found) -> None:
    with pytest.raises((RowError, KeyError)):
        ROWS[row](blanked)


@pytest.mark.parametrize("row", sorted(ROWS))
def test_row_fails_when_any_of_its_fields_is_blank(row: str, found: Found) -> None:
    """Each field that the row's check reads is blanked alone, in the true events."""
    read: set[str] = set()
    ROWS[row](Found([Watched(event, read) for event in found.events], found.scene))
    assert read
    for name in read - {"event.type", "process.file.path", "file.path"} or read:
        events = [{key: value for key, value in event.items() if key != name} for event in found.events]
        with pytest.raises((RowError, KeyError)):
            ROWS[row](Found(events, found.scene))
