"""The likeliest of some labels is the answer, with the probabilities of all."""

import asyncio
import math

import pytest

from composer.diagnostics import Mistakes
from composer.methods import find_part
from composer.recipe import Recipe
from composer.steps import STEPS
from composer.values import ModelError, Query, Score

ZOO = 'use "zoo.ens" (general, large)\n'
LOGIC = "From left to right: true and not false?"


class Scoring:
    """Scores labels with fixed log-probabilities."""

    def __init__(self, **totals):
        self.totals, self.notes = totals, {}

    async def ask(self, request):
        return tuple(Score((text,), (self.totals[text],)) for text in request.texts)

    def note(self, **facts):
        self.notes |= facts


class Named:
    name = "A"


def classified(**totals):
    ask = Scoring(**totals)
    step = STEPS["classify"].function
    return asyncio.run(step(Query.of("?"), Named(), tuple(totals), ask=ask))


def signal(name, text, **options):
    return find_part("signal", name)(**options).measure(text)


def test_all_that_is_said_of_tokens_and_votes_is_known_of_labels():
    text = classified(no=math.log(0.1), yes=math.log(0.3))
    assert (text.answer, text.confidence) == ("yes", pytest.approx(0.75))
    expected = {
        "probability": 0.75,
        "agreement": 0.75,
        "token_margin": 0.5,
        "margin": 0.5,
        "token_entropy": 0.5623351,
        "entropy": 0.5623351,
        "mean_logprob": math.log(0.75),
    }
    assert {name: signal(name, text) for name in expected} == pytest.approx(expected)
    assert signal("uniform_distance", text, outcomes=2) == pytest.approx(math.sqrt(0.125))


def test_a_label_that_cannot_be_said_has_no_probability():
    text = classified(yes=-1.0, no=-math.inf)
    assert signal("probability", text) == 1.0
    assert signal("token_margin", text) == 1.0
    with pytest.raises(ModelError, match="none of the scores is a number"):
        classified(yes=-math.inf, no=math.nan)


def test_a_cascade_reads_the_labels_of_a_model_of_this_process():
    first = 'classify(general, [" yes", " no"])'
    rest = f"cascade({first}, large, accept = token_margin > 0.5 and agreement > 0.7)"
    recipe = Recipe.load(ZOO + rest)
    assert "W301" not in {each.code for each in recipe.check()}
    with recipe.ready(cache=False) as ensemble:
        result = ensemble(LOGIC)
    assert result.answer.strip() == "yes"
    assert set(result.members) == {"general"}


def mistake_in(text):
    with pytest.raises(Mistakes) as raised:
        Recipe.load(text)
    (mistake,) = raised.value.diagnostics
    return mistake


@pytest.mark.parametrize("labels", ['["a", "a "]', '["a", ""]', '["a"]'])
def test_labels_must_differ(labels):
    assert mistake_in(f"{ZOO}classify(general, {labels})").code == "E402"


def test_a_model_that_cannot_score_is_refused_with_another_way():
    mistake = mistake_in('model A = fake(says = "a")\nclassify(A, ["a", "b"])')
    assert mistake.code == "E302"
    assert "A -> extract(choice())" in mistake.help
