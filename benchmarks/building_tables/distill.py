"""How near a student comes to the two tunes of the story model fused, on texts it has not seen.

The student is the story model. Its corpus is the beginning of Shakespeare's plays, and questions
and solutions of GSM8K's training set; the figures are on the texts of `_stories.texts`, of which
none is in the corpus. A divergence is KL(fused, model) in nats a token, over all tokens.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch
from table_text import markdown

import composer
from building_tables._stories import MODELS, texts
from composer.build.teacher_outputs import read_documents
from composer.build.trainers import train_model
from composer.compiler.graph import topological
from composer.compiler.graph.node import model_of
from composer.engine.engine import Engine
from composer.engine.sessions.likely_tokens import Document
from composer.engine.top_tokens import NONE
from composer.methods.distillation.objectives import TeacherDistributions
from composer.specs import Derived

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from composer.values import Model

LETTERS = 120_000
"""Of the corpus, of each kind."""

TRAINING = "adamw(rate = 0.003, epochs = 3, batch = 8, length = 128, checks = 12)"
OBJECTIVES = {
    "student of the fused tunes": "distributions(target = 0, top = 64)",
    "student of the text alone": "distributions(target = 1, top = 64)",
}
VOCABULARY = 512


def table(data: Path, work: Path | None = None) -> str:
    """Return the table; `work` keeps the corpus."""
    with TemporaryDirectory() as temporary:
        folder = work or Path(temporary)
        corpus = _corpus(data, folder / "corpus.jsonl")
        models = _models(data, corpus)
        for model in models.values():
            if isinstance(model, Derived):
                train_model(model, print)
        return _measured(models, [t for some in texts(data).values() for t in some])


def _corpus(data: Path, path: Path) -> Path:
    plays = (data / "corpora" / "tinyshakespeare.txt").read_text("utf-8")
    lines = (data / "evaldata" / "gsm8k" / "train.jsonl").read_text("utf-8").splitlines()
    rows = map(json.loads, lines)
    sums = "\n".join(f"{row['question']}\n{row['answer']}" for row in rows)
    kept = (json.dumps({"text": each[:LETTERS]}) + "\n" for each in (plays, sums))
    path.write_text("".join(kept), encoding="utf-8")
    return path


def _models(data: Path, corpus: Path) -> dict[str, Model]:
    """Return the fused tunes, each model alone, and the students."""
    named = zip("SAB", MODELS.values(), strict=True)
    declared = "\n".join(f'model {n} = hf("{data / "models" / folder}")' for n, folder in named)
    fused = "token_fuse(A, B)"
    alone = {"fused": fused, "base": "S", "Shakespeare's tune": "A", "the sums' tune": "B"}
    students = {
        name: f'distill(S, {fused}, corpus = "{corpus}", learn = {learn}, training = {TRAINING})'
        for name, learn in OBJECTIVES.items()
    }
    return {name: _model(f"{declared}\n{each}\n") for name, each in (alone | students).items()}


def _model(text: str) -> Model:
    """Return the model that answers in a recipe."""
    asked = composer.load(text).compiled.answer
    assert asked is not None
    return next(
        model_of(node) for node in reversed(topological(asked)) if node.port.name == "MODEL"
    )


def _measured(models: Mapping[str, Model], some: Sequence[str]) -> str:
    documents = [Document(None, text, end=False) for text in some]
    with Engine() as engine:
        found = {name: _distributions(engine, model, documents) for name, model in models.items()}
    fused = found.pop("fused")[0]
    apart = {name: _divergence(fused, own) for name, (own, _) in found.items()}
    rows = [
        [name, f"{apart[name]:.3f}", f"{apart[name] / apart['base']:.0%}", f"{nats:.3f}"]
        for name, (_, nats) in found.items()
    ]
    head = ["model", "divergence from the fused tunes", "of the base's", "nats a token on the text"]
    return markdown(head, rows)


def _distributions(
    engine: Engine, model: Model, documents: Sequence[Document]
) -> tuple[Tensor, float]:
    """Return all distributions [place, token], and the mean nats of what stood there."""
    readings = read_documents(engine, model, documents, TeacherDistributions(top=VOCABULARY))
    rows = []
    for each in readings:
        ids = each.distributions.ids.long()
        shares = each.distributions.probabilities.masked_fill(ids == NONE, 0.0)
        wide = torch.zeros(len(ids), VOCABULARY + 1)
        rows.append(wide.scatter_add_(1, ids.where(ids >= 0, VOCABULARY), shares))
    return torch.cat(rows), torch.cat([each.distributions.nats for each in readings]).mean().item()


def _divergence(first: Tensor, second: Tensor) -> float:
    logs = [each.clamp(min=1e-20).log() for each in (first, second)]
    return (first * (logs[0] - logs[1])).sum(-1).mean().item()
