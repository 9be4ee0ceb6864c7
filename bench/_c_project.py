"""A small C project to build: what a developer's or build host does all day."""

from __future__ import annotations

import resource
import subprocess
from pathlib import Path


def make_project(folder: Path, sources: int) -> None:
    """Write so many C files and a Makefile."""
    folder.mkdir()
    for number in range(sources):
        functions = "\n".join(
            f'int f{number}_{i}(int x) {{ return printf("%d", x * {i}) + {number}; }}' for i in range(20)
        )
        (folder / f"m{number}.c").write_text(
            f"#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n{functions}\n"
        )
    objects = " ".join(f"m{number}.o" for number in range(sources))
    (folder / "Makefile").write_text(
        f"lib.a: {objects}\n\tllvm-ar rcs $@ $^\n%.o: %.c\n\tclang -g -O1 -c -o $@ $<\n", encoding="ascii"
    )


def build(folder: Path) -> float:
    """CPU seconds of a build with two jobs."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["make", "-s", "-j2"], cwd=folder, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def clean(folder: Path) -> None:
    """Remove what was built."""
    for path in (*folder.glob("*.o"), *folder.glob("*.a")):
        path.unlink()


def renew(folder: Path) -> None:
    """Give all sources other contents: nothing is known of what will be built."""
    for path in folder.glob("*.c"):
        path.write_text(path.read_text().replace("* ", "* 7 + "))
