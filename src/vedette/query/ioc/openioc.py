"""OpenIOC 1.0 and 1.1, read from XML: no document types, no entities, no network, bounded size and depth."""

from typing import Any

from lxml import etree
from msgspec import Struct

from vedette.query.ioc.criteria import MAX_BYTES, MAX_DEPTH, MAX_TERMS, All, Criteria, IocError, Some, Term
from vedette.query.values import Operator

_ROOTS = {
    "{http://schemas.mandiant.com/2010/ioc}ioc": "definition",
    "{http://openioc.org/schemas/OpenIOC_1.1}OpenIOC": "criteria",
}
"""Root element of 1.0 and of 1.1 -> where its groups are."""
_CONDITIONS = {
    "is": Operator.IS,
    "contains": Operator.CONTAINS,
    "matches": Operator.MATCHES,
    "starts-with": Operator.STARTS,
    "ends-with": Operator.ENDS,
    "greater-than": Operator.ABOVE,
    "less-than": Operator.BELOW,
}
_NEGATED = {"isnot": "is", "containsnot": "contains"}
"""What 1.0 writes instead of `negate`."""
_MOST_ELEMENTS = 5 * MAX_TERMS


class Document(Struct, frozen=True):
    """One IOC, and what it asks."""

    id: str
    title: str
    criteria: Criteria


def is_xml(data: bytes) -> bool:
    """Whether `data` starts as XML does."""
    return data.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0")[:1] == b"<"


def parse(data: bytes, file: str) -> Document:
    """Read one file. Raises `IocError`, with the line where there is one."""
    if len(data) > MAX_BYTES:
        raise IocError(f"{len(data):,} bytes; an IOC file has at most {MAX_BYTES:,}", file=file)
    root = _tree(data, file)
    place = _ROOTS.get(root.tag)
    if place is None:
        raise IocError(f"<{root.tag}> is no OpenIOC 1.0 or 1.1 document", file=file, line=root.sourceline or 0)
    reader = _Reader(file)
    groups = [child for part in root if _name(part) == place for child in part if _name(child)]
    operands = tuple(reader.group(child, 1) for child in groups)
    if not operands:
        raise IocError("there is no indicator in it", file=file)
    title = next((node.text or "" for node in root.iter() if _name(node) == "short_description"), "")
    criteria = operands[0] if len(operands) == 1 else Some(operands)
    return Document(root.get("id") or "", title.strip()[:1_000], criteria)


def as_text(data: bytes, file: str) -> str:
    """Give the same document as text without a declaration of its encoding. Raises `IocError`."""
    return str(etree.tostring(_tree(data, file), encoding="unicode"))


def _tree(data: bytes, file: str) -> Any:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        line = getattr(error, "lineno", 0) or 0
        raise IocError(f"this is no XML that can be read: {error}", file=file, line=line) from error
    if root.getroottree().docinfo.doctype:
        raise IocError("a document type is not accepted: it can only be an attack", file=file, line=1)
    return root


class _Reader:
    """Walks the groups of one file within its bounds."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._terms = self._elements = 0

    def group(self, element: Any, depth: int) -> Criteria:
        """Read an `Indicator` or `IndicatorItem`; anything else is a term that nothing can answer."""
        line = element.sourceline or 0
        self._elements += 1
        if depth > MAX_DEPTH:
            raise IocError(f"groups are nested deeper than {MAX_DEPTH}", file=self._file, line=line)
        if self._elements > _MOST_ELEMENTS:
            raise IocError(f"more than {_MOST_ELEMENTS:,} elements", file=self._file, line=line)
        match _name(element):
            case "IndicatorItem":
                return self._item(element, line)
            case "Indicator":
                return self._joined(element, depth, line)
            case other:
                return Term(name=f"<{other}>", value="", line=line)

    def _joined(self, element: Any, depth: int, line: int) -> Criteria:
        operator = (element.get("operator") or "OR").upper()
        if operator not in {"AND", "OR"}:
            raise IocError(f"a group is joined by AND or OR, not by {operator!r}", file=self._file, line=line)
        operands = tuple(self.group(child, depth + 1) for child in element if _name(child))
        if not operands:
            return Term(name="(empty group)", value="", line=line)
        return All(operands, line) if operator == "AND" else Some(operands, line)

    def _item(self, element: Any, line: int) -> Criteria:
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise IocError(f"more than {MAX_TERMS:,} tests", file=self._file, line=line)
        parts = {_name(child): child for child in element}
        context, content = parts.get("Context"), parts.get("Content")
        if context is None or content is None or not context.get("search"):
            raise IocError(
                "an IndicatorItem needs a Context with a search term, and a Content", file=self._file, line=line
            )
        condition = (element.get("condition") or "").lower()
        negated = condition in _NEGATED or _truth(element.get("negate"))
        operator = _CONDITIONS.get(_NEGATED.get(condition, condition))
        if operator is None:
            raise IocError(f"there is no condition {condition!r}", file=self._file, line=line)
        return Term(
            name=context.get("search"),
            operator=operator,
            value=(content.text or "").strip("\r\n\t "),
            kind=content.get("type") or "string",
            negated=negated,
            exact_case=_truth(element.get("preserve-case")),
            line=line,
            id=element.get("id") or "",
        )


def _truth(text: str | None) -> bool:
    return (text or "").strip().lower() in {"true", "1"}


def _name(element: Any) -> str:
    """Name of an element without its namespace; "" for what is no element."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
