"""Recipes written in Python mean what the same text means."""

import pytest

import composer
from composer import ens


def plan_of(recipe):
    plan = recipe.plan()
    return [
        (step.op, step.inputs, [(each.name, each.value) for each in step.options])
        for step in plan.steps
    ]


def same(expression, text):
    assert plan_of(expression.recipe()) == plan_of(composer.load(text))


def fakes(*names):
    return [ens.model(name, ens.fake(name)) for name in names]


DECLARED = 'model A = fake("A")\nmodel B = fake("B")\nmodel C = fake("C")\n'


def test_the_mission_in_python():
    a, b, c, d = (ens.zoo(name) for name in ("general-1", "maths", "text", "general-2"))
    answer = ens.route() >> [ens.span_fuse(a, b, c)] >> ens.cascade(d)
    assert str(answer) == "route() -> [span_fuse(general_1, maths, text)] -> cascade(general_2)"
    assert answer.recipe().plan().models[0].name == "general_1"


def test_a_list_is_a_bank_and_options_are_options():
    a, b, c = fakes("A", "B", "C")
    same(
        [a, b, c] >> ens.vote(weights=[1, 2, 3], ties=ens.first()),
        DECLARED + "[A, B, C] -> vote(weights = [1, 2, 3], ties = first())",
    )


def test_a_dictionary_names_branches():
    a, b = fakes("A", "B")
    same({"x": a, "y": b} >> ens.vote(), DECLARED + "[x: A, y: B] -> vote()")


def test_signals_make_conditions():
    a, b = fakes("A", "B")
    rule = (ens.answered >= 0.5) & ~(ens.length > 100) | (ens.length < 3)
    same(
        a >> ens.cascade(b, accept=rule),
        DECLARED + "A -> cascade(B, accept = answered >= 0.5 and not length > 100 or length < 3)",
    )


def test_a_bar_is_a_fallback():
    a, b, c = fakes("A", "B", "C")
    same(a | b | c, DECLARED + "A | B | C")


def test_arithmetic_is_a_formula():
    a, b = ens.zoo("general-1"), ens.zoo("general-2")
    expression = ens.token_fuse(a + 0.5 * (a - b))
    assert str(expression) == "token_fuse(general_1 + 0.5 * (general_1 - general_2))"
    assert expression.recipe().plan()


def test_a_model_takes_options_of_its_own():
    (a,) = fakes("A")
    same(a(temperature=0.5, stop=["x"]), DECLARED + 'A(temperature = 0.5, stop = ["x"])')


def test_a_template_is_a_text(tmp_path):
    (a,) = fakes("A")
    answer = ens.prompt("Say it\n{{ query }}\nagain") >> a
    assert answer.recipe()("why?").answer == "A"


def test_a_word_that_also_names_a_template_is_called_as_what_else_it_names():
    a, b, c = fakes("A", "B", "C")
    same(ens.debate(a, b) >> ens.vote(), DECLARED + "debate(A, B) -> vote()")
    same(ens.coordinate(a, b, by=ens.dialogue(c)), DECLARED + "coordinate(A, B, by = dialogue(C))")
    same([a, b] >> ens.select(c, template=ens.select), DECLARED + "[A, B] -> select(C, select)")
    with pytest.raises(TypeError, match="can be called with options"):
        a("x")


def test_it_is_saved_as_text_and_read_back(tmp_path):
    a, b = fakes("A", "B")
    path = ([a, b] >> ens.vote()).save(tmp_path / "r.ens", example='say "hi"')
    recipe = composer.load(path)
    assert recipe.example == 'say "hi"'
    assert plan_of(recipe) == plan_of(composer.load(DECLARED + "[A, B] -> vote()"))


def test_it_answers():
    a, b, c = fakes("A", "A", "B")[:1] + fakes("B", "C")
    assert ([a, b, c] >> ens.vote(ties=ens.first())).recipe()("?").answer == "A"


def test_two_models_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two models are called 'A'"):
        [ens.model("A", ens.fake("x")), ens.model("A", ens.fake("y"))] >> ens.vote()


def test_an_unknown_word_is_refused():
    with pytest.raises(AttributeError, match="no word 'vot'"):
        _ = ens.vot


def test_mistakes_are_mistakes_here_too():
    (a,) = fakes("A")
    with pytest.raises(composer.Mistakes, match="E303"):
        (a >> a).recipe()


def test_recorded_models_of_one_file_are_named_by_their_models():
    bank = [ens.recorded("rec.jsonl", "small"), ens.recorded("rec.jsonl", model="big-2")]
    text = str(bank >> ens.vote())
    assert "[small, big_2]" in text
