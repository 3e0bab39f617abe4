"""The trainer of parts of a fuse: reference answers are read to its members, and compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from composer.compiler.graph import model_of
from composer.fit.lesson import TrainingResult, nearest, unteachable
from composer.fit.tokens import critical, hear, learned, routed
from composer.methods.gate import Critical, Routed
from composer.methods.weigh import LearnedWeights
from composer.specs import TokenFuse
from composer.values import State, Trainable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.compiler.graph import Node
    from composer.engine.engine import Engine
    from composer.engine.sessions.listen import MemberReadings
    from composer.fit.lesson import FitSettings
    from composer.methods.taught import TrainableTensorPart

__all__ = ["fuse_of", "train_part"]

Teach = Callable[["MemberReadings", "Sequence[str]", int], State]
"""Makes a state of what members say of texts, the members' names and a seed."""

TEACHERS: dict[type[Trainable], Teach] = {
    LearnedWeights: lambda heard, names, _: learned(heard, names),
    Critical: lambda heard, _, __: critical(heard),
    Routed: lambda heard, _, seed: routed(heard, seed=seed),
}
"""What teaches each class of parts; a part is taught by that of its nearest class."""

_TRIED = 16  # answers read with and without a space before them


def train_part(part: TrainableTensorPart, node: Node, lesson: FitSettings) -> TrainingResult:
    """Teach a gate or weights of a fuse by the data's questions and references."""
    from composer.engine.engine import Engine

    if node.step.fuses is not TokenFuse:
        text = f"`{part.name}` can only learn inside of a `token_fuse`"
        raise unteachable(text, "give it to a fuse as its `gate` or `weigh`")
    teach, fuse = nearest(TEACHERS, part), fuse_of(node)
    with Engine() as engine:
        texts = _spaced(engine, fuse, _texts(lesson))
        heard = hear(engine, fuse, texts, hidden=part.hidden)
    states = {"state": teach(heard, fuse.names, lesson.seed)}
    return TrainingResult(fuse.names, len(texts), states, _report(heard, fuse.names))


def fuse_of(node: Node) -> TokenFuse:
    """Return the token fuse that a node is."""
    fuse = model_of(node)
    assert isinstance(fuse, TokenFuse)
    return fuse


def _texts(lesson: FitSettings) -> list[tuple[str, str]]:
    """Questions, and of each the first answer that counts as right."""
    from composer.evaluate import read_rows

    rows = [row for row in read_rows(lesson.data) if row.references]
    if not rows:
        text = f"{lesson.data} has no references, the answers that a fuse's parts learn from"
        raise unteachable(text, 'give rows a "reference"')
    return [(row.query, row.references[0]) for row in rows]


def _spaced(
    engine: Engine, fuse: TokenFuse, texts: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """The answers with a space before them, if the members find that likelier than without."""
    variants = [[(query, space + answer) for query, answer in texts] for space in ("", " ")]
    heard = [hear(engine, fuse, each[:_TRIED]) for each in variants]
    totals = [each.logprobs.clamp(min=-100).sum().item() for each in heard]
    return variants[totals.index(max(totals))]


def _report(heard: MemberReadings, names: Sequence[str]) -> dict[str, object]:
    """How many tokens were read, and which share of them each member had right."""
    shares = heard.right.float().mean(0).tolist()
    right = {name: round(share, 4) for name, share in zip(names, shares, strict=True)}
    return {"tokens": len(heard.right), "right": right}
