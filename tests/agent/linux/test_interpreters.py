"""What interpreters run, by their arguments."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.agent.linux.interpreters import Invocation, Role, interpreter, invocation

FILE, TEXT, MODULE = Role.FILE, Role.TEXT, Role.MODULE


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("sh script.sh -c not", Invocation(FILE, "script.sh")),
        ("bash -c 'echo 1' name", Invocation(TEXT, "echo 1")),
        ("bash -lc 'echo 1'", Invocation(TEXT, "echo 1")),
        ("bash -c -e 'echo 1'", Invocation(TEXT, "echo 1")),
        ("bash -euo pipefail -c 'echo 1'", Invocation(TEXT, "echo 1")),
        ("bash --norc +x -O extglob run", Invocation(FILE, "run")),
        ("bash --rcfile x -i", None),
        ("sh", None),
        ("sh -s -- argument", Invocation(FILE, "argument")),
        ("dash -", None),
        ("python3.11 -IBm http.server 80", Invocation(MODULE, "http.server", "-m")),
        ("python3 -Wignore -X dev -c 'print(1)' x", Invocation(TEXT, "print(1)", "-c")),
        ("python3 -cprint(1)", Invocation(TEXT, "print(1)", "-c")),
        ("python -u tool.py --help", Invocation(FILE, "tool.py")),
        ("pypy3 - x", None),
        ("perl -lne 'print' file", Invocation(TEXT, "print", "-e")),
        ("perl -i.bak -pe 's/a/b/' file", Invocation(TEXT, "s/a/b/", "-e")),
        ("perl -I lib -MFoo::Bar run.pl", Invocation(FILE, "run.pl")),
        ("ruby -ropenssl -e 'puts 1'", Invocation(TEXT, "puts 1", "-e")),
        ("node -pe 1+1", Invocation(TEXT, "1+1")),
        ("node --eval=1 x", Invocation(TEXT, "1", "--eval")),
        ("node --import x server.js", Invocation(FILE, "server.js")),
        ("php -d a=b -r 'echo 1;'", Invocation(TEXT, "echo 1;", "-r")),
        ("php8.2 -f page.php", Invocation(FILE, "page.php", "-f")),
        ("awk -F : '{print $1}' /etc/passwd", Invocation(TEXT, "{print $1}")),
        ("gawk -v a=1 -f prog.awk x", Invocation(FILE, "prog.awk", "-f")),
        ("lua5.4 -l x main.lua", Invocation(FILE, "main.lua")),
        ("python3 -c", Invocation(TEXT, "", "-c")),
    ],
)
def test_what_is_run(command: str, expected: Invocation | None) -> None:
    program, *arguments = shlex.split(command)
    known = interpreter(program)
    assert known is not None
    assert invocation(known, tuple(arguments)) == expected


@pytest.mark.parametrize("name", ["ls", "python-config", "shred", "phpunit", "", "nodemon"])
def test_other_programs_are_no_interpreters(name: str) -> None:
    assert interpreter(name) is None


@given(st.sampled_from(["sh", "python3", "perl", "awk", "node"]), st.lists(st.text(max_size=8), max_size=6))
def test_any_arguments_are_read(name: str, arguments: list[str]) -> None:
    known = interpreter(name)
    assert known is not None
    found = invocation(known, tuple(arguments))
    assert found is None or found.value == "" or any(argument.endswith(found.value) for argument in arguments)
