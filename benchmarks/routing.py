"""How well learnt routers do on recorded outcomes, beside length and chance: Markdown tables.

    python benchmarks/routing.py --data FOLDER [--quick] [--write docs/routing.md]

FOLDER holds `routellm_mmlu.jsonl.gz`, `routellm_gsm8k.jsonl.gz` and the `routerbench_*` files, a
row a line as `compose fit` reads them. Every figure is that of a recipe, fitted as `compose fit`
does: on five folds of shuffled rows, and with whole tags left out; 95% bootstrap intervals over
rows beside them. With `--write`, the tables replace those between the markers of the file. With
`--only features`, only the table of features on MMLU is made: how far each reaches subjects that
were left out.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from composer.evaluate import read_rows
from composer.evaluate.decisions import decide_only
from composer.evaluate.sweep import AIQ, GAIN, ZERO_AIQ
from composer.fit.fitting import fit
from composer.fit.settings import FitSettings
from composer.fit.validation import intervals, recovered
from composer.methods.estimators.training_rows import labels
from composer.methods.estimators.values import Choice
from composer.metrics import drawn_interval
from composer.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PAIR = ("mixtral-8x7b", "gpt-4")
"""The weak and the strong model of the RouteLLM files."""

CHANCES = 100
BEST = (
    "mix(of = [linear(features = [tfidf(words = 0, chars = 4), tags()], c = 0.5),"
    " forest(features = [latent(), shape(), tags()]),"
    " knn(k = 100)])"
)
GSM8K = (
    "mix(of = [linear(features = [tfidf(), length()]),"
    " linear(features = [tfidf(words = 0, chars = 4), shape()], c = 0.5), forest()])"
)


@dataclass(frozen=True)
class Trial:
    """A recipe's estimator, and the files that it is tried on; `slow` ones are left out."""

    title: str
    estimator: str
    files: tuple[str, ...]
    slow: bool = False


MMLU_FILE, GSM8K_FILE = "routellm_mmlu", "routellm_gsm8k"
BOTH = (MMLU_FILE, GSM8K_FILE)
TRIALS = (
    Trial("logistic, TF-IDF", "linear()", BOTH),
    Trial("the same with the length", "linear(features = [tfidf(), length()])", BOTH),
    Trial("the same with the tag", "linear(features = [tfidf(), tags()])", (MMLU_FILE,)),
    Trial("nearest neighbours, k = 100", "knn(k = 100)", BOTH),
    Trial("best: letters, forest, neighbours", BEST, (MMLU_FILE,), slow=True),
    Trial("best: words, letters, forest", GSM8K, (GSM8K_FILE,), slow=True),
)
SLICES = ("routerbench_mbpp", "routerbench_arc_challenge")
SLICED = ("knn(k = 40)", "linear()", "linear(features = [tfidf(), shape()])")


SHAPE = "shape(weight = 0.3)"
FEATURES = (
    Trial("length", "linear(features = length(), c = 0.03)", (MMLU_FILE,)),
    Trial("length and shape", f"linear(features = {SHAPE}, c = 0.03)", (MMLU_FILE,)),
    Trial("words, shape", f"linear(features = [tfidf(), {SHAPE}])", (MMLU_FILE,)),
    Trial(
        "static vectors, length", "linear(features = [static(), length()], c = 0.1)", (MMLU_FILE,)
    ),
    Trial(
        "static vectors, shape", f"linear(features = [static(), {SHAPE}], c = 0.05)", (MMLU_FILE,)
    ),
    Trial("static vectors, neighbours", "knn(k = 100, features = static())", (MMLU_FILE,)),
    Trial(
        "sentence encoder, shape",
        f"linear(features = [sentence(), {SHAPE}], c = 0.05)",
        (MMLU_FILE,),
        slow=True,
    ),
    Trial("`selection()`", "selection()", (MMLU_FILE,), slow=True),
)


def main() -> None:
    """Print the tables, or write them into a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="leave out the slow trials")
    parser.add_argument(
        "--only", choices=(*BOTH, "routerbench", "features"), help="one kind of file, or one table"
    )
    parser.add_argument("--write", type=Path, help="the Markdown file to write the tables into")
    arguments = parser.parse_args()
    folder, quick, only = arguments.data, arguments.quick, arguments.only
    tables = {"routing": _lines(folder, quick=quick, only=only)} if only != "features" else {}
    if only in (None, "features"):
        tables["features"] = _features(folder, quick=quick)
    for marker, table in tables.items():
        lines = []
        for line in table:
            print(line, flush=True)
            lines.append(line)
        if arguments.write is not None:
            _replace(arguments.write, marker, "\n".join(lines))


def _lines(folder: Path, *, quick: bool, only: str | None) -> Iterator[str]:
    if only != "routerbench":
        yield from _pairs(folder, [only] if only else list(BOTH), quick=quick)
        yield ""
    if only in (None, "routerbench"):
        yield "| file | router | AIQ | of the zero-router | difference | mean gain over its hull |"
        yield "|---|---|---|---|---|---|"
        for name in SLICES:
            for estimator in SLICED:
                yield _slice(folder, name, estimator)


def _pairs(folder: Path, names: list[str], *, quick: bool) -> Iterator[str]:
    yield "| file | router | rows held out | tags held out | shrunk, rows | shrunk, tags |"
    yield "|---|---|---|---|---|---|"
    for name in names:
        yield from _controls(folder, name)
        for trial in TRIALS:
            if name in trial.files and not (quick and trial.slow):
                yield _line(name, trial.title, _report(folder, name, trial.estimator, PAIR))


def _features(folder: Path, *, quick: bool) -> Iterator[str]:
    yield "| features | `by = ...` | rows held out | tags held out | over length, tags held out |"
    yield "|---|---|---|---|---|"
    for trial in FEATURES:
        if quick and trial.slow:
            continue
        report = _report(folder, MMLU_FILE, trial.estimator, PAIR, shrink=False)
        cells = [_shown(report[scheme]["apgr"]) for scheme in ("shuffled", "foreign")]
        gain = _shown(report["foreign"]["over_length"], sign=True)
        yield f"| {trial.title} | `{trial.estimator}` | {' | '.join(cells)} | {gain} |"


def _controls(folder: Path, name: str) -> Iterator[str]:
    weak, strong, queries = _pair(folder, name)
    rng = np.random.default_rng(0)
    chance = [recovered(rng.random(len(weak)), weak, strong) for _ in range(CHANCES)]
    low, high = np.quantile(chance, (0.025, 0.975))
    yield f"| {name} | chance | {np.mean(chance):.3f} [{low:.3f}, {high:.3f}] | | | |"
    length = np.array([len(query) for query in queries], dtype=float)
    yield f"| {name} | length | {_shown(_interval(length, weak, strong))} | | | |"


def _pair(folder: Path, name: str) -> tuple[Any, Any, tuple[str, ...]]:
    found = labels(str(_file(folder, name)), tuple(map(Choice, PAIR)))
    return found.quality[:, 0], found.quality[:, 1], found.queries


def _interval(score: Any, weak: Any, strong: Any) -> list[float]:  # noqa: ANN401 - arrays
    found = intervals([score], weak, strong, 0)[0]
    return [found.mean, found.low, found.high]


def _line(name: str, title: str, report: dict[str, Any]) -> str:
    schemes = ("shuffled", "foreign", "shuffled_shrunk", "foreign_shrunk")
    cells = [_shown(report[each]["apgr"]) if each in report else "" for each in schemes]
    gain = _shown(report["shuffled"]["over_length"], sign=True)
    return f"| {name} | {title}; over length {gain} | {' | '.join(cells)} |"


def _shown(found: Sequence[float], *, sign: bool = False) -> str:
    mean, low, high = found
    plus = "+" if sign else ""
    return f"{mean:{plus}.3f} [{low:{plus}.3f}, {high:{plus}.3f}]"


def _report(
    folder: Path, name: str, estimator: str, models: Sequence[str], *, shrink: bool = True
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as own:
        recipe = _recipe(Path(own), _file(folder, name), estimator, models, "gap()")
        outcome = fit(FitSettings(recipe, _file(folder, name), shrink=shrink, cache=True))
        return outcome.manifest.entries[0].report


def _recipe(own: Path, data: Path, estimator: str, models: Sequence[str], policy: str) -> Recipe:
    """Write a recipe over recorded models, and read it."""
    names = [f"m{at}" for at in range(len(models))]
    lines = [
        f'model {name} = recorded("{data}", "{model}")'
        for name, model in zip(names, models, strict=True)
    ]
    lines.append(f"route(by = {estimator}, policy = {policy}) -> [{', '.join(names)}]")
    path = own / "recipe.ens"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Recipe.load(path)


def _slice(folder: Path, name: str, estimator: str) -> str:
    """Fit on the training rows and measure on the test rows of a RouterBench file."""
    train, test = _file(folder, f"{name}_train"), _file(folder, f"{name}_test")
    rows = read_rows(test)
    models = sorted({model for row in rows for model in row.recorded})
    with tempfile.TemporaryDirectory() as own:
        recipe = _recipe(Path(own), train, estimator, models, "one(cost = 0)")
        fit(FitSettings(recipe, train, shrink=False))
        router = decide_only(Recipe.load(Path(own) / "recipe.ens"), rows).router
    assert router is not None
    drawn = router.drawn
    gain = drawn_interval(drawn[AIQ] - drawn[ZERO_AIQ])
    figures = (router.figures[AIQ], router.figures[ZERO_AIQ], gain, router.figures[GAIN])
    triples = [[each.mean, each.low, each.high] for each in figures]
    cells = [_shown(each, sign=at > 1) for at, each in enumerate(triples)]
    return f"| {name} | {estimator} | {' | '.join(cells)} |"


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.jsonl.gz"


def _replace(path: Path, marker: str, text: str) -> None:
    """Put tables between the markers of a Markdown file."""
    whole = path.read_text(encoding="utf-8")
    marked = re.compile(rf"(<!-- {marker} -->\n).*?(<!-- end -->)", re.DOTALL)
    path.write_text(marked.sub(lambda m: f"{m[1]}{text}\n{m[2]}", whole), encoding="utf-8")


if __name__ == "__main__":
    main()
