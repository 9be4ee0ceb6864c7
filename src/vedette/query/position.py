"""Where in a query something is wrong."""

from collections.abc import Iterable

from vedette.runtime.errors import QueryError

MOST_SUGGESTIONS = 8


def error_at(text: str, offset: int, problem: str, suggestions: Iterable[str] = ()) -> QueryError:
    """Make a `QueryError` at character `offset` of `text`; lines end with LF, columns count characters from 1."""
    offset = max(0, min(offset, len(text)))
    start = text.rfind("\n", 0, offset) + 1
    return QueryError(
        problem,
        offset=offset,
        line=text.count("\n", 0, offset) + 1,
        column=offset - start + 1,
        suggestions=tuple(suggestions)[:MOST_SUGGESTIONS],
    )


def check_characters(text: str) -> None:
    """Refuse halves of characters (lone surrogates), which JSON can write and no store can hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise error_at(text, error.start, "there is half a character here, which no text can hold") from error


def excerpt(text: str, most: int = 40) -> str:
    """`text` short enough for a sentence."""
    return text if len(text) <= most else text[: most - 1] + "…"
