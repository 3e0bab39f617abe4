"""Fuses of the three story models on texts of which one of them is the expert."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, cast
from unittest.mock import patch

from composer import load
from composer.backends.hf import HF
from composer.compiler.graph.node import model_of
from composer.engine.engine import Engine
from composer.engine.rows.runner import Runner
from composer.fit.fitting import fit
from composer.fit.settings import FitSettings
from composer.specs import Declared, SpanFuse
from composer.values import Generate, Query, Sampling

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from composer.engine.rows.row import Feed
    from composer.methods.spans.learned import LearnedBoundary
    from composer.values import Completion
    from composer.values.typed import Typed

FOLDERS = {
    "stories": "stories260K",
    "maths": "stories260K-ft-gsm8k",
    "shakespeare": "stories260K-ft-shakespeare",
}
LETTERS, TOKENS = 160, 48


def prompts(data: Path, count: int) -> dict[str, list[str]]:
    """Return beginnings of texts, by the name of the expert for them."""
    lines = (data / "evaldata" / "gsm8k" / "test.jsonl").read_text().splitlines()[:count]
    plays = (data / "corpora" / "tinyshakespeare.txt").read_text()
    start = int(0.95 * len(plays))  # the rest was read in training
    places = range(start, len(plays) - LETTERS, (len(plays) - start) // count)
    return {
        "maths": [json.loads(line)["question"][:LETTERS] for line in lines],
        "shakespeare": [plays[at : at + LETTERS] for at in list(places)[:count]],
    }


def learned(data: Path, count: int = 60) -> Typed:
    """Fit a learned boundary on texts of both kinds, none of which `prompts` gives."""
    lines = (data / "evaldata" / "gsm8k" / "train.jsonl").read_text().splitlines()[:count]
    texts = [json.loads(line)["question"] for line in lines]
    plays = (data / "corpora" / "tinyshakespeare.txt").read_text()
    texts += [plays[at : at + 2 * LETTERS] for at in range(0, 2 * LETTERS * count, 2 * LETTERS)]
    rows = [{"query": text[:LETTERS], "reference": text[LETTERS:]} for text in texts]
    models = [f'model {n} = hf("{data / "models" / folder}")' for n, folder in FOLDERS.items()]
    fuse = f"span_fuse({', '.join(FOLDERS)}, span = learned_boundary())"
    with TemporaryDirectory() as folder:
        recipe, references = Path(folder, "learned.ens"), Path(folder, "rows.jsonl")
        recipe.write_text("\n".join([*models, fuse, ""]), encoding="utf-8")
        references.write_text("".join(json.dumps(row) + "\n" for row in rows if row["reference"]))
        fit(FitSettings(load(recipe), references))
        asked = load(recipe).optimized.root.asks
        assert asked is not None
        model = model_of(asked)
        assert isinstance(model, SpanFuse)
        boundary = cast("LearnedBoundary", model.span)
        boundary.state()  # read before the folder is gone
        return boundary


def written(
    data: Path, asked: Sequence[str], parts: Mapping[str, Typed]
) -> tuple[list[Completion], int]:
    """Let a fuse of the three models go on with texts; return how many tokens all passes read."""
    members = tuple(
        Declared(name, HF(path=str(data / "models" / folder))) for name, folder in FOLDERS.items()
    )
    how = Sampling(max_tokens=TOKENS, temperature=0.0)
    fuse = SpanFuse(members, tuple(FOLDERS), None, **parts)
    jobs = [Generate(fuse, Query.of(text), how) for text in asked]
    with Engine() as engine, _counted() as read:
        answers = [future.result() for future in [engine.generate(job) for job in jobs]]
    return answers, sum(read)


@contextmanager
def _counted() -> Iterator[list[int]]:
    """Count the tokens of each forward pass."""
    counts: list[int] = []
    plain = Runner.forward

    def forward(runner: Runner, feeds: Sequence[Feed], *, hidden: bool = False) -> Tensor:
        counts.append(sum(len(feed.ids) for feed in feeds))
        return plain(runner, feeds, hidden=hidden)

    with patch.object(Runner, "forward", forward):
        yield counts


def shares(answers: Sequence[Completion], name: str) -> list[float]:
    """Return the share of spans, by answer, that a member won of those on which members differ."""
    found = []
    for answer in answers:
        spans = [span for span in answer.spans if len(set(span.candidates.values())) > 1]
        if spans:
            won = sum(span.candidates[name] == span.text for span in spans)
            found.append(won / len(spans))
    return found
