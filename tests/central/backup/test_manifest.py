"""The manifest decides what is a backup; what it names stays in the folder."""

import contextlib
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.central.backup import manifest
from vedette.central.backup.manifest import BackupError, Kept, describe, is_inside, leads_inside

PATHS = st.lists(st.sampled_from(["..", ".", "a", "b", "", "\0"]), max_size=5).map("/".join)
WHOLE = describe({"keys/ca.pem": Kept(3, "0" * 64, 0o600)}, {"store/link": "../keys"}, made=5)


@given(PATHS)
def test_a_name_that_is_inside_never_leads_out(name: str) -> None:
    if is_inside(name):
        assert (os.path.normpath(os.path.join("/top", name)) + "/").startswith("/top/")  # noqa: PTH118


@given(PATHS, PATHS)
def test_a_link_that_leads_inside_never_leads_out(name: str, target: str) -> None:
    if is_inside(name) and leads_inside(name, target):
        place = os.path.normpath(os.path.join("/top", os.path.dirname(name), target))  # noqa: PTH118, PTH120
        assert (place + "/").startswith("/top/")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    manifest.write(tmp_path, WHOLE)
    assert manifest.read(tmp_path) == WHOLE
    assert (tmp_path / manifest.NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"format": 2}, "format 2"),
        ({"revision": "9999"}, "newer than this one"),
        ({"engine": "99.1.0"}, "newer than this one"),
        ({"files": {"../x": Kept(1, "", 0o600)}}, "damaged"),
        ({"files": {"x": Kept(1, "", 0o4755)}}, "damaged"),
        ({"links": {"x": "../y"}}, "damaged"),
        ({"links": {"x": "/etc"}}, "damaged"),
    ],
)
def test_what_cannot_be_restored_is_said(tmp_path: Path, changes: dict[str, object], problem: str) -> None:
    manifest.write(tmp_path, msgspec.structs.replace(WHOLE, **changes))
    with pytest.raises(BackupError, match=problem):
        manifest.read(tmp_path)


@given(st.integers(0, 400), st.binary(max_size=3))
def test_a_manifest_that_was_changed_is_no_crash(at: int, instead: bytes) -> None:
    data = msgspec.json.encode(WHOLE)
    with TemporaryDirectory() as folder:
        (Path(folder) / manifest.NAME).write_bytes(data[:at] + instead + data[at + len(instead) :])
        with contextlib.suppress(BackupError):
            manifest.read(Path(folder))


def test_a_folder_without_manifest_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=r"no whole backup: manifest\.json"):
        manifest.read(tmp_path)
    (tmp_path / manifest.NAME).write_bytes(b"{")
    with pytest.raises(BackupError, match="damaged"):
        manifest.read(tmp_path)
