"""One estimator chosen from several by what it does on tags, or rows, left out."""

import numpy as np
import pytest

from composer.compiler.plan.option_text import declared_text
from composer.methods.estimators.learned import Linear
from composer.methods.estimators.selection import Selection, correlation
from composer.methods.estimators.shapes import Lengthy

WORDS = Linear()
LENGTH = Linear(features=Lengthy())
FIELDS = ("apple", "bridge", "candle", "desert", "engine", "forest")


@pytest.fixture
def drawn(labels):
    """Rows whose field, named in the query, says much of who is right, and the length a little."""
    rng = np.random.default_rng(0)
    queries, quality, tags = [], [], []
    for at in range(360):
        field, words = FIELDS[at % 6], int(rng.integers(1, 9))
        queries.append(" ".join([field] * words))
        good = rng.random() < (0.85 if at % 2 else 0.15) + 0.03 * (words - 4.5)
        quality.append((float(good), float(not good)))
        tags.append((field,))
    return labels(queries, quality, tags=tags), labels(queries, quality)


def facts(part, table):
    return part.fit(table, 0).part("choice").facts


def test_what_carries_over_to_other_tags_is_chosen(drawn):
    with_tags, without = drawn
    part = Selection(of=(WORDS, LENGTH))
    assert facts(part, with_tags)["left_out"] == "tags"
    assert facts(part, with_tags)["chosen"] == 1
    assert facts(part, without)["left_out"] == "rows"
    assert facts(part, without)["chosen"] == 0


def test_it_predicts_what_the_chosen_one_does(drawn):
    table, _ = drawn
    part = Selection(of=(WORDS, LENGTH))
    ours = part.predict(part.fit(table, 0), table.asked).mean
    assert ours.tolist() == LENGTH.predict(LENGTH.fit(table, 0), table.asked).mean.tolist()


def test_the_note_has_the_choice_and_all_scores(drawn):
    part = Selection(of=(WORDS, LENGTH))
    (note,) = part.notes(part.fit(drawn[0], 0), declared_text)
    assert note.startswith("`selection` took linear(features = length(weight = 1)); correlation")
    assert "on held-out tags: linear() -0." in note


def test_one_row_is_enough(labels):
    part = Selection(of=(WORDS, LENGTH))
    assert facts(part, labels(["a"], [(1, 0)])) == {
        "chosen": 0,
        "scores": [0.0, 0.0],
        "left_out": "rows",
    }


def test_the_correlation_is_that_of_differences_worked_by_hand():
    quality = np.array([[1.0, 0], [0, 1], [1, 1], [np.nan, 1]])
    assert correlation(np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.3], [0, 0]]), quality) > 0.9
    assert correlation(quality * 0.1 + 5, quality) == pytest.approx(1)
    assert correlation(-quality, quality) == pytest.approx(-1)
    assert correlation(np.ones((4, 2)), quality) == 0
