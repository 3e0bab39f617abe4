"""Secrets, and the stars that replace them in all that is printed or written.

Secret are values of `env(...)`, environment variables with a name such as `API_KEY`, and texts that
look like the key of a service. Errors of other libraries repeat such values, so errors, plans,
locks and traces are written through `starred`; answers are not, they are what the model said.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = re.compile(
    r"\b(?:sk-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}"
    r"|xox[abprs]-[A-Za-z0-9-]{10,}|AKIA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{30,})\b"
    r"|(?<=://)[^\s/@:\"'`]+:[^\s/@\"'`]+(?=@)"
)
"""Keys of the services that people use models through, by the forms that those give them, and the
user with the password in an address."""

WRITTEN = re.compile(r"""(?P<option>\bkey\s*[=:]\s*)(?P<text>"[^"]*"|'[^']*')""")
"""A key that a recipe holds where the name of a variable belongs."""

NAMED = re.compile(r"(?:^|_)(?:API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD)S?(?:_|$)", re.IGNORECASE)
"""How variables of the environment are called that hold secrets."""

SHORTEST, SHORTEST_NAMED = 4, 8
"""Characters below which a value is no secret: given by `env(...)`, or found by its name."""

STARS = "***"

_GIVEN: set[str] = set()


def hide(value: str) -> str:
    """Remember a value as secret, and return it."""
    if len(value) >= SHORTEST:
        _GIVEN.add(value)
    return value


def starred(text: str) -> str:
    """Return a text with stars for every secret in it, also where one is escaped."""
    forms = {form for value in _secrets() for form in _forms(value) if form in text}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, STARS)
    return KEY.sub(STARS, text)


def covered(text: str) -> str:
    """Return a text of the same length, with stars over every secret in it."""
    for form in {form for value in _secrets() for form in _forms(value) if form in text}:
        text = text.replace(form, "*" * len(form))
    text = WRITTEN.sub(lambda key: key["option"] + "*" * len(key["text"]), text)
    return KEY.sub(lambda key: "*" * len(key.group()), text)


def starred_value(value: object) -> object:
    """Return a value of plain types with stars in its texts."""
    match value:
        case str():
            return starred(value)
        case dict():
            return {name: starred_value(item) for name, item in value.items()}
        case list():
            return [starred_value(item) for item in value]
        case tuple():
            return tuple(starred_value(item) for item in value)
        case _:
            return value


def scrub(error: BaseException) -> None:
    """Put stars into an error and those that led to it, before its traceback is shown."""
    scrubbed: set[int] = set()
    errors: list[BaseException | None] = [error]
    while errors:
        current = errors.pop()
        if current is not None and id(current) not in scrubbed:
            scrubbed.add(id(current))
            with suppress(AttributeError, TypeError):  # of an error that guards its arguments
                current.args = tuple(map(starred_value, current.args))
            errors += [current.__cause__, current.__context__]


def _secrets() -> Iterator[str]:
    yield from tuple(_GIVEN)
    for name, value in os.environ.items():
        if len(value) >= SHORTEST_NAMED and NAMED.search(name):
            yield value


def _forms(value: str) -> set[str]:
    """Return a value as libraries write it: as it is, in quotes, in an address."""
    return {value, json.dumps(value)[1:-1], repr(value)[1:-1], quote(value, ""), quote_plus(value)}
