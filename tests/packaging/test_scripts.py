"""The package's scripts, as dpkg and rpm call them."""

import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "packaging"
ALL = {
    "identity.json",
    "buffer.sqlite",
    "buffer.sqlite-wal",
    "undelivered",
    "reserve",
    "status.json",
    "proxy",
    "versions",
    "tasks.json",
}
KEPT_ON_REMOVAL = {"identity.json", "proxy"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "var/lib/vedette-agent"
    for name in ("undelivered", "versions"):
        (folder / name).mkdir(parents=True)
    for name in ALL - {"undelivered", "versions"}:
        (folder / name).touch()
    return folder


def run(script: str, argument: str, data: Path) -> set[str]:
    environment = {"DPKG_ROOT": str(data.parents[2]), "PATH": "/usr/bin:/bin"}
    subprocess.run(["/bin/sh", str(SCRIPTS / script), argument], check=True, env=environment)
    return {path.name for path in data.iterdir()} if data.exists() else set()


@pytest.mark.parametrize(
    ("argument", "left"),
    [
        ("upgrade", ALL),
        ("failed-upgrade", ALL),
        ("abort-install", ALL),
        ("1", ALL),
        ("remove", KEPT_ON_REMOVAL),
        ("purge", set[str]()),
        ("0", set[str]()),
    ],
)
def test_only_a_removal_takes_data_away(data: Path, argument: str, left: set[str]) -> None:
    assert run("postremove.sh", argument, data) == left


@pytest.mark.parametrize(("script", "argument"), [("postinstall.sh", "configure"), ("preremove.sh", "remove")])
def test_the_other_scripts_leave_the_data(data: Path, script: str, argument: str) -> None:
    assert run(script, argument, data) == ALL
