"""Models among the options of a step are its inputs, wherever in an option they stand."""

import math

import pytest

from composer.compiler.graph import model_of
from composer.compiler.pictures import sketch
from composer.compiler.rules import illegal, optimize
from composer.diagnostics import Source
from composer.recipe import Recipe
from composer.run.fingerprint import fingerprint
from composer.syntax import parse
from composer.syntax.formatting import to_yaml
from composer.values import Query, ScoreTexts

TRUE, FALSE = "From left to right: true and true?", "From left to right: true and false?"
SAYS = 'template = "{{ query }}", yes = " yes", no = " no"'
LOW = 'model low = fake(says = "low", confidence = 0.5)\nmodel high = fake(says = "high")\n'


def judged(by, rule="{} >= 0.5"):
    """Return a cascade whose rule asks a model whether the question itself is true."""
    return f"cascade(low, high, accept = {rule.format(f'verified(by = {by}, {SAYS})')})"


@pytest.fixture
def models(zoo):
    return zoo + LOW


def test_a_model_inside_a_rule_is_an_input_of_the_cascade(graph, models):
    cascade = graph(judged("P"), models=models).answer
    assert [each.title for each in cascade.option_models] == ["P"]
    assert [each.op for each in cascade.direct_inputs] == ["query", "generate", "generate"]


def test_the_plan_lists_it_and_names_it_in_the_rule(load, models):
    plan = load(judged("P"), models=models).plan()
    assert {each.name for each in plan.models} == {"P", "low", "high"}
    assert plan.steps[-1].inputs == ("r0", "r1", "r2", "P")
    (accept,) = [each for each in plan.steps[-1].options if each.name == "accept"]
    drawn = "draws = 0, temperature = 0.7, max_tokens = 256"
    assert accept.value == f"verified(by = P, {SAYS}, {drawn}) >= 0.5"


def test_a_picture_shows_it_in_the_box_of_the_cascade(load, models):
    recipe = load(judged("P"), models=models)
    picture = sketch(recipe.compiled, recipe.optimized.root)
    assert [str(chip) for chip in picture.boxes[-1].chips] == ["P"]


def test_it_decides_what_is_accepted(says, models):
    assert says(judged("P"), TRUE, models=models) == "low"
    assert says(judged("P"), FALSE, models=models) == "high"


def test_a_fuse_a_let_and_a_parameter_of_a_def_are_models_too(says, models):
    assert says(judged("token_fuse(P, Q)"), FALSE, models=models) == "high"
    text = f"let both = token_fuse(P, Q)\ndef sure(m) = {judged('m')}\nsure(both)"
    assert says(text, FALSE, models=models) == "high"


def test_a_rule_that_has_a_name_holds_its_model(says, models):
    text = f"let sure = verified(by = P, {SAYS}) >= 0.5\ncascade(low, high, accept = sure)"
    assert says(text, FALSE, models=models) == "high"


def test_a_model_that_stands_twice_is_one_input(graph, models):
    twice = judged("P", "{0} >= 0.5 and {0} <= 1 and verified(by = Q) < 2")
    assert [each.title for each in graph(twice, models=models).answer.option_models] == ["P", "Q"]


def test_it_is_asked_only_where_its_term_decides_and_costs_then(calls, models):
    rule = "confidence >= 0.6 and {} >= 0.5"
    assert "P" not in calls(judged("P", rule), TRUE, models=models)
    assert calls(judged("P", rule.replace("0.6", "0.4")), TRUE, models=models)["P"] == 2


def test_what_it_was_asked_stands_in_the_trace_of_the_cascade(load, models):
    with load(judged("P"), models=models).ready() as ensemble:
        steps = ensemble(TRUE).trace.as_dict()["steps"]
    (step,) = [each for each in steps if each["op"] == "cascade"]
    assert [(each["model"], each["what"]) for each in step["asked"]] == [("P", "scored by")] * 2
    ((name, value),) = step["notes"]["stages"][0]["signals"].items()
    assert name == f"verified(by = P, {SAYS})"
    assert value > 0.9


def test_the_probability_is_that_of_yes_against_no(says, load, models):
    from composer.engine.engine import Engine

    model = model_of(load("P", models=models).compiled.models["P"])
    engine = Engine()
    asked = ScoreTexts(model, Query.of(TRUE), ())
    yes, no = (engine.score(asked, text).result().total for text in (" yes", " no"))
    engine.close()
    share = math.exp(yes) / (math.exp(yes) + math.exp(no))
    for bound, expected in ((share - 1e-6, "low"), (share + 1e-6, "high")):
        assert says(judged("P", f"{{}} >= {bound}"), TRUE, models=models) == expected


def test_a_model_that_cannot_score_is_refused_at_the_option(mistakes, models):
    (mistake,) = mistakes(judged("high"), models=models)
    assert mistake.code == "E302"
    assert "scores of a given text" in mistake.message
    assert mistake.place.text.startswith("verified(by = high")


@pytest.mark.parametrize(
    ("by", "code"), [("nobody", "E201"), ("3", "E301"), ("vote()", "E301"), ("none", "E301")]
)
def test_what_is_no_model_is_refused(codes, models, by, code):
    assert codes(judged(by), models=models) == [code]


def test_a_signal_without_its_model_is_refused(mistakes, models):
    (mistake,) = mistakes("cascade(low, high, accept = verified() >= 0.5)", models=models)
    assert mistake.message == "`verified` needs `by`"


def test_an_unknown_signal_with_options_is_suggested(mistakes, models):
    (mistake,) = mistakes("cascade(low, high, accept = verifed(P) >= 0.5)", models=models)
    assert (mistake.code, mistake.help) == ("E405", "did you mean `verified`?")


def test_the_rules_keep_what_is_held(graph, models):
    compiled = graph(f"[{judged('token_fuse(P, Q, weights = [1, 0])')}]", models=models)
    optimized = optimize(compiled.graph, compiled.answer)
    assert illegal(optimized.root) == []
    assert [each.op for each in optimized.root.option_models] == ["token_fuse"]


def test_a_fingerprint_knows_the_template_to_its_end(graph, models):
    long = "x" * 60
    rules = (f'cascade(low, high, accept = verified(P, "{long}{end}") > 0)' for end in "ab")
    first, second = (fingerprint(graph(text, models=models).answer, 0) for text in rules)
    assert first != second


def test_a_default_may_hold_a_model(says, models):
    text = f"default cascade(accept = verified(by = P, {SAYS}) >= 0.5)\ncascade(low, high)"
    assert says(text, FALSE, models=models) == "high"


def test_yaml_says_the_same(tmp_path, models):
    source = Source("r.ens", models + judged("P") + "\n")
    path = tmp_path / "r.yaml"
    path.write_text(to_yaml(parse(source)), encoding="utf-8")
    assert Recipe.load(path, root=tmp_path).plan().steps[-1].inputs == ("r0", "r1", "r2", "P")
