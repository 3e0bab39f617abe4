"""What a guard is worth on subjects that no row had, and how often its warning comes: two tables.

    python benchmarks/guarding.py --data FOLDER [--only NAME ...] [--write docs/routing.md]

FOLDER holds `routellm_mmlu.jsonl.gz`, `routellm_gsm8k.jsonl.gz`, `routerbench_mbpp_train.jsonl.gz`.
Of the 40 subjects 17 are kept aside, drawn by a fixed seed. Each estimator is fitted once to the
others, as `compose fit` does. The tables replace those between the markers `guard` of the file.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import tempfile
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from composer.fit.fitting import fit
from composer.fit.settings import FitSettings
from composer.fit.typicality import Closeness, alarm_rate
from composer.fit.validation import intervals
from composer.methods.estimators.folds import shuffled
from composer.methods.estimators.shrinkage import shrunk
from composer.methods.estimators.training_rows import labels
from composer.methods.estimators.typicality import held_out_state, measure, ranks
from composer.methods.estimators.values import Choice
from composer.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.methods.estimators.values import Asked, Labels

PAIR = ("mixtral-8x7b", "gpt-4")
ASIDE, SEED = 17, 7
HELD_OUT = 1200
SIZES = (1, 20, 200, 1000)
ESTIMATORS = {
    "linear": "linear()",
    "knn": "knn(k = 100)",
    "factors": "factors()",
    "mix": (
        "mix(of = [linear(features = [tfidf(words = 0, chars = 4), tags()], c = 0.5),"
        " forest(features = [latent(), shape(), tags()]), knn(k = 100)])"
    ),
}


def main() -> None:
    """Print the tables, or write them into a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="*", choices=tuple(ESTIMATORS), default=list(ESTIMATORS))
    parser.add_argument("--write", type=Path, help="the Markdown file to write the tables into")
    arguments = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        train, aside = _split(arguments.data, Path(folder))
        for line in chain(
            _warnings(arguments.data, train, aside),
            [""],
            _estimators(arguments.data, train, aside, arguments.only),
        ):
            print(line, flush=True)
            lines.append(line)
    if arguments.write is not None:
        whole = arguments.write.read_text(encoding="utf-8")
        marked = re.compile(r"(<!-- guard -->\n).*?(<!-- end guard -->)", re.DOTALL)
        text = "\n".join(lines)
        arguments.write.write_text(marked.sub(lambda m: f"{m[1]}{text}\n{m[2]}", whole), "utf-8")


def _split(data: Path, folder: Path) -> tuple[Path, Path]:
    """Write the rows of 23 subjects and of the 17 others into two files."""
    with gzip.open(data / "routellm_mmlu.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [(line, json.loads(line)["tags"][1]) for line in file]
    subjects = sorted({subject for _, subject in rows})
    aside = set(np.random.default_rng(SEED).permutation(subjects)[:ASIDE])
    paths = folder / "train.jsonl", folder / "aside.jsonl"
    for path, inside in zip(paths, (False, True), strict=True):
        path.write_text("".join(line for line, subject in rows if (subject in aside) == inside))
    return paths


def _labels(path: Path) -> Labels:
    return labels(str(path), tuple(map(Choice, PAIR)))


def _warnings(data: Path, train: Path, aside: Path) -> Iterator[str]:
    """Fit the test to all but some rows of the training subjects, and count alarms."""
    rows, rng = _labels(train), np.random.default_rng(SEED)
    order = rng.permutation(len(rows.queries))
    fitted = rows.take(np.sort(order[HELD_OUT:]))
    closeness = Closeness.of(fitted)
    held_out = held_out_state(closeness.held_out(shuffled(fitted.queries, 5, 0)))
    state = closeness.state()
    groups = {
        "held-out rows": rows.take(order[:HELD_OUT]).asked,
        "17 other subjects": _labels(aside).asked,
        "GSM8K": _labels(data / "routellm_gsm8k.jsonl.gz").asked,
        "code (MBPP)": _code(data / "routerbench_mbpp_train.jsonl.gz"),
    }
    yield "| queries | unusual (p <= .05) | " + " | ".join(f"runs of {n}" for n in SIZES) + " |"
    yield "|---|---|" + "---|" * len(SIZES)
    for name, asked in groups.items():
        rank, size = ranks(held_out, measure(state, asked)), len(fitted.queries)
        unusual = ((rank + 1) / (size + 1) <= 0.05).mean()
        cells = [
            f"{alarm_rate(rank, size, each, SEED):.0%}" if len(rank) >= each else ""
            for each in SIZES
        ]
        yield f"| {name} | {unusual:.1%} | {' | '.join(cells)} |"


def _code(path: Path) -> tuple[Asked, ...]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return tuple((json.loads(line)["query"], ()) for line in file)


def _estimators(data: Path, train: Path, aside: Path, names: Sequence[str]) -> Iterator[str]:
    yield "| estimator | queries | guarded | unguarded | length | guarded over length |"
    yield "|---|---|---|---|---|---|"
    for name in names:
        recipe = train.with_name("recipe.ens")
        models = "".join(f'model m{at} = recorded("{train}", "{n}")\n' for at, n in enumerate(PAIR))
        text = f"{models}route(by = {ESTIMATORS[name]}, policy = gap()) -> [m0, m1]\n"
        recipe.write_text(text, encoding="utf-8")
        fit(FitSettings(Recipe.load(recipe), train))
        nodes = Recipe.load(recipe).fitted.graph.places
        parts = [node.get("by") for node in nodes if node.op == "route"]
        part: Any = next(each for each in parts if each.fitted is not None)
        for title, path in (("17 other subjects", aside), ("GSM8K", _gsm8k(data))):
            yield f"| {name} | {title} | {' | '.join(_figures(part, _labels(path)))} |"


def _gsm8k(data: Path) -> Path:
    return data / "routellm_gsm8k.jsonl.gz"


def _figures(part: Any, rows: Labels) -> list[str]:  # noqa: ANN401 - a bound estimator
    raw = part.predict(part.fitted.state, rows.asked)
    guarded, _ = shrunk(part.fitted.shrinkage, rows.asked, raw)
    length = np.array([len(query) for query in rows.queries], dtype=float)
    scores = [each.mean[:, 1] - each.mean[:, 0] for each in (guarded, raw)]
    ours, plain, unguarded, gain, _ = intervals(
        [scores[0], length, scores[1]], rows.quality[:, 0], rows.quality[:, 1], 0
    )
    shown = [f"{each.mean:.3f} [{each.low:.3f}, {each.high:.3f}]" for each in (ours, unguarded)]
    over = f"{gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"
    return [*shown, f"{plain.mean:.3f}", over]


if __name__ == "__main__":
    main()
