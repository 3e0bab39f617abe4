"""A small encoder of a question with two candidates, trained from scratch: which one is better."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, TypeAlias

from composer.heavy import np, torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from composer.methods.estimators.nets import Weights

    Ids: TypeAlias = NDArray[np.int64]
    """Numbers of pieces, or of their kinds; 0 stands for no piece."""

BUCKETS = 4096
_PIECES = re.compile(r"\d|[^\W\d]+|[^\w\s]")
_SEGMENTS, _FLAGS, _HEADS, _FEEDING = 3, 4, 2, 2


def pieces(text: str, most: int) -> Ids:
    """Return the last `most` words, digits and marks of a text, each as the number of a bucket."""
    parts = _PIECES.findall(text.lower())[-most:]
    return np.array([_bucket(part) for part in parts], dtype=np.int64)


def signature(member: int) -> int:
    """Return the piece that stands for a member; it has a space, as no word has."""
    return _bucket(f"member {member}")


def _bucket(part: str) -> int:
    return 1 + zlib.crc32(part.encode()) % (BUCKETS - 1)


def joined(source: Ids, left: Ids, right: Ids, sizes: tuple[int, int]) -> tuple[Ids, Ids]:
    """Return the pieces [L] of a question and two candidates, each padded, and their kinds.

    `sizes` are the places of the question and of a candidate. A kind says which text a piece is of,
    and in which of the other two it stands too.
    """
    question, candidate = sizes
    numbers = np.zeros(question + 2 * candidate, dtype=np.int64)
    kinds = np.zeros_like(numbers)
    starts = (0, question, question + candidate)
    texts = (source, left, right)
    for at, (start, text) in enumerate(zip(starts, texts, strict=True)):
        one, other = (texts[place] for place in range(_SEGMENTS) if place != at)
        numbers[start : start + len(text)] = text
        flags = 2 * _stands_in(text, one) + _stands_in(text, other)
        kinds[start : start + len(text)] = 1 + at * _FLAGS + flags
    return numbers, kinds


def _stands_in(text: Ids, other: Ids) -> Ids:
    """Return 1 for each piece that stands in another text too, else 0."""
    there: Ids = (text[:, None] == other).any(axis=1).astype(np.int64)
    return there


def first_weights(width: int, length: int, rng: np.random.Generator) -> Weights:
    """Return an encoder's weights before training; the head begins at 0."""
    shapes = {
        "pieces": (BUCKETS, width),
        "kinds": (1 + _SEGMENTS * _FLAGS, width),
        "places": (length, width),
        "attention": (width, 3 * width),
        "mixed": (width, width),
        "wide": (width, _FEEDING * width),
        "narrow": (_FEEDING * width, width),
    }
    drawn = {
        name: (rng.normal(size=shape) / np.sqrt(width)).astype(np.float32)
        for name, shape in shapes.items()
    }
    return {**drawn, "head": np.zeros((2 * width, 1), np.float32)}


def margins(
    weights: Mapping[str, Tensor], numbers: Tensor, kinds: Tensor, sizes: tuple[int, int]
) -> Tensor:
    """Return s1 - s2 of pairs [n], by one layer of a transformer over both candidates [n, L].

    s = head([mean of the question's outputs; mean of the candidate's outputs]).
    """
    question, candidate = sizes
    x = weights["pieces"][numbers] + weights["kinds"][kinds] + weights["places"]
    there = (numbers > 0)[..., None]
    x = _attended(weights, x, numbers > 0)
    fed = torch.relu(_normal(x) @ weights["wide"]) @ weights["narrow"]
    x = _normal(x + fed) * there
    ends = (question, question + candidate)
    outputs, counts = x.tensor_split(ends, 1), there.tensor_split(ends, 1)
    asked, left, right = (
        part.sum(1) / count.sum(1).clip(min=1) for part, count in zip(outputs, counts, strict=True)
    )
    scores = [torch.cat([asked, each], 1) @ weights["head"] for each in (left, right)]
    return (scores[0] - scores[1])[:, 0]


def _attended(weights: Mapping[str, Tensor], x: Tensor, there: Tensor) -> Tensor:
    rows, length, width = x.shape
    parts = (_normal(x) @ weights["attention"]).view(rows, length, 3, _HEADS, width // _HEADS)
    query, key, value = parts.permute(2, 0, 3, 1, 4)
    mask = there[:, None, None, :]
    out = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return x + out.transpose(1, 2).reshape(rows, length, width) @ weights["mixed"]


def _normal(x: Tensor) -> Tensor:
    return torch.nn.functional.layer_norm(x, x.shape[-1:])
