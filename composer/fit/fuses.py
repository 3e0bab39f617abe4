"""The trainer of parts of a fuse: reference answers are read to its members, and compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from composer.compiler.graph import model_of
from composer.fit.settings import TrainingResult, nearest, not_trainable
from composer.fit.tokens import (
    read_members,
    train_critical,
    train_expert,
    train_learned,
    train_mapped,
    train_routed,
)
from composer.methods.gate import Critical, Routed
from composer.methods.weigh.expert import Expert
from composer.methods.weigh.learned import LearnedWeights
from composer.specs import Checkpoint, SpanFuse, TokenFuse, leaves
from composer.values import State, Trainable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.compiler.graph import Node
    from composer.engine.sessions.teacher_forcing import MemberReadings
    from composer.fit.settings import FitSettings
    from composer.methods.align.mapped import Mapped
    from composer.methods.fitted import FittedPart, TrainablePart

__all__ = [
    "fuse_of",
    "local_span_fuse",
    "reference_texts",
    "spaced",
    "train_mapping",
    "train_part",
]

Teach = Callable[["MemberReadings", "Sequence[str]", int], State]
"""Makes a state of what members say of texts, the members' names and a seed."""

TEACHERS: dict[type[Trainable], Teach] = {
    Expert: lambda heard, names, _: train_expert(heard, names),
    LearnedWeights: lambda heard, names, _: train_learned(heard, names),
    Critical: lambda heard, _, __: train_critical(heard),
    Routed: lambda heard, _, seed: train_routed(heard, seed=seed),
}
"""The training function of each class of parts; the nearest class counts."""

_TRIED = 16  # answers read with and without a space before them


def train_part(part: TrainablePart, node: Node, settings: FitSettings) -> TrainingResult:
    """Teach a gate or weights of a fuse by the data's questions and references."""
    from composer.engine.engine import Engine

    if node.step.fuses is not TokenFuse:
        text = f"`{part.name}` can only be fitted inside of a `token_fuse`"
        raise not_trainable(text, "use it as the `gate` or `weigh` of a fuse")
    teach, fuse = nearest(TEACHERS, part), fuse_of(node)
    with Engine() as engine:

        def total(some: Sequence[tuple[str, str]]) -> float:
            logprobs = read_members(engine, fuse, some).logprobs
            return float(logprobs.clamp(min=-100).sum().item())

        texts = spaced(reference_texts(settings), total)
        readings = read_members(engine, fuse, texts, hidden=part.hidden)
    states = {"state": teach(readings, fuse.names, settings.seed)}
    return TrainingResult(fuse.names, len(texts), states, _report(readings, fuse.names))


def fuse_of(node: Node) -> TokenFuse:
    """Return the token fuse that a node is."""
    fuse = model_of(node)
    assert isinstance(fuse, TokenFuse)
    return fuse


def reference_texts(settings: FitSettings) -> list[tuple[str, str]]:
    """Questions, and of each the first answer that counts as right."""
    from composer.evaluate import read_rows

    rows = [row for row in read_rows(settings.data) if row.references]
    if not rows:
        text = f"{settings.data} has no references, and the parts of a fuse are fitted on them"
        raise not_trainable(text, 'add a "reference" to the rows')
    return [(row.query, row.references[0]) for row in rows]


def local_span_fuse(part: FittedPart, node: Node) -> SpanFuse:
    """Return the span fuse that a node is; raises Mistakes (E509) where its members are not here.

    Fitting takes many answers or readings, so no server is asked.
    """
    fuse = model_of(node)
    if not isinstance(fuse, SpanFuse) or not all(leaf.is_local for leaf in leaves(fuse)):
        text = f"`{part.name}` is fitted on a `span_fuse` of models that run here"
        raise not_trainable(text, "fit it with `hf` or `zoo` models, and give the fit by `file`")
    return fuse


def spaced(
    texts: Sequence[tuple[str, str]], total: Callable[[Sequence[tuple[str, str]]], float]
) -> list[tuple[str, str]]:
    """Return answers with a space before them, if the members find that likelier than without.

    `total` gives the log-probability of some answers to their questions.
    """
    variants = [[(query, space + answer) for query, answer in texts] for space in ("", " ")]
    return max(variants, key=lambda variant: total(variant[:_TRIED]))


def _report(readings: MemberReadings, names: Sequence[str]) -> dict[str, object]:
    """How many tokens were read, and which share of them each member had right."""
    accuracies = readings.correct.float().mean(0).tolist()
    right = {name: round(accuracy, 4) for name, accuracy in zip(names, accuracies, strict=True)}
    return {"tokens": len(readings.correct), "right": right}


def train_mapping(part: Mapped, node: Node, settings: FitSettings) -> TrainingResult:
    """Teach a fuse what its other members' tokens are in the first one's; the data are not read."""
    from composer.engine.weights.local import load

    del settings
    fuse = fuse_of(node)
    models = [member for member in fuse.members if isinstance(member, Checkpoint)]
    if len(models) < len(fuse.members):
        text = f"`{part.name}` needs single models, because it is fitted on their embeddings"
        raise not_trainable(text, "fuse models, not prompted models or fuses")
    pivot, *others = (load(model) for model in models)
    state = train_mapped(pivot, others)
    report = {"tokens": {name: _found(state, n) for n, name in enumerate(fuse.names[1:])}}
    return TrainingResult(fuse.names, 0, {"state": state}, report)


def _found(mapping: State, other: int) -> int:
    """How many of a member's tokens are mapped to any."""
    return int((mapping.arrays[f"tokens.{other}"] >= 0).any(-1).sum())
