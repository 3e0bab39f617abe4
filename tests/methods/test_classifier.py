"""A classifier that learns from the labels of a vote, which nobody checked."""

import random
from dataclasses import replace

import pytest
from answer_tables import fitted, row_of, shares

from composer.methods import Ballot, Exact, Numeric, PartError
from composer.methods.answer_table import AnswerTable
from composer.methods.reductions.classifier import Classifier
from composer.methods.selecting import comparisons
from composer.values import Query

WORDS = {"spam": ("prize", "winner", "cash"), "mail": ("meeting", "report", "agenda")}


def letter(label, rng):
    return f"{rng.choice(WORDS[label])} {rng.choice(WORDS[label])} {rng.randrange(100)}"


def weak(count=200, accuracy=(0.9, 0.7, 0.65), seed=0):
    """Labellers that are right so often, of texts whose words tell the truth."""
    rng = random.Random(seed)
    rows = []
    for _ in range(count):
        truth = rng.choice(list(WORDS))
        other = next(label for label in WORDS if label != truth)
        said = [truth if rng.random() < x else other for x in accuracy]
        rows.append(row_of(said, query=letter(truth, rng)))
    return AnswerTable(("A", "B", "C"), tuple(rows))


def decided(part, query, answers):
    row = row_of(answers, query=query)
    row = replace(row, candidates=replace(row.candidates, query=Query.of(query)))
    (comparison,) = comparisons(AnswerTable(row.candidates.names, (row,)), Exact())
    pairs = zip(row.candidates.texts, row.candidates.names, strict=True)
    return part.shares([Ballot(text, name) for text, name in pairs], comparison)


@pytest.fixture(scope="module")
def part():
    return fitted(Classifier(), weak())


def test_it_learns_from_the_texts_what_the_labellers_mean(part):
    outcome = decided(part, "cash prize 7", ["mail", "mail", "spam"])
    assert outcome.leaders() == ((2,),)
    assert dict(outcome.why)["classifier"] == "spam"
    assert decided(part, "agenda report", ["mail", "mail", "spam"]).leaders() == ((0, 1),)


def test_it_chooses_only_among_labels_that_were_given(part):
    assert decided(part, "cash prize", ["mail", "mail", None]).leaders() == ((0, 1),)


def test_answers_that_are_no_label_go_by_the_vote(part):
    assert shares(part, ["new", "new", "other"]).leaders() == ((0, 1),)


def test_it_is_fitted_without_any_label():
    assert not Classifier().labelled
    assert not any(quality for row in weak(5).rows for quality in row.quality)


def test_open_answers_are_refused():
    rng = random.Random(0)
    rows = tuple(row_of([str(n), str(n), str(n)], query=letter("spam", rng)) for n in range(60))
    with pytest.raises(PartError, match="needs 2 to 50 labels that the questions share"):
        fitted(Classifier(), AnswerTable(("A", "B", "C"), rows))
    with pytest.raises(PartError, match="compares labels, which `numeric` does not give"):
        fitted(Classifier(), weak(30), by=Numeric())
