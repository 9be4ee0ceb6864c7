"""Records as XML -> records: what Windows renders (EvtRender), and the files that wevtutil and Event Viewer export.

Expat reads it in pieces; a document type is refused at its first mention, so no entity can be declared: only the five
of XML itself are known. Elements are bounded in depth and a record in size.
"""

from collections.abc import Iterator
from typing import IO, Any, Final
from xml.parsers import expat

from vedette.normalise.windows import evtx_json
from vedette.normalise.windows.record import Record
from vedette.normalise.windows.tally import Tally

_PIECE: Final = 65_536
_DEPTH: Final = 24
_CHARACTERS: Final = 4 << 20
"""Of the texts and names of one record."""
_ELEMENT: Final = 64
"""An element costs memory even without texts: it counts as so many characters."""
_DECLARED: Final = (b"<?xml", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
"""How a whole document begins; anything else may be records one after the other, without a root."""


class _RefusedError(Exception):
    """The XML is not what a record can be; the text says why."""


class _Element:
    """One element under construction."""

    __slots__ = ("attributes", "children", "name", "texts")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name, self.attributes = name, attributes
        self.children: list[_Element] = []
        self.texts: list[str] = []


class _Events:
    """Collects elements `Event`, wherever they are, as the trees that `evtx_json` reads."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []
        self._open: list[_Element] = []
        self._characters = 0
        self._parser = expat.ParserCreate(namespace_separator=None)
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def feed(self, piece: bytes, *, last: bool = False) -> None:
        """Read on. Raises ExpatError for what is no XML, _RefusedError for what no record has."""
        self._parser.Parse(piece, last)

    def _doctype(self, *_: object) -> None:
        raise _RefusedError("document type in XML")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._open and name != "Event":
            return
        self._count(_ELEMENT + len(name) + sum(len(key) + len(value) for key, value in attributes.items()))
        if len(self._open) >= _DEPTH:
            raise _RefusedError("XML too deep")
        self._open.append(_Element(name, attributes))

    def _text(self, text: str) -> None:
        if self._open:
            self._count(len(text))
            self._open[-1].texts.append(text)

    def _count(self, characters: int) -> None:
        self._characters += characters
        if self._characters > _CHARACTERS:
            raise _RefusedError("record too large")

    def _end(self, _name: str) -> None:
        if not self._open:
            return
        element = self._open.pop()
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.found.append({"Event": {child.name: _part(child) for child in element.children}})
            self._characters = 0


def _part(element: _Element) -> Any:
    if element.name in {"EventData", "ProcessingErrorData"}:
        return _event_data(element)
    return _tree(element)


def _tree(element: _Element) -> Any:
    text = "".join(element.texts)
    tree: dict[str, Any] = {child.name: _tree(child) for child in element.children}
    if element.attributes:
        tree["#attributes"] = element.attributes
    if not tree:
        return text
    if not element.children and text:
        tree["#text"] = text
    return tree


def _event_data(element: _Element) -> dict[str, Any]:
    """Give named items by name, unnamed ones as one list."""
    named: dict[str, Any] = {}
    unnamed: list[str] = []
    for child in element.children:
        text = "".join(child.texts)
        if name := child.attributes.get("Name"):
            named.setdefault(name, text)
        elif child.name == "Data":
            unnamed.append(text)
        else:
            named.setdefault(child.name, text)
    if unnamed:
        named.setdefault("Data", unnamed)
    return named


def parse(xml: str) -> Record | None:
    """Read one rendered record; None when it is none."""
    events = _Events()
    try:
        events.feed(xml.encode("utf-8", "replace"), last=True)
    except (expat.ExpatError, _RefusedError):
        return None
    return evtx_json.from_tree(events.found[0]) if len(events.found) == 1 else None


def records(file: IO[bytes], tally: Tally) -> Iterator[Record]:
    """Every record up to the first byte that is no XML, which is counted."""
    events, position = _Events(), 0
    piece = file.read(_PIECE)
    closing = b"" if piece.startswith(_DECLARED) else b"</r>"
    if closing:
        events.feed(b"<r>")
    while True:
        try:
            events.feed(piece or closing, last=not piece)
        except (expat.ExpatError, _RefusedError) as problem:
            yield from _taken(events, position, tally)
            tally.skip(str(problem) if isinstance(problem, _RefusedError) else "broken XML", f"byte {position}")
            return
        yield from _taken(events, position, tally)
        if not piece:
            return
        position += len(piece)
        piece = file.read(_PIECE)


def _taken(events: _Events, position: int, tally: Tally) -> Iterator[Record]:
    for tree in events.found:
        record = evtx_json.from_tree(tree)
        if record is None:
            tally.skip("record without header", f"byte {position}")
            continue
        tally.records += 1
        tally.cut += record.cut
        yield record
    events.found.clear()
