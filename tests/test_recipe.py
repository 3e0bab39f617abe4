"""The public face: load, check, plan, ready, ask."""

from pathlib import Path

import pytest

import composer
from composer import Recipe, load
from composer.recipe import Mistakes

TEXT = """
param word: str = "hello"
param times: int = 1
model A = fake(says = word, confidence = 0.9)
model B = fake(among = ["b", "c"])
example "What?"
[A, sample(B, times)] -> vote(ties = first())
"""


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("r.ens").write_text(TEXT)
    return "r.ens"


def test_a_recipe_is_read_from_a_file(path):
    recipe = load(path)
    assert (recipe.name, recipe.example) == ("r.ens", "What?")
    assert load(Path(path)).name == "r.ens"


def test_a_text_is_the_recipe_itself():
    assert load(TEXT)("?").answer == "hello"
    assert load('model A = fake(says = "x")\nA')("?").answer == "x"


def test_another_answer_may_stand_in_place_of_the_recipes_own(path):
    assert Recipe.load(path, answer="B")("?").answer == "b"
    assert Recipe.load(path, {"word": '"bye"'}, answer="A")("?").answer == "bye"
    with pytest.raises(Mistakes, match="unknown name `D`"):
        Recipe.load(path, answer="D")


def test_parameters_are_python_values():
    assert load(TEXT, word="bye")("?").answer == "bye"
    assert load(TEXT, word='a "quoted"\\ \n text')("?").answer == 'a "quoted"\\ \n text'
    assert load("param x: float = 0\nmodel A = fake()\nA(temperature = x)", x=0.5).plan()
    assert load("param x: bool = true\nmodel A = fake(fails = x)\nA", x=False)("?").answer
    assert (
        load("param x: list[str] = []\nmodel A = fake(among = x)\nA", x=["p", "q"])("?").answer
        == "p"
    )


def test_a_wrong_parameter_is_a_mistake():
    for wrong in ({"wrod": "x"}, {"times": "many"}, {"times": 0.5}, {"word": 3}):
        with pytest.raises(Mistakes):
            load(TEXT, **wrong)


def test_mistakes_are_all_there_and_print_as_drawn():
    with pytest.raises(Mistakes) as caught:
        load("model A = fake(say = 1)\n[A, B] -> voet()\n")
    assert [each.code for each in caught.value.diagnostics] == ["E203", "E201", "E202"]
    assert "error[E203]" in str(caught.value)


def test_a_check_gives_the_warnings():
    recipe = load("model A = fake()\nmodel B = fake()\nA\n")
    assert [each.code for each in recipe.check()] == ["W201"]
    assert load(TEXT).check() == ()


def test_a_plan_says_what_would_run(path):
    plan = load(path).plan()
    assert [model.name for model in plan.models] == ["A", "B"]
    assert plan.recipe == "r.ens"


def test_loading_and_planning_touch_no_model(path, monkeypatch):
    from composer.backends.fake import Fake

    monkeypatch.setattr(Fake, "open", lambda *_: pytest.fail("a model was made"))
    load(path).plan()


def test_a_recipe_is_ready_once_and_asked_often(path):
    with load(path).ready() as ensemble:
        assert [ensemble(query).answer for query in ("1", "2")] == ["hello", "hello"]


def test_a_recipe_may_be_called(path):
    assert load(path)("?").answer == "hello"


def test_a_library_can_be_checked_but_not_run(tmp_path):
    path = tmp_path / "library.ens"
    path.write_text("model A = fake()\n")
    recipe = load(path)
    assert [each.code for each in recipe.check()] == ["W202"]
    for use in (recipe.plan, recipe.ready):
        with pytest.raises(Mistakes) as caught:
            use()
        assert caught.value.diagnostics[0].code == "E207"


def test_nothing_outside_of_the_root_is_used(tmp_path):
    (tmp_path / "outside.ens").write_text("model A = fake()\n")
    inner = tmp_path / "inner"
    inner.mkdir()
    recipe = inner / "r.ens"
    recipe.write_text('use "../outside.ens" (A)\nA\n')
    with pytest.raises(Mistakes) as caught:
        load(recipe)
    assert caught.value.diagnostics[0].code == "E502"
    assert load(recipe, root=tmp_path)("?").answer


def test_settings_are_in_the_notation_of_the_language(path):
    recipe = Recipe.load(path, {"word": '"set"', "default.sample.temperature": "0"})
    assert recipe("?").answer == "set"


def test_a_file_that_is_not_there_is_a_mistake():
    with pytest.raises(Mistakes) as caught:
        load("no_such_recipe.ens")
    assert caught.value.diagnostics[0].code == "E501"


def test_the_package_gives_its_face_on_first_use():
    assert composer.load is load
    assert composer.__version__
    with pytest.raises(AttributeError):
        composer.nothing  # noqa: B018 - the access is what is tested


def test_an_empty_recipe_has_no_answer():
    with pytest.raises(Mistakes) as caught:
        load("\n")
    assert caught.value.diagnostics[0].code == "E207"
