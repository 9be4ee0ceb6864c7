"""From IOC files to an engine: boolean IOCs compiled, single indicators in one table, which a restart finds again."""

import logging
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

from msgspec import Struct

from vedette.engines.ioc.build import Builder
from vedette.engines.ioc.engine import Ioc
from vedette.engines.ioc.table import Source, Table, TableError
from vedette.query.ioc.criteria import IocError
from vedette.query.ioc.file import IocFile, Rule, is_list, read

_FORM = b"1"
"""Changes when the same files would make another table."""
log = logging.getLogger(__name__)


class IocText(Struct, frozen=True):
    """A file: its findings name `id` as their rule."""

    id: str
    name: str
    data: bytes


def load(files: Sequence[IocText], path: Path) -> Ioc:
    """Make an engine, its indicators in the table `path`, which is made anew unless it is already that of `files`.

    A file that cannot be used is left out and logged. Raises `TableError` or OSError when the table cannot be written.
    """
    mark = _mark(files)
    table = _kept(path, mark)
    builder = Builder()
    rules: list[Rule] = []
    for file in files:
        if table is not None and is_list(file.data):
            continue
        found = _read(file)
        if found is not None:
            rules += _rules(file, found)
            if table is None:
                _add(builder, file, found)
    if table is None:
        builder.write(path, mark)
        table = Table(path)
    return Ioc(rules, [table])


def _kept(path: Path, mark: str) -> Table | None:
    """Open the table of an earlier run if it is of the same files."""
    try:
        table = Table(path)
    except FileNotFoundError:
        return None
    except (TableError, OSError) as error:
        log.warning("the table of indicators is made again: %s", error)
        return None
    return table if table.header.mark == mark else None


def _mark(files: Sequence[IocText]) -> str:
    digest = blake2b(_FORM, digest_size=16)
    for file in files:
        for part in (file.id.encode(), file.name.encode(), file.data):
            digest.update(len(part).to_bytes(8))
            digest.update(part)
    return digest.hexdigest()


def _read(file: IocText) -> IocFile | None:
    try:
        return read(file.data, file.name)
    except IocError as error:
        log.warning("an IOC file is left out: %s", error)
        return None


def _rules(file: IocText, found: IocFile) -> list[Rule]:
    title = found.title or file.name
    return [
        Rule(id=file.id, title=title, criteria=rule.criteria, node=rule.node)
        for rule in found.rules
        if rule.node is not None
    ]


def _add(builder: Builder, file: IocText, found: IocFile) -> None:
    if found.indicators:
        builder.add_source(Source(file.id, found.title or file.name))
        for one in found.indicators:
            builder.add(one)
