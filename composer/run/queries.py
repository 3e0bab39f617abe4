"""Making a Query of what a user asks: a text, a row, or the lines of a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from composer.data import REQUEST, BadRow, id_of, media_of, messages_of, parsed, whole
from composer.run.result import Failure
from composer.values import Query
from composer.values.media import shown_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from composer.data import Line
    from composer.values import Message

_ENCODER = json.JSONEncoder(default=str)

ACCEPTED = 'a text, a row such as {"id": "1", "query": "..."}, or a Query'


def as_queries(items: Iterable[str | Query | Mapping[str, object]]) -> Iterator[Query]:
    """Make a query of each item, numbered from 0 where it has no id; a lone question is refused."""
    if isinstance(items, str | bytes | Query | Mapping):
        kind = type(items).__name__
        raise TypeError(
            f"`map` takes a list of questions, not one value of type `{kind}`: put it in a list, "
            "or write `ensemble(question)`"
        )
    return number_repeats(
        as_query(item, default_id=str(number)) for number, item in enumerate(items)
    )


def as_query(question: str | Query | Mapping[str, object], *, default_id: str = "0") -> Query:
    """Make a query of a text, or of a row with `query` or `messages`, `id` and other fields.

    What is drawn for it depends on its id, and without one on its messages alone.
    """
    if isinstance(question, Query):
        return question
    if not isinstance(question, str | Mapping):
        kind = type(question).__name__
        raise TypeError(f"a question must be {ACCEPTED}, not a value of type `{kind}`")
    try:
        if isinstance(question, str):
            messages = (("user", whole(question)),)
            return Query(messages, default_id, content=_digest(messages, {}))
        return _query(question, default_id)
    except BadRow as bad:
        raise Failure("E504", bad.message, bad.help) from None


def number_repeats(queries: Iterable[Query]) -> Iterator[Query]:
    """Number equal queries without an id, so that sampling differs between them."""
    number = Occurrences()
    return (
        replace(query, content=number(query.content)) if query.content else query
        for query in queries
    )


class Occurrences:
    """Numbers equal contents: the first stays as it is, the second becomes `content#2`."""

    def __init__(self) -> None:
        self._count: dict[str, int] = {}

    def __call__(self, content: str) -> str:
        """Return the content, with a number from the second time on."""
        count = self._count[content] = self._count.get(content, 0) + 1
        return content if count == 1 else f"{content}#{count}"


def read_queries(lines: Iterable[str], name: str) -> Iterator[Query]:
    """Yield the query of each row that some lines of text hold, in the form that the name says."""
    return queries_of(parsed(lines, name), name)


def queries_of(
    rows: Iterable[Line],
    name: str,
    on_unused: Callable[[tuple[str, ...]], None] = lambda _: None,
    of_request: Callable[[Mapping[str, object]], Query] | None = None,
) -> Iterator[Query]:
    """Yield the query of each row of a file; raises Failure (E504) with the line of a bad one.

    A row without an id is named by its line. `on_unused` is called with the fields of a row that
    are not asked. `of_request` reads the rows that are requests of a batch file, with all fields.
    """
    return number_repeats(_queries(rows, name, on_unused, of_request))


def asked_text(query: Query) -> str:
    """Return the question as results and traces show it."""
    return shown_text(query.text, query.media)


def digest_of(query: Query) -> str:
    """Return a hash of all that an answer depends on, but for the recipe and the seed."""
    return _digest(query.messages, {**query.fields, "": query.drawn_by})


def _queries(
    rows: Iterable[Line],
    name: str,
    on_unused: Callable[[tuple[str, ...]], None],
    of_request: Callable[[Mapping[str, object]], Query] | None,
) -> Iterator[Query]:
    for row in rows:
        try:
            if isinstance(row.content, BadRow):
                raise row.content
            if of_request is not None and REQUEST in row.content:
                yield of_request(row.content)
                continue
            yield _query(row.content, str(row.number))
        except BadRow as bad:
            message = f"{name}, line {row.number}: {bad.message}"
            raise Failure("E504", message, bad.help) from None
        if row.left_out:
            on_unused(row.left_out)


def _query(row: Mapping[str, object], default_id: str) -> Query:
    messages, id_, media = messages_of(row), id_of(row), media_of(row)
    fields = {name: value for name, value in row.items() if name not in ("id", "messages")}
    if id_ is not None:
        return Query(messages, id_, fields, media=media)
    return Query(messages, default_id, fields, content=_digest(messages, {}), media=media)


def _digest(messages: tuple[Message, ...], fields: Mapping[str, object]) -> str:
    pairs = [[str(name), fields[name]] for name in sorted(fields, key=str)]
    text = _ENCODER.encode([messages, pairs])
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
