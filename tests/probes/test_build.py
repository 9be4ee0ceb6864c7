"""Compiling the probes: up to date by content, clear words when a tool is missing."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The build script, its objects in a folder of the test."""
    spec = importlib.util.spec_from_file_location("build_probes", ROOT / "build_probes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "build_probes", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "OBJECTS", tmp_path / "objects")
    return module


def test_objects_are_built_once_and_again_when_a_source_changes(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for path in build.SOURCE.iterdir():
        (source / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(build, "SOURCE", source)
    assert build.build().startswith("built")
    assert build.build() == "probes are up to date"
    with (source / "record.h").open("a", encoding="utf-8") as file:
        file.write("/* changed */\n")
    assert build.build().startswith("built")


def test_a_missing_compiler_is_named_with_the_command_that_installs_it(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build.shutil, "which", lambda _: None)
    with pytest.raises(build.BuildError, match=r"clang.*apt-get install -y clang"):
        build.build(force=True)


def test_a_machine_without_probes_is_named(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build.platform, "machine", lambda: "riscv64")
    with pytest.raises(build.BuildError, match="riscv64"):
        build.find_tools()


def test_an_editable_install_goes_on_without_a_compiler(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> str:
        raise build.BuildError("no clang")

    monkeypatch.setattr(build, "build", refuse)
    hook = build.ProbesHook.__new__(build.ProbesHook)
    data: dict[str, object] = {"artifacts": []}
    hook.initialize("editable", data)
    assert "no clang" in capsys.readouterr().err
    with pytest.raises(build.BuildError):
        hook.initialize("standard", data)


def test_a_wheel_holds_the_objects_and_names_its_machine(build: ModuleType) -> None:
    hook = build.ProbesHook.__new__(build.ProbesHook)
    data: dict[str, object] = {"artifacts": []}
    hook.initialize("standard", data)
    assert data["artifacts"] == ["src/vedette/probes/objects/*.bpf.o"]
    assert str(data["tag"]).startswith("py3-none-linux_")
