"""Free text without labels: who is chosen by likeness alone, beside length and chance.

The recorded sets are those of the data folder. Outputs for AlpacaEval's prompts, with the
preferences of its judge, are read from `alpaca_eval/results` in the same folder, if a clone of
https://github.com/tatsu-lab/alpaca_eval is there.
"""

from __future__ import annotations

import itertools
import json
import random
import time
from typing import TYPE_CHECKING

import sacrebleu
from table_text import gain, markdown, percent

from composer.methods.agreements.base import Comparison, Exact
from composer.methods.agreements.cosine import Cosine, Terms
from composer.methods.agreements.overlap import F1, Bleu, Rouge
from composer.methods.answer_table import AnswerRow, AnswerTable
from composer.methods.estimators.embeddings import Static
from composer.methods.reductions.base import Count, Medoid
from composer.methods.selectors.smoothie import Smoothie
from composer.metrics import bleu_matrix
from composer.values import Candidates, Query, Text
from voting_tables._pools import Answers, Pool, answers, members_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from composer.methods import Agreement

RECORDED = {
    "triviaqa, Llama 1B to 405B": "cascades_triviaqa_llama_test",
    "triviaqa, Qwen and GPT-4o": "cascades_triviaqa_qwen_oai_test",
    "gsm8k, full solutions": "gsm8k_four_models",
    "mbpp, eleven models' code": "routerbench_mbpp_test",
}
ALPACA = {
    "AlpacaEval, FuseChat 1B to 9B": (
        "FuseChat-Gemma-2-9B-Instruct",
        "FuseChat-Llama-3.1-8B-Instruct",
        "FuseChat-Llama-3.2-1B-Instruct",
        "FuseChat-Llama-3.2-3B-Instruct",
        "FuseChat-Qwen-2.5-7B-Instruct",
    ),
    "AlpacaEval, eight open models": (
        "alpaca-7b",
        "chatglm2-6b",
        "falcon-7b-instruct",
        "gemma-2b-it",
        "gemma-7b-it",
        "phi-2-sft",
        "vicuna-7b-v1.5",
        "wizardlm-13b",
    ),
    "AlpacaEval, Claude and GPT-3.5": (
        "claude",
        "claude-2",
        "claude-2.1",
        "claude-instant-1.2",
        "gpt-3.5-turbo-0301",
        "gpt-3.5-turbo-1106",
    ),
}
ANNOTATIONS = "weighted_alpaca_eval_gpt4_turbo/annotations.json"
MEDOIDS: dict[str, Agreement] = {
    "F1": F1(),
    "ROUGE-L": Rouge(),
    "BLEU": Bleu(),
    "TF-IDF": Terms(),
    "static vectors": Cosine(of=Static()),
}
SMOOTHIES = {
    "Smoothie, the row, TF-IDF": Smoothie(),
    "Smoothie, the row, static vectors": Smoothie(features=Static()),
    "Smoothie, 20 near rows, static vectors": Smoothie(features=Static(), over="near"),
    "Smoothie, all rows, static vectors": Smoothie(features=Static(), over="all"),
}


def table(data: Path) -> str:
    """Return the tables of free text, and how long a medoid by BLEU takes."""
    parts = [_pool(name, pool) for name, pool in _pools(data)]
    return "\n\n".join([*parts, _speed()])


def _pools(data: Path) -> Iterator[tuple[str, Answers]]:
    for name, file in RECORDED.items():
        yield name, answers(data, Pool(file, members_of(data, file), "whole()", "exact()"))
    folder = data / "alpaca_eval" / "results"
    for name, models in ALPACA.items() if folder.is_dir() else ():
        yield name, _alpaca(folder, models)


def _alpaca(folder: Path, models: Sequence[str]) -> Answers:
    """Read the outputs of models; the quality of one is the judge's preference for it, 0 to 1."""
    said: dict[str, dict[str, tuple[str, float]]] = {}
    for model in models:
        text = (folder / model / ANNOTATIONS).read_text(encoding="utf-8")
        for row in json.loads(text):
            if row.get("preference") is not None:
                outcome = row["output_2"], float(row["preference"]) - 1
                said.setdefault(row["instruction"], {})[model] = outcome
    rows = [_row(query, each, models) for query, each in said.items() if len(each) == len(models)]
    made = AnswerTable(tuple(models), tuple(rows))
    return Answers(made, tuple(_compared(row, Exact()) for row in rows))


def _row(query: str, said: dict[str, tuple[str, float]], models: Sequence[str]) -> AnswerRow:
    asked = Query.of(query)
    texts = tuple(Text(asked, said[model][0], model) for model in models)
    return AnswerRow(Candidates(asked, texts, tuple(models)), tuple(said[m][1] for m in models))


def _compared(row: AnswerRow, by: Agreement) -> Comparison:
    return Comparison(by, [text.answer for text in row.candidates.texts])


def _pool(name: str, pool: Answers) -> str:
    rows = pool.table.rows
    chance = [sum(q or 0.0 for q in row.quality) / len(row.quality) for row in rows]
    best = pool.quality_of(pool.table.best_member)
    lengths = [[float(len(text.text)) for text in row.candidates.texts] for row in rows]
    chosen = {
        "a random member": chance,
        "the best member, in hindsight": best,
        "the longest": _quality(rows, lengths),
        "the shortest": _quality(rows, [[-each for each in row] for row in lengths]),
        "majority of equal texts": pool.quality(Count()),
        **{f"medoid, {by}": _medoid(rows, part) for by, part in MEDOIDS.items()},
        **{kind: _smoothie(pool, part) for kind, part in SMOOTHIES.items()},
        "any member": pool.best_quality(),
    }
    lines = [
        [kind, percent(values), gain(values, chance), gain(values, best)]
        for kind, values in chosen.items()
    ]
    title = f"{name}: {len(rows):,} rows, {len(pool.table.names)} members.\n\n"
    return title + markdown(["chosen", "quality", "over a random one", "over the best"], lines)


def _quality(rows: Sequence[AnswerRow], values: Sequence[Sequence[float]]) -> list[float]:
    return [row.quality_of_choice(each) for row, each in zip(rows, values, strict=True)]


def _medoid(rows: Sequence[AnswerRow], by: Agreement) -> list[float]:
    part = Medoid()
    return _quality(rows, [part.values(row.candidates, _compared(row, by)) for row in rows])


def _smoothie(pool: Answers, part: Smoothie) -> list[float]:
    """Return the quality of the choice on each row, fitted on every second row, the other ones."""
    places = range(len(pool.table.rows))
    chosen = [0.0] * len(places)
    for half in (places[::2], places[1::2]) if part.open else (places,):
        fitted = pool.taken([at for at in places if at not in half]).fitted(part)
        for at, quality in zip(half, pool.taken(half).quality(fitted), strict=True):
            chosen[at] = quality
    return chosen


def _speed() -> str:
    """Return the time of all pairs of 20 texts of 200 tokens, in bare calls of sacrebleu."""
    draw = random.Random(0)
    words = [f"w{at}" for at in range(400)]
    texts = [" ".join(draw.choices(words, k=200)) for _ in range(20)]
    bleu_matrix(texts[:2])
    began = time.thread_time()
    bleu_matrix(texts)
    ours = time.thread_time() - began
    began = time.thread_time()
    for left, right in itertools.combinations(texts, 2):
        sacrebleu.sentence_bleu(left, [right])
    bare = time.thread_time() - began
    return (
        f"A medoid by BLEU over 20 answers of 200 tokens takes {ours / bare:.2f} times as long as "
        "the 190 bare calls of sacrebleu for one order of each pair."
    )
