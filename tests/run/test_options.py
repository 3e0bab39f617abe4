"""Options of one query: they hold for the steps whose text may be the answer, or are refused."""

import json
from contextlib import nullcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.recipe import Recipe
from composer.run import Failure
from composer.values import AnswerSchema
from composer.values.details import TokenDetail
from composer.values.options import AnswerOptions

CHOICES = '["one", "two", "three", "four"]'

MODELS = f"""
model M = fake(among = {CHOICES})
model N = fake(among = {CHOICES}, seed = 1)
model L = fake(says = "a b c d e f", confidence = 0.5)
"""


@pytest.fixture
def texts(load):
    """Answer a query under options; return what each step gave, by its name in the language."""

    def answer(recipe, query="Why?", **options):
        with load(recipe, models=MODELS).ready() as ensemble:
            result = ensemble(query, options=AnswerOptions(**options) if options else None)
        return result, {event.op: event for event in result.trace.events}

    return answer


@pytest.mark.parametrize(
    ("recipe", "writers"),
    [
        ("M", ["generate"]),
        ("[M, N] -> vote()", ["generate", "generate"]),
        ("sample(M, 3) -> extract(number()) -> vote()", ["sample"]),
        ("cascade(M, N, accept = confidence >= 0.5) | L", ["generate"] * 3),
        ("[M, N] -> select(L)", ["generate", "generate"]),
        ("route(policy = several(k = 1), by = uniform()) -> [M, N] -> vote()", ["generate"] * 2),
        ("[M, N] -> regenerate(L)", ["regenerate"]),
        ('M -> prompt("{{ answer }}?") -> N', ["generate"]),
        ("[M, N] -> rank(L, by = judge()) -> best()", ["generate", "generate"]),
    ],
)
def test_those_who_write_are_known_by_what_their_readers_hand_on(load, recipe, writers):
    with load(recipe, models=MODELS).ready() as ensemble:
        assert [writer.op for writer in ensemble.writers] == writers


def test_options_hold_for_writers_and_for_nobody_else(texts):
    _, steps = texts('L -> prompt("{{ answer }}") -> L(max_tokens = 3)', max_tokens=2)
    assert steps["prompt"].gave == "a b c d e f"
    result, _ = texts("[L, L] -> select(L)", max_tokens=2)
    assert result.answer == "a b"
    assert result.trace.events[-1].notes["reply"] == "a b c d e f"


LANGUAGE = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.sampled_from([0.0, 0.5, 1.0]),
        "top_p": st.sampled_from([0.5, 1.0]),
        "max_tokens": st.integers(1, 4),
        "stop": st.sampled_from([(), ("o",)]),
    },
)
RECIPES = ("{M}", "cascade({M}, {N}, accept = confidence >= 0.5)", "[{M}, {N}] -> select(L)")


def _written(options):
    """Write options in the language."""
    listed = ", ".join(
        f"{name} = {list(value) if isinstance(value, tuple) else value}".replace("'", '"')
        for name, value in options.items()
    )
    return f"({listed})" if listed else ""


@settings(max_examples=10, deadline=None)
@given(LANGUAGE, st.sampled_from(RECIPES), st.integers(0, 3))
def test_options_of_a_query_are_as_if_the_recipe_said_them(options, recipe, number):
    plain = MODELS + recipe.format(M="M", N="N")
    said = MODELS + recipe.format(M="M" + _written(options), N="N" + _written(options))
    query = f"question {number}"
    with Recipe.load(plain).ready() as ensemble, Recipe.load(said).ready() as other:
        result = ensemble(query, options=AnswerOptions(**options))
        assert result.answer == other(query).answer
        if not options:
            assert result.answer == ensemble(query).answer


def test_options_hold_for_the_call_of_a_step_that_has_no_such_option(texts):
    result, _ = texts("[M, N] -> regenerate(L)", stop=(" d",), max_tokens=5)
    assert result.answer == "a b c"
    by_seed = [texts("L -> regenerate(M)", temperature=1.0, seed=s)[0].answer for s in range(9)]
    assert len(set(by_seed)) > 1
    assert {texts("L -> regenerate(M)", seed=s)[0].answer for s in range(3)} == {"one"}


def test_a_seed_is_that_of_all_sampled_work(load):
    recipe = "sample(M, 3, temperature = 1) -> vote()"
    with load(recipe, models=MODELS).ready() as ensemble:
        by_seed = [str(ensemble("Why?", options=AnswerOptions(seed=seed))) for seed in range(8)]
        again = [str(ensemble("Why?", options=AnswerOptions(seed=seed))) for seed in range(8)]
        assert by_seed == again
        assert len(set(by_seed)) > 1
        assert str(ensemble("Why?")) == by_seed[0]
    with load(recipe, models=MODELS, seed=5).ready() as other:
        assert str(other("Why?")) == by_seed[5]


def test_greedy_work_that_is_done_once_is_drawn_anew_for_each_occurrence(load):
    plain, said = "[M, M, M, N] -> vote()", "[{0}, {0}, {0}, N(temperature = 1)] -> vote()"
    with load(plain, models=MODELS).ready() as ensemble:
        result = ensemble("Why?", options=AnswerOptions(temperature=1))
        assert ensemble("Why?").members["M"].calls == 1
    with load(said.format("M(temperature = 1)"), models=MODELS).ready() as other:
        expected = other("Why?")
    assert result.members["M"].calls == 3
    assert result.answer == expected.answer
    assert result.text.tally == expected.text.tally
    assert {"r1", "r1'", "r1''"} <= {event.id for event in result.trace.events}


def test_details_are_those_of_the_answer_without_its_thoughts(load):
    says = 'says = "<think>so so</think>a b", thinking = "think", confidence = 0.5'
    tokens = []
    with load("T", models=f"model T = fake({says})\n").ready() as ensemble:
        options = AnswerOptions(detail=TokenDetail(1))
        future = ensemble.start("Why?", options=options, on_token=tokens.append)
        text = future.result().text
    assert text.text == "a b"
    assert [choice.chosen.piece for choice in text.choices] == [b" so</think>a", b" b"]
    assert tokens == list(text.choices)


@pytest.mark.parametrize(
    ("recipe", "options", "code", "message"),
    [
        ("M", {"temperature": -1.0}, "E402", "`temperature` must be at least 0"),
        ("M", {"top_p": 1.5}, "E402", "`top_p` must be at most 1"),
        ("M", {"max_tokens": 0}, "E402", "`max_tokens` must be at least 1"),
        ("M", {"stop": "x"}, "E401", "`stop` must be a list of texts"),
        ("M", {"logit_bias": ((-1, 1.0),)}, "E402", "an id of 0 or more"),
        ("M", {"presence_penalty": 1.0}, "E407", "`M` does not support `presence_penalty`"),
        ("[M, L] -> vote()", {"logit_bias": ((1, 1.0),)}, "E407", "does not support"),
        ("M", {"schema": AnswerSchema("{}")}, "E407", "`M` does not support `schema`"),
        ("M", {"min_tokens": 4, "max_tokens": 3}, "E407", "support `min_tokens`"),
        ("M", {"ignore_end": True}, "E407", "`ignore_end` cannot be set"),
        ("M", {"ignore_end": True, "stop": ("x",)}, "E403", "must not end"),
        ("[M, N] -> regenerate(L)", {"presence_penalty": 1.0}, "E407", "step r4 (`regenerate`)"),
        ("[M, N] -> regenerate(L)", {"top_p": 2.0}, "E402", "`top_p` must be at most 1"),
        ("sample(M, 5) -> vote()", {"temperature": 0.0}, "E403", "draws 5 answers to choose"),
        ("[M(temperature = 1), M(temperature = 1)] -> vote()", {"temperature": 0}, "E403", "equal"),
        ("M", {"prefix": "The "}, "E302", "continuing a partial answer"),
        ("[M, N] -> vote()", {"prefix": "The "}, "E410", "written by one model alone"),
        ("M", {"detail": TokenDetail(3)}, "E302", "log-probabilities"),
        ("L -> extract(number())", {"detail": TokenDetail(3)}, "E410", "is not the tokens"),
        ("L", {"stop": ["."]}, "E401", "`stop` holds a list"),
        ("L", {"logit_bias": {5: 1.0}}, "E401", "`logit_bias` holds a list, a set or a dict"),
    ],
)
def test_what_cannot_be_honoured_is_refused_before_anybody_is_asked(
    load, recipe, options, code, message
):
    with load(recipe, models=MODELS).ready() as ensemble:
        with pytest.raises(Failure) as refused:
            ensemble.demand_options(AnswerOptions(**options))
        with pytest.raises(Failure, match=code):
            ensemble.start("Why?", options=AnswerOptions(**options))
    assert refused.value.code == code
    assert message in str(refused.value)
    assert refused.value.help


def test_an_id_must_name_one_token_for_all_who_may_write(load):
    models = 'model A = zoo("general-1")\nmodel O = zoo("other")\n'
    with load("[A, O] -> vote()", models=models).ready() as ensemble:
        with pytest.raises(Failure, match="the token 5, and the models") as refused:
            ensemble.demand_options(AnswerOptions(logit_bias=((5, 1.0),)))
        assert (refused.value.code, refused.value.option) == ("E410", "logit_bias")
        ensemble.demand_options(AnswerOptions(logit_bias=(("a", 1.0),)))


def test_recorded_answers_are_as_they_are(load, tmp_path):
    row = {"query": "Why?", "reference": "So.", "recorded": {"R": {"text": "So."}}}
    (tmp_path / "r.jsonl").write_text(json.dumps(row) + "\n")
    with load("R", models='model R = recorded("r.jsonl", "R")\n').ready() as ensemble:
        assert str(ensemble("Why?", options=AnswerOptions(temperature=0.5, seed=3))) == "So."
        with pytest.raises(Failure, match="recorded answers, which it does not change"):
            ensemble.demand_options(AnswerOptions(max_tokens=1))


@pytest.mark.parametrize(
    ("recipe", "options"),
    [
        ("M", {"presence_penalty": 0.0, "frequency_penalty": 0, "logit_bias": (), "top_p": 1}),
        ("[M, N] -> regenerate(L)", {"temperature": 0.0, "top_p": 1.0, "stop": ()}),
        ("[M, N] -> vote()", {"temperature": 0.0}),
        ("sample(M, 1) -> vote()", {"temperature": 0.0}),
        ("L", {"detail": TokenDetail(3)}),
    ],
)
def test_what_changes_nothing_is_no_reason_to_refuse(load, recipe, options):
    with load(recipe, models=MODELS).ready() as ensemble:
        ensemble.demand_options(AnswerOptions(**options))


ZOO = 'use "zoo.ens" (maths, text, general, other)\n'


@pytest.mark.parametrize(
    "recipe",
    [
        "[L, L] -> vote()",
        "sample(L, 3) -> rank() -> best()",
        "cascade(L, L, accept = confidence >= 0.1)",
        "broken | L",
        "[L, L] -> regenerate(L)",
        "route(by = length(), policy = several(k = 1)) -> [L, K] -> vote(routed = true)",
    ],
)
def test_details_come_with_the_answer_that_is_handed_on(load, recipe):
    sure = "confidence = 0.5"
    more = f'model broken = fake(fails = true, {sure})\nmodel K = fake("k", {sure})\n'
    detail = TokenDetail()
    with load(recipe, models=MODELS + more).ready() as ensemble:
        text = ensemble("Why?", options=AnswerOptions(detail=detail, max_tokens=2)).text
    assert [choice.chosen.piece for choice in text.choices] == [b"a", b" b"]


@pytest.mark.parametrize(
    ("recipe", "options", "message"),
    [
        ("route() -> token_fuse(maths, text)", {"detail": TokenDetail(3)}, None),
        ("token_fuse(maths, text)", {"ignore_end": True, "max_tokens": 5}, None),
        ("token_fuse(maths, text)", {"prefix": "So", "repetition_penalty": 1.2}, None),
        ("span_fuse(maths, text)", {"logit_bias": ((" the", 2.0),)}, None),
        ("span_fuse(maths, text)", {"logit_bias": ((" not one token", 2.0),)}, "exactly"),
        ("span_fuse(general, other)", {"logit_bias": ((5, 2.0),)}, "a different token"),
        ("token_fuse(maths, text)", {"min_tokens": 5, "max_tokens": 3}, "more than `max_tokens`"),
        ("token_fuse(maths, text)", {"max_tokens": 3, "min_tokens": 3, "top_k": 2}, None),
    ],
)
def test_fused_models_are_asked_for_what_all_of_them_honour(load, recipe, options, message):
    refused = pytest.raises(Failure, match=message) if message else nullcontext()
    with load(recipe, models=ZOO).ready() as ensemble, refused:
        ensemble.demand_options(AnswerOptions(**options))


def test_a_step_that_searches_has_no_last_word_to_stop_at():
    with Recipe.load("process/beam").ready() as ensemble:
        ensemble.demand_options(AnswerOptions(temperature=0.5))
        with pytest.raises(Failure, match="`process_fuse` has no such option") as refused:
            ensemble.demand_options(AnswerOptions(stop=("x",)))
        with pytest.raises(Failure, match="is not that of the whole answer"):
            ensemble.demand_options(AnswerOptions(max_tokens=5))
    assert refused.value.code == "E410"


def test_equal_options_are_checked_once(load, monkeypatch):
    from composer.run.option_checks import OptionChecks

    checked = []

    def changes(_checks, options):
        checked.append(options)
        return {}

    monkeypatch.setattr(OptionChecks, "changes", changes)
    with load("M", models=MODELS).ready() as ensemble:
        for seed in range(3):
            ensemble.demand_options(AnswerOptions(temperature=0.5, seed=seed))
        assert len(checked) == 1
        ensemble.demand_options(AnswerOptions(temperature=0.6))
    assert len(checked) == 2
