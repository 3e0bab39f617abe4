"""Panels, mixtures, rounds and debate on the zoo, beside what the same calls give otherwise."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from table_text import gain, markdown, percent

from composer import load, zoo
from composer.evaluate import compare, read_rows

if TYPE_CHECKING:
    from composer.evaluate import EvaluationRow, Report

KINDS = ("add", "compare", "count", "edge", "lookup", "reverse")
"""The questions whose answers the zoo's largest model can copy in three of four cases or more."""

ROWS = 120

MODELS = """use "zoo.ens" (general, general_2, large)
model copier = fake(style = echo)
default generate(max_tokens = 16)
default regenerate(max_tokens = 16)
let members = [general, general_2, large]
"""
LOOK = '"""Ann is {{ answers[0].value }}, Ben is {{ answers[1].value }}. What is Ann?"""'
COPY = '"""{{ answers[0].value }}"""'
TYPICAL = "rank(by = consensus(by = exact()))"
LAYER = f"prompt({LOOK}) -> members"
MIXTURE = f"members -> {TYPICAL} -> {LAYER} -> {TYPICAL}"
ROUNDS = "general, general_2, large, schedule = [6, 2], draft_temperature = 0.3"
WRITE, COPIED = f"regenerate(large, {LOOK})", f"regenerate(copier, {COPY})"
RECIPES = {
    "mixture of agents, two layers": (f"{MIXTURE} -> {WRITE}", WRITE),
    "panel": (f"members -> {TYPICAL} -> {WRITE}", WRITE),
    "rounds, 6 and 2 drafts": (
        f"rounds(large, {ROUNDS}, weights = [0, 1, 1, 1], template = {LOOK})",
        WRITE,
    ),
    "mixture of agents, copied": (f"{MIXTURE} -> {COPIED}", COPIED),
    "panel, copied": (f"members -> {TYPICAL} -> {COPIED}", COPIED),
    "debate of two rounds, then a vote": (
        f"debate(general, general_2, large, template = {LOOK}) -> vote()",
        COPIED,
    ),
}
"""Recipes, each with the writer of the self-fusion beside it; a copier copies the first answer."""

BESIDE = {"best single, large": "large", "vote of the three": "members -> vote()"}


def table(data: Path) -> str:
    """Return the table of panels; the zoo has all that it needs."""
    del data
    rows = [row for row in read_rows(zoo.ITEMS / "test.jsonl") if row.tags[0] in KINDS]
    rows = rows[:: max(len(rows) // ROWS, 1)][:ROWS]
    beside = _measured(BESIDE, rows)
    measured = _measured({name: text for name, (text, _) in RECIPES.items()}, rows)
    fusions = {name: _self_fusion(measured[name], writer) for name, (_, writer) in RECIPES.items()}
    unlike = dict.fromkeys(fusions.values())
    fused = _measured({text: text for text in unlike}, rows)
    lines = [[name, *_figures(one), "", "", ""] for name, one in beside.items()]
    for name, one in measured.items():
        against = [*beside.values(), fused[fusions[name]]]
        gains = [gain(_scores(one), _scores(other)) for other in against]
        lines.append([name, *_figures(one), *gains])
    for text, one in fused.items():
        gains = [gain(_scores(one), _scores(other)) for other in beside.values()]
        how = ", copied" if text.endswith(COPIED) else ""
        lines.append([f"self-fusion{how}", *_figures(one), *gains, ""])
    over = ["over best single", "over vote", "over self-fusion at equal calls"]
    head = f"{len(rows)} questions of the kinds {', '.join(KINDS)}.\n\n"
    return head + markdown(["recipe", "right", "calls", *over], lines)


def _self_fusion(report: Report, writer: str) -> str:
    """Return the recipe in which the best member takes as many calls; a copier takes none."""
    draws = ceil(_calls(report) - 1e-9) - (writer == WRITE)
    return f"sample(large, {draws}) -> {TYPICAL} -> {writer}"


def _figures(report: Report) -> tuple[str, str]:
    return percent(_scores(report)), f"{_calls(report):.1f}"


def _measured(recipes: dict[str, str], rows: list[EvaluationRow]) -> dict[str, Report]:
    with TemporaryDirectory() as folder:
        loaded = []
        for at, answer in enumerate(recipes.values()):
            path = Path(folder, f"{at}.ens")
            path.write_text(f"{MODELS}\n{answer}\n", encoding="utf-8")
            loaded.append(load(path))
        reports = compare(loaded, rows, members=False).reports
    return dict(zip(recipes, reports, strict=True))


def _calls(report: Report) -> float:
    """Return the calls a row; a copier is no model, and is never kept."""
    calls = sum(report.calls.values(), report.cached) - report.calls.get("copier", 0)
    return calls / report.rows


def _scores(report: Report) -> list[float]:
    return [report.qualities[name] for name in sorted(report.qualities)]
