"""`--with other.ens` changes a recipe; `plan --origin` says where each value was written."""

import pytest

import composer
from composer.compiler.plan import describe

RECIPE = """\
model A = fake("a")
model D = fake("d")
param doubt: float = 0.6
let last = D
default generate(max_tokens = 32)
example "why?"
A(temperature = 0.5) -> cascade(last, accept = length >= doubt)
"""


@pytest.fixture
def load(tmp_path):
    """Load the recipe changed by the text of another file."""
    (tmp_path / "r.ens").write_text(RECIPE, encoding="utf-8")

    def loaded(text, settings=None):
        other = tmp_path / "other.ens"
        other.write_text(text, encoding="utf-8")
        return composer.Recipe.load(tmp_path / "r.ens", settings, overlays=[other])

    return loaded


def option(recipe, op, name):
    step = next(step for step in recipe.plan().steps if step.op == op)
    return next(each for each in step.options if each.name == name)


def test_a_parameter_is_replaced(load):
    assert option(load("param doubt: float = 3"), "cascade", "accept").value == "length >= 3"


def test_a_setting_is_stronger_than_a_file(load):
    recipe = load("param doubt: float = 3", {"doubt": "4"})
    assert option(recipe, "cascade", "accept").value == "length >= 4"


def test_a_model_is_replaced(load):
    assert load('model A = fake("another")')("?").answer == "another"


def test_a_let_is_replaced_and_may_use_the_recipes_names(load):
    recipe = load("let last = A")
    assert [model.name for model in recipe.plan().models] == ["A"]


def test_a_default_is_added_after_the_recipes_own(load):
    assert option(load("default generate(max_tokens = 7)"), "generate", "max_tokens").value == "7"


def test_an_example_is_replaced(load):
    assert load('example "how?"').example == "how?"


def test_a_name_that_the_recipe_lacks_is_refused(load):
    with pytest.raises(composer.Mistakes, match="did you mean `doubt`"):
        load("param doub: float = 1")


def test_an_answer_is_refused(load):
    with pytest.raises(composer.Mistakes, match="E208"):
        load("A")


def test_a_wrong_value_is_refused_at_its_place(load):
    with pytest.raises(composer.Mistakes) as caught:
        load('param doubt: float = "much"')
    (mistake,) = caught.value.diagnostics
    assert mistake.code == "E401"
    assert mistake.place.source.name.endswith("other.ens")


def test_origins_name_places_and_settings(load):
    recipe = load("default generate(top_p = 0.5)", {"default.generate.top_k": "4"})
    text = describe(recipe.plan(), origins=True)
    lines = [line.strip() for line in text.splitlines()]
    assert any(line.startswith("temperature = 0.5   # ") and "r.ens:7" in line for line in lines)
    assert any(line.startswith("max_tokens = 32   # ") and "r.ens:5" in line for line in lines)
    assert any(line.startswith("top_p = 0.5   # ") and "other.ens:1" in line for line in lines)
    assert "top_k = 4   # --set default.generate.top_k" in lines


def test_a_default_has_no_origin(load):
    plan = load("").plan()
    unset = [each for step in plan.steps for each in step.options if each.default]
    assert unset
    assert all(each.origin is None for each in unset)


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """Check two recipes with options; return the status and what is written."""
    from composer.cli import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.ens").write_text('model A = fake("a")\nparam x: int = 1\nsample(A, x) -> vote()')
    (tmp_path / "b.ens").write_text('model B = fake("b")\nB')
    (tmp_path / "o.ens").write_text('model A = fake("c")\nmodel B = fake("d")')
    (tmp_path / "none.ens").write_text('model C = fake("c")\nmodel B = fake("d")')

    def call(*options):
        with pytest.raises(SystemExit) as ended:
            main(["check", "a.ens", "b.ens", *options])
        written = capsys.readouterr()
        return ended.value.code, written.out + written.err

    return call


def test_of_several_recipes_each_takes_what_it_has_a_name_for(check):
    assert check("--with", "o.ens", "--set", "x=3")[0] == 0


def test_what_none_of_several_recipes_has_is_a_mistake(check):
    status, text = check("--with", "none.ens")
    assert (status, text.count("error[")) == (1, 1)
    assert "no model `C`" in text
    status, text = check("--set", "x=3", "--set", "y=3")
    assert (status, text.count("error[")) == (1, 1)
    assert "unknown setting `y`" in text
