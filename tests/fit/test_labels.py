"""Traps of labels: what is missing, what is all the same, what is empty."""

import pytest

from composer.diagnostics import Mistakes
from composer.fit.fitting import fit
from composer.fit.settings import FitSettings
from composer.methods import Choice, Linear, PartError
from composer.recipe import Recipe


def without(rows, name, keep=0):
    return [
        {**row, "recorded": {k: v for k, v in row["recorded"].items() if k != name or at < keep}}
        for at, row in enumerate(rows)
    ]


def with_label(rows, name, value):
    for row in rows:
        row["recorded"][name]["correct"] = value
    return rows


def test_a_model_without_any_label_is_an_error(desk, rows):
    path = desk.recipe()
    recipe = Recipe.load(path)
    desk.rows(without(rows, "beta"))
    with pytest.raises(PartError, match="no recorded outcome of `B`"):
        fit(FitSettings(recipe, desk.data))


def test_labels_of_some_rows_are_used_and_noted(desk, rows):
    desk.rows(without(rows, "beta", keep=40))
    done = desk.fit(desk.recipe(), shrink=False)
    assert "B has outcomes for 40 of 60 rows" in done.notes
    assert done.manifest.entries[0].report["complete"] == 40


def test_one_class_only_is_a_constant_and_noted(desk, rows):
    desk.rows(with_label(rows, "beta", value=True))
    done = desk.fit(desk.recipe())
    assert (
        "B always has the outcome 1, so the rows do not say on which questions it does better"
        in done.notes
    )
    with Recipe.load(desk.recipe()).ready() as ensemble:
        assert ensemble(rows[2]["query"]).decision == {"A": 0.0, "B": 1.0}


def test_ties_everywhere_are_noted_and_the_first_choice_is_taken(desk, rows):
    desk.rows(with_label(with_label(rows, "beta", value=True), "alpha", value=True))
    path = desk.recipe(policy="one()")
    done = desk.fit(path)
    assert any("no route can be better" in note for note in done.notes)
    assert "apgr" not in done.manifest.entries[0].report["shuffled"]
    with Recipe.load(path).ready() as ensemble:
        assert ensemble(rows[2]["query"]).decision == {"A": 1.0, "B": 0.0}


def test_a_row_with_an_empty_query_is_an_error(desk, rows):
    recipe = Recipe.load(desk.recipe())
    desk.rows([*rows, {**rows[0], "id": "empty", "query": " "}])
    with pytest.raises(PartError, match='line 61: this row has no "query"'):
        fit(FitSettings(recipe, desk.data))


def test_an_empty_query_is_judged_by_the_bias_alone(desk):
    part = Linear(data=str(desk.data))
    (found,) = part.judge([("", ())], (Choice("alpha"), Choice("beta")))
    assert all(0 < quality < 1 for quality in found.quality)


def test_fewer_rows_than_folds_are_an_error(desk, rows):
    desk.rows(rows[:4])
    with pytest.raises(Mistakes, match="4 rows with outcomes are too few for 5 folds"):
        desk.fit(desk.recipe())


def test_one_question_in_all_rows_teaches_no_route(desk, rows):
    desk.rows([{**row, "query": rows[0]["query"]} for row in rows])
    with pytest.raises(Mistakes, match="1 different question with outcomes is too few for 5 folds"):
        desk.fit(desk.recipe())


def test_rows_with_neither_outcomes_nor_references_are_an_error(desk, rows):
    recipe = Recipe.load(desk.recipe())
    desk.rows([{"query": row["query"]} for row in rows])
    with pytest.raises(Mistakes, match="no recorded outcomes and no references"):
        fit(FitSettings(recipe, desk.data))


def test_choices_are_asked_where_nothing_was_recorded(desk, rows):
    other = desk.folder / "questions.jsonl"
    lines = [
        f'{{"id": "{row["id"]}", "query": "{row["query"]}", "reference": "alpha"}}' for row in rows
    ]
    other.write_text("\n".join(lines))
    done = fit(FitSettings(Recipe.load(desk.recipe()), other, how="exact", shrink=False))
    assert done.manifest.entries[0].report["single"] == {"name": "A", "quality": 1.0}
    assert done.manifest.data.path == "questions.jsonl"


def test_a_choice_that_is_new_may_be_recorded_or_asked(desk, rows):
    path = desk.recipe()
    recipe = Recipe.load(path)
    desk.rows(without(rows, "beta"))
    with pytest.raises(PartError) as caught:
        fit(FitSettings(recipe, desk.data))
    assert "record outcomes of `B`, or remove `recorded` from rows" in caught.value.help
    assert "the only one is `alpha`" in caught.value.help


def test_answers_without_a_label_are_told_from_no_answers(desk, rows):
    recipe = Recipe.load(desk.recipe())
    for row in rows:
        for outcome in row["recorded"].values():
            del outcome["correct"]
    desk.rows(rows)
    with pytest.raises(PartError, match="not whether they are right") as caught:
        fit(FitSettings(recipe, desk.data))
    assert caught.value.help.startswith("add `correct` or a `score` to each answer")


def test_recorded_texts_are_graded_as_eval_grades_them(desk, rows):
    """Texts and references teach what judgements teach; the given grader decides."""
    judged = desk.fit(desk.recipe(), shrink=False)
    for row in rows:
        row["reference"] = "4"
        for answer in row["recorded"].values():
            answer["text"] = "it is 4" if answer.pop("correct") else "it is 5"
    desk.rows(rows)
    graded = desk.fit(desk.recipe(), shrink=False, how="numeric")
    ours, theirs = graded.manifest.entries[0].report, judged.manifest.entries[0].report
    assert ours["shuffled"] == theirs["shuffled"]
    strict = desk.fit(desk.recipe(), shrink=False, how="exact")
    assert (
        "A always has the outcome 0, so the rows do not say on which questions it does better"
        in strict.notes
    )
