"""An agent whose source leaves every field but type and time empty: the acceptance rows must fail over it.

Run as `python blanking_agent.py DATA`. It is the real agent; only what its source emits is blanked.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from vedette.agent.linux import platform

from vedette.agent import app
from vedette.schema.entities import Host, Os
from vedette.schema.events.base import Event


def main() -> None:
    real = platform.sources

    def blanked(*arguments: object, **named: object) -> list[object]:
        return [_Blanking(source) for source in real(*arguments, **named)]  # type: ignore[arg-type]

    platform.sources = blanked  # type: ignore[assignment]
    platform.facts = lambda: (Host(), Os())
    app.main(Path(sys.argv[1]))


class _Blanking:
    def __init__(self, source: object) -> None:
        self._source = source

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)

    def run(self, emit: Callable[[Event], None], stop: object) -> None:
        self._source.run(lambda event: emit(type(event)(time=event.time)), stop)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
