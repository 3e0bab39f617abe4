"""The head of `roles`: found by evolution on conversations with members whose answers are known."""

import asyncio
import json

import numpy as np
import pytest

from composer.diagnostics import Mistakes
from composer.fit.evolution import default_population, sep_cma_es
from composer.fit.fitting import fit
from composer.fit.settings import FitSettings
from composer.recipe import Recipe

MODELS = """
model N = fake(knows = [["number", "42"]], says = "no")
model W = fake(knows = [["word", "tree"]], says = "no")
"""
ROLES = """
coordinate(N, W, by = roles(
  features = length(), thinker = "{{ query }}", worker = "{{ query }}", verifier = "{{ query }}",
  verdict = same, call_cost = 0.1, population = 10, batch = 8, generations = %d
), turns = 3)
"""
NUMBER, WORD = "Which number is the one that is meant?", "Which word?"


@pytest.fixture
def folder(tmp_path):
    """Rows of two kinds, one with longer questions: N knows the numbers, W the words."""
    rows = [
        {"query": query, "reference": right}
        for _ in range(10)
        for query, right in ((NUMBER, "42"), (WORD, "tree"))
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def fitted(folder, generations=1, rows="rows.jsonl"):
    path = folder / "r.ens"
    path.write_text(MODELS + ROLES % generations)
    return path, fit(FitSettings(Recipe.load(path), folder / rows))


def test_a_head_learns_who_knows_what_is_measured_on_other_rows_and_spares_calls(folder):
    path, outcome = fitted(folder, generations=16)
    (entry,) = outcome.manifest.entries
    assert (entry.names, entry.rows) == (("N", "W"), 16)
    held_out = entry.report["held_out"]
    assert held_out["chosen"][0] == 1.0
    assert held_out["best_member"][0] < 1.0
    with Recipe.load(path).ready() as ensemble:
        results = [ensemble(NUMBER), ensemble(WORD)]
    assert [result.answer for result in results] == ["42", "tree"]
    notes = [e.notes for r in results for e in r.trace.events if e.op == "coordinate"]
    assert [(each["ended"], len(each["turns"])) for each in notes] == [("answer", 2)] * 2


def test_the_same_seed_gives_the_same_head(folder):
    digests = {fitted(folder)[1].manifest.entries[0].content for _ in range(2)}
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('{"query": "Which?"}\n' * 20, "0 rows with a reference are too few"),
        ('{"query": "Which?", "reference": "42"}\n' * 9, "9 rows with a reference are too few"),
    ],
)
def test_too_few_rows_are_refused(folder, lines, said):
    (folder / "few.jsonl").write_text(lines)
    with pytest.raises(Mistakes, match=said):
        fitted(folder, rows="few.jsonl")


def test_a_question_that_was_rewritten_before_is_refused(folder):
    path = folder / "r.ens"
    path.write_text(MODELS + 'prompt("{{ query }}!") -> coordinate(N, W, by = roles())\n')
    with pytest.raises(Mistakes, match="that is given the question"):
        fit(FitSettings(Recipe.load(path), folder / "rows.jsonl"))


@pytest.mark.parametrize("scales", [(1.0, 1.0, 1.0, 1.0), (1.0, 10.0, 0.1, 3.0)])
def test_the_search_finds_the_least_of_a_bowl_whatever_its_axes(scales):
    target = np.array([1.0, -0.5, 2.0, 0.25])

    async def losses(candidates):
        return (np.array(scales) * (candidates - target) ** 2).sum(-1)

    found = asyncio.run(
        sep_cma_es(losses, np.zeros(4), sigma=0.5, population=12, generations=80, seed=0)
    )
    assert found == pytest.approx(target, abs=1e-2)


def test_the_default_population_grows_with_the_logarithm_of_the_size():
    assert [default_population(size) for size in (1, 10, 1000)] == [4, 10, 24]
