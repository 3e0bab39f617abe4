"""What can be set from outside and by `default`, and what is stronger than what."""

import pytest

LONG = 'model long = fake(says = "1 2 3 4 5 6 7 8 9")\n'


@pytest.mark.parametrize(
    ("type_", "first", "then"),
    [
        ("int", "3", "5"),
        ("float", "0.5", "1"),
        ("bool", "true", "false"),
        ("str", '"a"', '"b"'),
        ("str", '"a"', "word"),
        ("path", '"a.txt"', '"b.txt"'),
        ("list[int]", "[1]", "[2, 3]"),
        ("list[str]", '["a"]', "[]"),
        ("list[list[float]]", "[[1, 2.5]]", "[[], [3]]"),
        ("model", "A", "B"),
        ("list[model]", "[A]", "[A, B]"),
    ],
)
def test_a_param_takes_values_of_its_type(graph, type_, first, then):
    recipe = f"param p: {type_} = {first}\nA"
    assert graph(recipe).params == {"p": type_.split("[")[0]}
    assert graph(recipe, settings={"p": then}).params == {"p": type_.split("[")[0]}


@pytest.mark.parametrize(
    ("type_", "wrong"),
    [
        ("int", "0.5"),
        ("int", '"3"'),
        ("int", "true"),
        ("float", '"0.5"'),
        ("float", "high"),
        ("bool", "1"),
        ("str", "3"),
        ("path", "true"),
        ("list[int]", "3"),
        ("list[int]", '["a"]'),
        ("list[str]", "[1]"),
    ],
)
def test_a_param_refuses_values_of_another_type(codes, type_, wrong):
    assert codes(f"param p: {type_} = {wrong}\nA") == ["E401"]
    given = {"int": "1", "float": "1.0", "bool": "true"}.get(
        type_, '""' if "list" not in type_ else "[]"
    )
    assert codes(f"param p: {type_} = {given}\nA", settings={"p": wrong}) == ["E401"]


def test_a_wrong_setting_is_told_once_and_at_the_setting(mistakes):
    recipe = "param doubt: float = 0.5\nB -> cascade(A, accept = confidence > doubt)"
    (found,) = mistakes(recipe, settings={"doubt": '"x"'})
    assert (found.message, found.place.source.name) == ("`doubt` must be a number", "--set doubt")


def test_a_param_without_a_value_has_to_be_set(mistakes, calls):
    recipe = "param doubt: float\nB -> cascade(A, accept = confidence > doubt)"
    (found,) = mistakes(recipe)
    assert (found.code, found.message) == ("E404", "`doubt` has no value")
    assert calls(recipe, settings={"doubt": "0.1"}) == {"B": 1}


def test_a_param_may_be_a_model(says):
    recipe = "param judge: model = A\njudge -> vote()"
    assert says(recipe) == "a"
    assert says(recipe, settings={"judge": "B"}) == "b"


def test_a_param_may_be_a_list_of_models(graph, zoo):
    recipe = "param pool: list[model] = [P, Q]\ntoken_fuse(pool)"
    fuse = graph(recipe, models=zoo, settings={"pool": "[R, Q, P]"}).answer.inputs[1]
    assert fuse.get("names") == ("R", "Q", "P")


def test_a_model_option_is_set_by_its_path(says):
    assert says("A", settings={"model.A.says": '"new"'}) == "new"
    assert says("A", settings={"model.A.says": "new"}) == "new"


def test_an_option_given_without_its_name_is_replaced_too(says, tmp_path):
    models = 'model P = fake("old", confidence = 0.5)\n'
    assert says("P", models=models, settings={"model.P.says": '"new"'}) == "new"


def test_a_param_of_a_used_recipe_is_set_by_its_path(tmp_path, says):
    (tmp_path / "lib.ens").write_text('param word: str = "x"\nmodel X = fake(says = word)\nX\n')
    recipe = 'use "lib.ens" as lib\nlib()'
    assert says(recipe) == "x"
    assert says(recipe, settings={"lib.word": '"y"'}) == "y"


def test_a_default_is_set_by_its_path(says):
    settings = {"default.generate.max_tokens": "2"}
    assert says("long", models=LONG, settings=settings) == "1 2"


def test_settings_of_all_four_kinds_go_together(tmp_path, says):
    (tmp_path / "lib.ens").write_text('param word: str = "x"\nmodel X = fake(says = word)\nX\n')
    recipe = 'param n: int = 1\nuse "lib.ens" as lib\n[lib(), sample(A, n)] -> vote(ties = first())'
    settings = {"lib.word": '"l l"', "default.sample.max_tokens": "1", "model.A.says": '"p q"'}
    assert says(recipe, settings=settings) == "l l"
    assert says(recipe, settings=settings | {"n": "2"}) == "p"


@pytest.mark.parametrize(
    ("recipe", "length"),
    [
        ("long", 9),
        ("default generate(max_tokens = 5)\nlong", 5),
        ("default generate(max_tokens = 5)\ndefault generate(max_tokens = 4)\nlong", 4),
        ("default generate(max_tokens = 5)\nlong(max_tokens = 3)", 3),
    ],
)
def test_an_argument_is_stronger_than_a_default_and_that_than_the_steps_own(says, recipe, length):
    assert len(says(recipe, models=LONG).split()) == length


def test_this_files_default_is_stronger_than_a_used_files(tmp_path, says):
    (tmp_path / "lib.ens").write_text(f"{LONG}default generate(max_tokens = 2)\nlong\n")
    use = 'use "lib.ens" as lib\n'
    assert says(f"{use}lib()") == "1 2"
    assert says(f"{use}default generate(max_tokens = 3)\nlib()") == "1 2 3"


def test_a_set_default_is_stronger_than_the_files(says):
    recipe = "default generate(max_tokens = 5)\nlong"
    assert says(recipe, models=LONG, settings={"default.generate.max_tokens": "2"}) == "1 2"


def test_a_default_holds_inside_of_a_def(says):
    recipe = "def f(x) = x -> vote()\ndefault generate(max_tokens = 2)\nf(long)"
    assert says(recipe, models=LONG) == "1 2"


def test_a_default_may_name_a_param(says):
    recipe = "param n: int = 2\ndefault generate(max_tokens = n + 1)\nlong"
    assert says(recipe, models=LONG, settings={"n": "3"}) == "1 2 3 4"


def test_a_default_reaches_parts(says):
    recipe = "default extract(by = line())\nlong -> extract()"
    models = 'model long = fake(says = "7 and")\n'
    assert says(recipe, models=models) == "7 and"


def test_the_environment_is_read_when_it_is_asked_for(says, monkeypatch, codes):
    monkeypatch.setenv("COMPOSER_TEST_WORD", "out there")
    models = 'model X = fake(says = env("COMPOSER_TEST_WORD"))\n'
    assert says("X", models=models) == "out there"
    monkeypatch.delenv("COMPOSER_TEST_WORD")
    assert codes("X", models=models) == ["E402"]


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("dout", "`doubt`"),
        ("lib.doute", "`lib.doubt`"),
        ("model.AA.says", "`A`"),
        ("model.A.say", "`says`"),
        ("default.generat.stop", "`generate`"),
        ("default.generate.max_token", "`max_tokens`"),
        ("nothing.like.that.at.all", "`doubt`"),
    ],
)
def test_an_unknown_setting_is_refused_with_what_was_meant(tmp_path, mistakes, path, near):
    (tmp_path / "lib.ens").write_text("param doubt: float = 0.5\nmodel X = fake()\nX\n")
    recipe = 'use "lib.ens" as lib\nparam doubt: float = 1\nlib()'
    (found,) = mistakes(recipe, settings={path: "1"})
    assert found.code == "E404"
    assert near in found.help


def test_what_only_the_compiler_sets_cannot_be_set(codes):
    assert codes("A", settings={"default.generate.draw": "1"}) == ["E404"]
    assert codes("A", settings={"default.bank.names": "[]"}) == ["E404"]
    assert codes("A(draw = 1)") == ["E203"]


def test_an_option_of_an_answer_in_a_declaration_is_told_where_it_belongs(mistakes):
    (found,) = mistakes('model S = endpoint("m", max_tokens = 9)\nS')
    assert found.help == "give this option where the model is used: `A(max_tokens = ...)`"


def test_a_text_without_quotes_is_told_how_to_quote(mistakes):
    (found,) = mistakes("A", settings={"model.A.says": "two words"})
    assert found.help == "put a text in quotes: `--set 'model.A.says=\"two words\"'`"


def test_two_wrong_settings_are_both_told(codes):
    assert codes("A", settings={"x": "1", "model.A.confidence": "2"}) == ["E404", "E402"]
