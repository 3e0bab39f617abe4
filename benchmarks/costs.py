"""What routes spend and reach where costs are recorded and no price is declared: a Markdown table.

    python benchmarks/costs.py --data FOLDER [--only NAME] [--write docs/routing.md]

FOLDER holds `NAME_train.jsonl.gz` and `NAME_test.jsonl.gz`, a row a line as `compose fit` reads
them, with a `cost` in dollars for each answer. Each line of the table is a recipe over all models
of the file: fitted on the training rows, with a policy or a target, and measured on the test rows
by what was recorded there. With `--write`, the table replaces that between the markers of the file.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from composer.compiler.fits import fit_path
from composer.diagnostics import Mistakes
from composer.evaluate import decide_only, read_rows
from composer.fit.fitting import fit
from composer.fit.settings import FitSettings, Target
from composer.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.evaluate.router import Router, Standing

SETS = ("routerbench_arc_challenge", "cascades_mmlu_llama", "cascades_mmlu_qwen_oai")
ESTIMATOR = "linear()"


@dataclass(frozen=True)
class Trial:
    """A policy, and the target that it is calibrated to, as a person writes them."""

    policy: str
    target: str | None = None

    def beside(self, best: Standing) -> Trial:
        """Return the trial with its amounts as parts of what the best single model costs."""
        low, middle = 0.1 * best.cost, 0.3 * best.cost
        known = {"low": 1000 * low, "middle": 1000 * middle}
        known |= {"low_answer": low, "middle_answer": middle}
        known["quality"] = best.accuracy.mean - 0.05
        target = None if self.target is None else self.target.format(**known)
        return Trial(self.policy.format(**known), target)


TRIALS = (
    Trial("one()"),
    Trial("one(cost = 0.01)"),
    Trial("one(cost = 0.1)"),
    Trial("one(cost = 100)"),
    Trial("cheapest(at = 0.8)"),
    Trial("cheapest(at = 0.9)"),
    Trial("budget(mean = {low:.2g})"),
    Trial("budget(mean = {middle:.2g})"),
    Trial("one()", "cost={low_answer:.2g}"),
    Trial("one()", "cost={middle_answer:.2g}"),
    Trial("one()", "share=0.5"),
    Trial("one()", "quality={quality:.2g}"),
    Trial("cheapest()", "cost={middle_answer:.2g}"),
)


def main() -> None:
    """Print the table, or write it into a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", choices=SETS, help="one set alone")
    parser.add_argument("--write", type=Path, help="the Markdown file to write the table into")
    arguments = parser.parse_args()
    lines = []
    for line in _lines(arguments.data, [arguments.only] if arguments.only else list(SETS)):
        print(line, flush=True)
        lines.append(line)
    if arguments.write is not None:
        _replace(arguments.write, "\n".join(lines))


def _lines(folder: Path, names: list[str]) -> Iterator[str]:
    yield "| file | policy | target | dollars for 1,000 answers | quality | choices made |"
    yield "|---|---|---|---|---|---|"
    for name in names:
        train, test = (folder / f"{name}_{part}.jsonl.gz" for part in ("train", "test"))
        yield from _set(name, train, test)


def _set(name: str, train: Path, test: Path) -> Iterator[str]:
    models = tuple(sorted({model for row in read_rows(train) for model in row.recorded}))
    with tempfile.TemporaryDirectory() as own:
        bench = Bench(Path(own) / "recipe.ens", train, test, models)
        plain = bench.router(Trial("one()"))
        best = plain.singles[plain.best]
        cheap_name, cheap = min(plain.singles.items(), key=lambda one: one[1].cost)
        yield f"| {name} | always {bench.model(cheap_name)} | | {_shown(cheap)} | 1 |"
        yield f"| {name} | always {bench.model(plain.best)} | | {_shown(best)} | 1 |"
        for trial in TRIALS:
            written = trial.beside(best)
            shown = f"| {name} | `{written.policy}` | {written.target or ''} |"
            try:
                router = bench.router(written)
            except Mistakes as refused:
                yield f"{shown} refused: {refused.diagnostics[0].message} | | |"
                continue
            made = sum(share > 0 for share in router.shares.values())
            yield f"{shown} {_shown(router.decided)} | {made} |"


def _shown(one: Standing) -> str:
    quality = one.accuracy
    return f"{1000 * one.cost:.3g} | {quality.mean:.3f} [{quality.low:.3f}, {quality.high:.3f}]"


@dataclass(frozen=True)
class Bench:
    """A recipe over recorded models without prices, its training rows and its test rows.

    The recipe's own recorded answers are the training rows, so it knows nothing of the test rows.
    """

    path: Path
    train: Path
    test: Path
    models: tuple[str, ...]

    def router(self, trial: Trial) -> Router:
        """Fit the recipe and measure it on the test rows; a fit without a target is kept."""
        self._write(trial.policy)
        fit_file = fit_path(self.path)
        if trial.target is not None or not fit_file.exists():
            aim = None if trial.target is None else Target.read(trial.target)
            fit(FitSettings(Recipe.load(self.path), self.train, target=aim))
        router = decide_only(Recipe.load(self.path), read_rows(self.test)).router
        if trial.target is not None:
            fit_file.unlink()
        assert router is not None
        return router

    def model(self, name: str) -> str:
        """Return the model that has a name in the recipe."""
        return self.models[int(name[1:])]

    def _write(self, policy: str) -> None:
        names = [f"m{at}" for at in range(len(self.models))]
        pairs = zip(names, self.models, strict=True)
        declared = (f'model {name} = recorded("{self.train}", "{model}")' for name, model in pairs)
        route = f"route(by = {ESTIMATOR}, policy = {policy}) -> [{', '.join(names)}]"
        self.path.write_text("\n".join((*declared, route)) + "\n", encoding="utf-8")


def _replace(path: Path, text: str) -> None:
    """Put the table between the markers of a Markdown file."""
    whole = path.read_text(encoding="utf-8")
    marked = re.compile(r"(<!-- costs -->\n).*?(<!-- end of costs -->)", re.DOTALL)
    path.write_text(marked.sub(lambda m: f"{m[1]}{text}\n{m[2]}", whole), encoding="utf-8")


if __name__ == "__main__":
    main()
