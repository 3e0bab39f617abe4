"""Features of a query beside its words: length and shape, tags."""

from __future__ import annotations

import re
from functools import lru_cache
from math import log1p
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np, scipy
from composer.methods.estimators.features import Features, sparse_rows
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.methods.estimators.features import Vectors
    from composer.methods.estimators.values import Asked, Floats

_NUMBER = re.compile(r"\d+")
_DECIMAL = re.compile(r"\.\d")
_MARKS = rb"=+*/^<>{}()[]" + b"\\"
_NEGATIONS = ("not", "except", "least", "false", "incorrect")
_NEGATED = re.compile(rf"\b(?:{'|'.join(_NEGATIONS)})\b", re.IGNORECASE)
_CODE_SIGNS = ("```", "def ", "class ", ";", "{", "}", "return", "import ")
_CODE = re.compile(r"```|\bdef \w+\(|\bclass \w+|[;{}]\s*$|\breturn\b|\bimport \w+", re.MULTILINE)


class Lengthy(Features):
    """The length alone: ln(1 + characters), standardised over the fitted rows.

    The vector is that number times `weight`.
    """

    name: ClassVar[str] = "length"
    quick: ClassVar[bool] = True

    weight: float = Field(default=1.0, gt=0)

    def fit(self, queries: Sequence[Asked]) -> State:
        """Keep the mean and the standard deviation."""
        return _standard(_lengths(queries))

    def vectors(self, state: State, queries: Sequence[Asked]) -> Vectors:
        """Return one number a query."""
        return _standardised(_lengths(queries), state, self.weight)


class Shape(Features):
    """Length and shape: characters, words, lines, numbers, marks, negations, signs of code.

    Eighteen numbers, each standardised over the fitted rows, cut at five standard deviations, and
    multiplied by `weight`.
    """

    name: ClassVar[str] = "shape"
    quick: ClassVar[bool] = True

    weight: float = Field(default=1.0, gt=0)

    def fit(self, queries: Sequence[Asked]) -> State:
        """Keep the means and the standard deviations."""
        return _standard(shapes(queries))

    def vectors(self, state: State, queries: Sequence[Asked]) -> Vectors:
        """Return one row of numbers a query."""
        return _standardised(shapes(queries), state, self.weight)


class Tags(Features):
    """The tags of a query, such as its subject: `weight` for each tag that it has, else 0.

    Tags that are not in the fitted rows are ignored.
    """

    name: ClassVar[str] = "tags"
    quick: ClassVar[bool] = True

    weight: float = Field(default=1.0, gt=0)

    def fit(self, queries: Sequence[Asked]) -> State:
        """Keep the tags, in alphabetical order."""
        return State(facts={"tags": sorted({tag for _, tags in queries for tag in tags})})

    def vectors(self, state: State, queries: Sequence[Asked]) -> Vectors:
        """Return one column a tag."""
        columns_of_tags = {tag: at for at, tag in enumerate(state.facts["tags"])}
        cells = [
            (row, columns_of_tags[tag])
            for row, (_, tags) in enumerate(queries)
            for tag in dict.fromkeys(tags)
            if tag in columns_of_tags
        ]
        rows, columns = zip(*cells, strict=True) if cells else ((), ())
        values = np.full(len(cells), self.weight, np.float32)
        return scipy.sparse.csr_matrix(
            (values, (rows, columns)), shape=(len(queries), len(columns_of_tags))
        )


def _lengths(queries: Sequence[Asked]) -> Floats:
    return np.log1p([[len(text)] for text, _ in queries])


def shapes(queries: Sequence[Asked]) -> Floats:
    """Return the eighteen numbers of each query [n, 18], the first ln(1 + characters)."""
    return np.array([_shape(text) for text, _ in queries], dtype=float)


def _is_sign(character: str) -> bool:
    return not (character.isalnum() or character.isspace())


_SORTS: tuple[Callable[[str], bool], ...] = (str.isdigit, str.isupper, _is_sign)
_ASCII_SORTS = [bytes(code for code in range(128) if sort(chr(code))) for sort in _SORTS]


def _sizes(text: str) -> list[int]:
    """Return how many digits, capitals and signs a text has."""
    plain = text.encode("ascii", "ignore")
    others = "" if text.isascii() else [each for each in text if not each.isascii()]
    return [
        len(plain) - len(plain.translate(None, ascii_sort)) + sum(map(sort, others))
        for sort, ascii_sort in zip(_SORTS, _ASCII_SORTS, strict=True)
    ]


def _is_negated(text: str) -> bool:
    """Search by the pattern only where it may be: other letters may fold to those of a word."""
    lowered = text.lower()
    may_be = not text.isascii() or any(word in lowered for word in _NEGATIONS)
    return may_be and bool(_NEGATED.search(text))


def _has_code(text: str) -> bool:
    return any(sign in text for sign in _CODE_SIGNS) and bool(_CODE.search(text))


@lru_cache(maxsize=1 << 16)
def _shape(text: str) -> tuple[float, ...]:
    words = text.split()
    lines = text.split("\n")
    size, count = max(len(text), 1), max(len(words), 1)
    digits, capitals, signs = _sizes(text)
    plain = text.encode("ascii", "ignore")
    logs = (
        len(text),
        len(words),
        len(lines),
        len(lines[0]),
        len(_NUMBER.findall(text)) if digits else 0,
        len(_DECIMAL.findall(text)) if digits else 0,
        len(plain) - len(plain.translate(None, _MARKS)),
        text.count("?"),
        text.count(","),
    )
    shares = (
        digits / size,
        capitals / size,
        signs / size,
        sum(map(len, words)) / count,
        len(set(text.lower().split())) / count,
    )
    flags = ("$" in text, "%" in text, _is_negated(text), _has_code(text))
    return (*map(log1p, logs), *shares, *map(float, flags))


_LIMIT = 5.0


def _standard(values: Floats) -> State:
    spread = values.std(0)
    return State({"mean": values.mean(0), "spread": spread + (spread == 0)})


def _standardised(values: Floats, state: State, weight: float) -> Vectors:
    scaled = (values - state.arrays["mean"]) / state.arrays["spread"]
    dense = (np.clip(scaled, -_LIMIT, _LIMIT) * weight).astype(np.float32)
    rows, columns = np.nonzero(dense)
    starts = np.searchsorted(rows, np.arange(len(dense) + 1)).astype(np.int32)
    parts = (dense[rows, columns], columns.astype(np.int32), starts)
    return sparse_rows(parts, dense.shape)
