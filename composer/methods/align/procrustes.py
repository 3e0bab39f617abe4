"""Two sets of vectors rotated onto each other, and who is whose neighbour then.

Orthogonal Procrustes: with X and Z the vectors of what both have, centred and of length 1, and
`X' Z = U S V'`, the rotated ones are X U and Z V. Around it stand the steps of VecMap (AAAI 2018,
"Generalizing and improving bilingual word embedding mappings"). Likeness is cross-domain
similarity local scaling, `2 cos(x, z) - r(z)`, with r(z) the mean cosine of z and its nearest x
(CSLS, arXiv:1710.04087), as in EVA, arXiv:2404.09492.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.heavy import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

__all__ = ["Projection", "project", "rotated"]

_BLOCK = 1024
_FEW = 5  # so many may be alike


@dataclass(frozen=True)
class Projection:
    """Options of EVA's projection, by default those of its code.

    `near` tokens at most stand for one, those at least `threshold` alike; `around` neighbours
    make the local scale; of more than five, none stand for a token to which all are as alike: if
    their likeness deviates by less than `spread`.
    """

    near: int = 10
    threshold: float = 0.1
    around: int = 1
    spread: float = 0.01


def project(
    vectors: Sequence[Tensor], pairs: Tensor, words: Sequence[Tensor], how: Projection
) -> tuple[Tensor, Tensor]:
    """For each token of the first the tokens of the second [own, near], and how alike they are.

    `vectors` are [token, dimension] of both, `pairs` [2, n] the tokens of what both have, `words`
    the tokens that take part. What both have is rotated onto each other, and looked at like all.
    """
    one, two = rotated(vectors, pairs)
    one_words, two_words = words
    x, z = one[one_words], two[two_words]
    scale = _around(z, x, how.around)
    near = min(how.near, len(z))
    tokens = torch.full((len(one), how.near), -1)
    likeness = torch.zeros((len(one), how.near))
    for start in range(0, len(x), _BLOCK):
        rows = one_words[start : start + _BLOCK]
        scores, neighbours = (2 * x[start : start + _BLOCK] @ z.T - scale).topk(near, -1)
        good = scores >= how.threshold
        good &= ~_vague(scores, good, how.spread)
        tokens[rows, :near] = two_words[neighbours].where(good, -1)
        likeness[rows, :near] = scores.where(good, 0.0)
    return tokens, likeness


def rotated(vectors: Sequence[Tensor], pairs: Tensor) -> tuple[Tensor, Tensor]:
    """Vectors of both, of length 1, in one space in which those of the pairs lie on each other.

    As VecMap does: the pairs' directions are made uncorrelated before the rotation, weighed by the
    root of how well they agree after it, and correlated again. Where there are no more pairs than
    dimensions this cannot be done, and the rotation stands alone.
    """
    one, two = (_even(each.float().cpu()) for each in vectors)
    if pairs.shape[1] <= max(one.shape[1], two.shape[1]):
        left, _, right = _agreeing(one, two, pairs)
        return _units(one @ left), _units(two @ right)
    white, dark = zip(_whitening(one[pairs[0]]), _whitening(two[pairs[1]]), strict=True)
    one, two = one @ white[0], two @ white[1]
    left, agree, right = _agreeing(one, two, pairs)
    one = (one @ left * agree.sqrt()) @ (left.T @ dark[0] @ left)
    two = (two @ right * agree.sqrt()) @ (right.T @ dark[1] @ right)
    return _units(one), _units(two)


def _agreeing(one: Tensor, two: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Directions [dimension, n] of both in which pairs agree the most, and how much they do."""
    left, agree, right = torch.linalg.svd(one[pairs[0]].T @ two[pairs[1]], full_matrices=False)
    return left, agree, right.T


def _whitening(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """The symmetric map [dimension, dimension] that makes vectors uncorrelated, and its inverse."""
    _, spread, axes = torch.linalg.svd(vectors, full_matrices=False)
    spread = spread.clamp(min=1e-5 * float(spread.max()))[:, None]
    return axes.T @ (axes / spread), axes.T @ (axes * spread)


def _units(vectors: Tensor) -> Tensor:
    """Vectors of length 1."""
    return torch.nn.functional.normalize(vectors, dim=-1)


def _even(vectors: Tensor) -> Tensor:
    """Vectors of length 1, centred, of length 1 again."""
    units = _units(vectors)
    return _units(units - units.mean(0))


def _around(z: Tensor, x: Tensor, count: int) -> Tensor:
    """The mean cosine [token] of each z and its nearest x."""
    blocks = range(0, len(z), _BLOCK)
    count = min(count, len(x))
    return torch.cat([(z[n : n + _BLOCK] @ x.T).topk(count, -1).values.mean(-1) for n in blocks])


def _vague(scores: Tensor, good: Tensor, spread: float) -> Tensor:
    """Rows [row, 1] of more than five that are all alike."""
    count = good.sum(-1, keepdim=True)
    kept = scores.where(good, 0.0)
    mean = kept.sum(-1, keepdim=True) / count.clamp(min=1)
    off = ((scores - mean).where(good, 0.0) ** 2).sum(-1, keepdim=True) / count.clamp(min=1)
    return (off.sqrt() <= spread) & (count > _FEW)
