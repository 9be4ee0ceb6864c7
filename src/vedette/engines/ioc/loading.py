"""From IOC files to an engine: boolean IOCs compiled, single indicators written to one table."""

import logging
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from vedette.engines.ioc.build import Builder
from vedette.engines.ioc.engine import Ioc
from vedette.engines.ioc.table import Source, Table
from vedette.query.ioc.criteria import IocError
from vedette.query.ioc.file import Rule, read

log = logging.getLogger(__name__)


class IocText(Struct, frozen=True):
    """A file: its findings name `id` as their rule."""

    id: str
    name: str
    data: bytes


def load(files: Sequence[IocText], table: Path) -> Ioc:
    """Make an engine, its indicators in the file `table`. A file that cannot be used is left out and logged.

    Raises `TableError` or OSError when the table cannot be written.
    """
    builder = Builder()
    rules: list[Rule] = []
    for file in files:
        try:
            found = read(file.data, file.name)
        except IocError as error:
            log.warning("an IOC file is left out: %s", error)
            continue
        title = found.title or file.name
        rules += [
            Rule(id=file.id, title=title, criteria=rule.criteria, node=rule.node)
            for rule in found.rules
            if rule.node is not None
        ]
        if found.indicators:
            builder.add_source(Source(file.id, title))
            for one in found.indicators:
                builder.add(one)
    builder.write(table)
    return Ioc(rules, [Table(table)])
