"""Names: `let`, `def` and `use`, and where each name is looked up."""

import pytest

WRAP = 'def wrap(x) = x -> prompt("""<{{ answer }}>""") -> say\n'


def test_a_let_is_done_once(calls):
    assert calls('let a = prompt("""x""") -> free(temperature = 1)\n[a, a] -> vote()') == {
        "free": 1
    }


def test_the_order_of_statements_does_not_matter(says):
    assert (
        says("shown_of(A)\ndef shown_of(x) = twice(x) -> shown()\ndef twice(x) = [x, x]")
        == "x=a x#2=a"
    )


def test_a_def_is_used_with_other_arguments_each_time(says):
    assert says(WRAP + "[wrap(A), wrap(B)] -> vote(ties = first())") == "<a>"


def test_a_def_may_be_used_in_its_own_argument(says):
    assert says(WRAP + "wrap(wrap(A))") == "<<a>>"
    assert says(WRAP + "wrap(wrap(wrap(B)))") == "<<<b>>>"


def test_a_def_may_use_others(says):
    assert says(WRAP + "def twice(x) = wrap(wrap(x))\ntwice(twice(A))") == "<<<<a>>>>"


def test_a_parameter_hides_a_name_of_the_file(says):
    assert says("def f(A) = [A, B] -> shown()\nf(C)") == "A=c B=b"


def test_an_argument_is_read_where_it_was_written(says):
    assert says("let x = B\ndef f(B) = [A, B] -> shown()\nf(x)") == "A=a B=b"
    assert says("def f(C) = g(C)\ndef g(A) = [A, C] -> shown()\nf(B)") == "A=b C=c"


def test_the_body_of_a_def_does_not_see_the_names_of_its_caller(codes):
    assert codes("def f() = x\ndef g(x) = f()\ng(A)") == ["E201"]


def test_a_parameter_may_have_a_default(says):
    assert says("def f(x, y = B) = [x, y] -> shown()\nf(A)") == "x=a y=b"
    assert says("def f(x, y = B) = [x, y] -> shown()\nf(A, C)") == "x=a y=c"
    assert says("def f(x, y = B) = [x, y] -> shown()\nf(y = C, x = A)") == "x=a y=c"


def test_a_default_may_name_an_earlier_parameter(says):
    assert says("def f(x, y = x) = [x, y] -> shown()\nf(A)") == "x=a y=a"


def test_a_default_is_read_where_the_def_stands(says):
    assert says("def f(x, y = A) = [x, y] -> shown()\ndef g(A) = f(A)\ng(B)") == "x=b y=a"


def test_a_parameter_is_drawn_once_however_often_it_is_used(calls):
    draw = "free(temperature = 1)"
    assert calls(f"def f(x) = [x, x] -> vote()\nf({draw})") == {"free": 1}
    assert calls(f"def f() = {draw}\n[f(), f()] -> vote()") == {"free": 2}


def test_a_parameter_may_be_a_bank_a_step_or_a_number(says):
    assert (
        says("def f(pool, last, n) = pool -> rank() -> top(n) -> last\nf([B, A], shown(), 1)")
        == "A=a"
    )


def test_a_list_given_to_a_def_keeps_its_names_when_it_is_fused(graph, zoo):
    recipe = "def fuse(members, P) = token_fuse(members, P)\nfuse([P, Q], R)"
    fuse = graph(recipe, models=zoo).answer.inputs[1]
    assert [each.get("name") for each in fuse.inputs] == ["P", "Q", "R"]


@pytest.mark.parametrize(
    "recipe",
    [
        "let a = a\na",
        "let a = b\nlet b = a\na",
        "let a = A -> b\nlet b = prompt(plain) -> [a, B] -> vote()\na",
        "def f(x) = f(x)\nf(A)",
        "def f(x) = g(x)\ndef g(x) = f(x)\nf(A)",
        "def f(x, y = f(A)) = [x, y] -> vote()\nf(A)",
        "let a = token_fuse(a, A)\na",
        "let a = A + a\ntoken_fuse(a)",
        "let a = a * 2\ntoken_fuse(a * A)",
        "param a: float = a\nA(temperature = a)",
        "param a: float = b\nparam b: float = a + 1\nA(temperature = a)",
        "let a = a and a\nA -> cascade(B, accept = a)",
        "let a = not a\nA -> cascade(B, accept = a)",
    ],
)
def test_what_is_made_of_itself_is_refused(codes, recipe):
    assert set(codes(recipe)) == {"E205"}


def test_names_come_out_of_another_file(tmp_path, says):
    (tmp_path / "lib.ens").write_text('model X = fake(says = "x")\nlet y = X -> vote()\n')
    assert says('use "lib.ens" (X, y as z)\n[X, z] -> shown()') == "X=x z=x"


def test_what_comes_out_of_another_file_sees_that_files_names(tmp_path, says):
    (tmp_path / "lib.ens").write_text(
        'model A = fake(says = "x")\ndef f(b) = [A, b] -> vote(ties = first())\n'
    )
    assert says('use "lib.ens" (f)\nf(A)') == "x"
    assert says('use "lib.ens" (f)\n[f(B), A] -> shown()') == "f(B)=x A=a"


def test_arguments_of_a_def_of_another_file_are_read_here(tmp_path, graph, zoo):
    (tmp_path / "lib.ens").write_text("def fuse(members) = token_fuse(members)\n")
    fuse = graph('use "lib.ens" (fuse)\nfuse([P, Q])', models=zoo).answer.inputs[1]
    assert [each.get("name") for each in fuse.inputs] == ["P", "Q"]


def test_a_whole_recipe_is_a_step(tmp_path, says):
    (tmp_path / "lib.ens").write_text('model X = fake(says = "x")\nX -> vote()\n')
    assert says('use "lib.ens" as lib\nlib()') == "x"
    assert says('use "lib.ens" as lib\n[lib, A] -> shown()') == "lib=x A=a"


PARAMETRIC = """
param word: str = "default"
param count: int
param who: model
model X = fake(says = word)
[X, who] -> vote(ties = first()) -> cascade(X, accept = length <= count)
"""


def test_the_params_of_a_used_recipe_are_its_arguments(tmp_path, says):
    (tmp_path / "lib.ens").write_text(PARAMETRIC)
    use = 'use "lib.ens" as lib\n'
    assert says(use + 'lib(word = "new", count = 5, who = A)') == "new"
    assert says(use + "lib(count = 5, who = A)") == "default"


def test_uses_of_one_recipe_do_not_disturb_each_other(tmp_path, says):
    (tmp_path / "lib.ens").write_text('param word: str = "x"\nmodel X = fake(says = word)\nX\n')
    recipe = 'use "lib.ens" as lib\n[lib(word = "1"), lib(word = "2"), lib()] -> shown()'
    assert says(recipe) == "lib=1 lib#2=2 lib#3=x"


def test_a_used_recipe_needs_the_params_that_have_no_value(tmp_path, mistakes):
    (tmp_path / "lib.ens").write_text(PARAMETRIC)
    (found,) = mistakes('use "lib.ens" as lib\nlib(who = A)')
    assert (found.code, found.message) == ("E206", "`lib` needs `count`")


def test_what_a_used_recipe_is_given_is_held_against_its_types(tmp_path, mistakes):
    (tmp_path / "lib.ens").write_text(PARAMETRIC)
    (found,) = mistakes('use "lib.ens" as lib\nlib(who = A, count = "many")')
    assert (found.code, found.place.text) == ("E401", '"many"')


def test_files_that_use_each_other_in_a_circle_are_refused(tmp_path, codes):
    (tmp_path / "one.ens").write_text('use "two.ens" (b)\nlet a = b\n')
    (tmp_path / "two.ens").write_text('use "one.ens" (a)\nlet b = a\n')
    assert "E205" in codes('use "one.ens" (a)\na')


def test_one_file_may_be_used_along_two_ways(tmp_path, calls):
    (tmp_path / "zoo.ens").write_text('model X = fake(says = "x")\n')
    (tmp_path / "left.ens").write_text('use "zoo.ens" (X)\nlet left = X\n')
    (tmp_path / "right.ens").write_text('use "zoo.ens" (X)\nlet right = X\n')
    recipe = 'use "left.ens" (left)\nuse "right.ens" (right)\n[left, right] -> vote()'
    assert calls(recipe) == {"X": 1}


def test_a_mistake_in_a_used_file_is_shown_there(tmp_path, mistakes):
    (tmp_path / "lib.ens").write_text("let x = [A, -> vote()\n")
    (found,) = mistakes('use "lib.ens" (x)\nx')
    assert found.place.source.name.endswith("lib.ens")


def test_equal_declarations_are_one_model(calls):
    models = 'model X = fake(says = "x")\nmodel Y = fake(says = "x")\n'
    assert calls("[X, X] -> vote()", models=models) == {"X": 1}
