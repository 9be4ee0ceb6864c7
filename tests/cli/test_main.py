"""The command as a whole: it starts fast, lists what it has, and every command helps."""

import subprocess
import sys
import time

import click
import pytest
from click.testing import CliRunner

from vedette.cli.main import COMMANDS, cli

HEAVY = ("httpx", "sqlalchemy", "fastapi", "rich", "numpy", "pyarrow", "vedette.schema.dictionary")


def test_help_lists_every_command_without_importing_one() -> None:
    code = f"""
import sys
from click.testing import CliRunner
from vedette.cli.main import cli
result = CliRunner().invoke(cli, ["--help"])
print(result.output)
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.strip().splitlines()
    assert lines[-1] == "[]"
    assert all(any(line.split()[:1] == [name] for line in lines) for name in COMMANDS)


def test_help_takes_little_time() -> None:
    def once() -> float:
        before = time.perf_counter()
        subprocess.run([sys.executable, "-m", "vedette", "--help"], capture_output=True, check=True)
        return time.perf_counter() - before

    bare = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import click"], check=True)
    bare = time.perf_counter() - bare
    assert min(once() for _ in range(3)) < bare + 0.15


def commands(command: click.Command, names: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Give the names of every command below."""
    if not isinstance(command, click.Group):
        return [names]
    context = click.Context(command)
    found = [names] if names else []
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        found += commands(below, (*names, name))
    return found


@pytest.mark.parametrize("names", commands(cli), ids=" ".join)
def test_every_command_says_what_it_does(names: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*names, "--help"], prog_name="vedette")
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 4


def test_misuse_is_exit_2(tmp_path: object) -> None:
    for arguments in (["nonsense"], ["hunt", "--limit", "0"], ["tree"]):
        result = CliRunner(env={"VEDETTE_CLIENT": f"{tmp_path}/none"}).invoke(cli, arguments)
        assert result.exit_code == 2, arguments
        assert "Usage" in result.output


def test_without_a_server_one_sentence_and_exit_1(tmp_path: object) -> None:
    env = {"VEDETTE_CLIENT": f"{tmp_path}/none", "VEDETTE_URL": "", "HOME": str(tmp_path)}
    result = CliRunner(env=env).invoke(cli, ["hosts"])
    assert result.exit_code == 1
    assert "vedette login" in result.output
    assert "Traceback" not in result.output
    result = CliRunner(env=env | {"VEDETTE_URL": "https://127.0.0.1:1"}).invoke(cli, ["hosts"])
    assert result.exit_code == 1
    assert "does not answer" in result.output
