import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.diagnostics import CODES, Mistakes, Source
from composer.syntax import Branches, Call, Name, Number, String, parse, parse_expression


def statements(text, name="r.yaml"):
    return parse(Source(name, text)).statements


def value(text):
    """Give the value that stands in a call's arguments, where a list is a bank."""
    (answer,) = statements(f"answer: {{f: [{text}]}}")
    return answer.value.arguments[0].value


def same(yaml, ens):
    assert statements(yaml) == statements(ens, "r.ens")


def test_the_notation_of_the_design_is_the_same_recipe():
    same(
        "use: [{file: zoo.ens, names: [A, B, C, D]}]\n"
        "param: {doubt: {type: float, value: 0.6}}\n"
        "answer: [route, [{span_fuse: [A, B, C]}], "
        '{cascade: {of: [D], accept: "confidence >= doubt"}}]\n',
        'use "zoo.ens" (A, B, C, D)\nparam doubt: float = 0.6\n'
        "route -> [span_fuse(A, B, C)] -> cascade(D, accept = confidence >= doubt)",
    )


@pytest.mark.parametrize(
    ("yaml", "ens"),
    [
        ("use: {file: a.ens, names: A}", 'use "a.ens" (A)'),
        ("use: [{file: a.ens, names: [A as B, C]}]", 'use "a.ens" (A as B, C)'),
        ("use: [{file: a.ens, as: a}]", 'use "a.ens" as a'),
        (
            "model: {A: {hf: {of: [{text: org/x}], dtype: bf16}}}",
            'model A = hf("org/x", dtype = bf16)',
        ),
        ("model: {A: 'zoo(\"maths\")'}", 'model A = zoo("maths")'),
        ("param: {x: {type: 'list[model]'}}", "param x: list[model]"),
        ("param: {x: {type: 'list[int]', value: [1, 2]}}", "param x: list[int] = [1, 2]"),
        ("let: {x: [A, {vote: }]}", "let x = A -> vote()"),
        ("let: {x: [[A, B]]}", "let x = [A, B]"),
        ("def: {f: {parameters: [a, {b: 3}], value: [a, b]}}", "def f(a, b = 3) = a -> b"),
        ("def: {f: {value: A}}", "def f() = A"),
        ("default: {generate: {temperature: 0}}", "default generate(temperature = 0)"),
        ("default: [{f: {a: 1}}, {f: {b: 2}}]", "default f(a = 1)\ndefault f(b = 2)"),
        ("default: generate(n = 1)", "default generate(n = 1)"),
        ("example: What is 17 plus 25?", 'example "What is 17 plus 25?"'),
        ("example: 42", 'example "42"'),
        ("answer: A | B", "A | B"),
        ("answer: [A, [B, C], vote()]", "A -> [B, C] -> vote()"),
        ("answer: [[A, {name: b, value: B}]]", "[A, b: B]"),
        ("answer: {f: {k: 1, of: [A, B]}}", "f(k = 1, A, B)"),
        ("answer: {f: {of: A}}", "f(A)"),
        ("answer: {f: A}", "f(A)"),
        ("answer: |\n  [A, B]\n    -> vote()", "[A, B] -> vote()"),
        ("answer: >\n  A\n  -> B", "A -> B"),
        (
            "- let: {a: A}\n- use: {file: f, as: g}\n- let: {b: B}",
            'let a = A\nuse "f" as g\nlet b = B',
        ),
        ("", ""),
        ("# nothing", ""),
        ("---\nanswer: A\n...\n", "A"),
    ],
)
def test_both_notations_say_the_same(yaml, ens):
    same(yaml, ens)


@pytest.mark.parametrize("style", ["{}", "'{}'", '"{}"'])
def test_quotes_have_no_meaning(style):
    assert value(style.format("a >= 3")) == parse_expression("a >= 3")


def test_texts_and_templates_are_told_by_their_key():
    assert value("{text: 0.6}") == String("0.6", template=False, place=None)
    assert value("{text: 'a: b'}") == String("a: b", template=False, place=None)
    assert value('{template: "{{ query }}"}') == String("{{ query }}", template=True, place=None)
    assert value("'\"a b\"'") == String("a b", template=False, place=None)


def test_words_that_yaml_readers_differ_about_are_names_in_brackets():
    assert value("(yes)") == Name("yes", None)


def test_numbers_may_have_signs_in_them():
    assert value("1e-3") == Number(0.001, None)
    assert value("-3") == Number(-3, None)


def test_an_empty_list_is_an_empty_bank():
    assert value("[]") == Branches((), None)


def test_places_are_those_of_the_file():
    text = "let:\n  x: {f: [A, 'g(B)']}\n"
    (let,) = statements(text)
    call = let.value
    assert let.place.text == "x: {f: [A, 'g(B)']}"
    assert let.name_place.text == "x"
    assert (call.function_place.text, call.place.text) == ("f", "{f: [A, 'g(B)']}")
    inner = call.arguments[1].value
    assert isinstance(inner, Call)
    assert (inner.place.text, inner.arguments[0].place.text) == ("g(B)", "B")


@pytest.mark.parametrize(
    "scalar",
    [
        "f(a, b)",
        "'f(a, b)'",
        '"f(a, b)"',
        '"f(\\"a\\", b)"',
        "|\n  f(a,\n  b)",
        ">-\n  f(a,\n\n  b)",
    ],
)
def test_an_expression_has_its_place_in_every_kind_of_scalar(scalar):
    (answer,) = statements(f"answer: {scalar}\n")
    assert answer.value.arguments[1].place.text == "b"


def test_a_scalar_whose_characters_cannot_be_found_gives_its_own_place():
    (answer,) = statements('answer: "f(a,\\x20b)"\n')
    assert answer.value.arguments[1].place.text == '"f(a,\\x20b)"'


def test_comments_are_kept_wherever_yaml_has_them():
    text = '# 1\nlet: # 2\n  a: [A, # 3\n    "#" ] # 4\nanswer: | # 5\n  B # 6\n# 7\n'
    with pytest.raises(Mistakes):
        parse(Source("r.yaml", text))
    file = parse(Source("r.yaml", text.replace('"#"', "C")))
    assert [comment for _, comment in file.comments] == [f"# {n}" for n in range(1, 8)]


@pytest.mark.parametrize("name", ["r.yaml", "r.yml", "R.YAML"])
def test_the_name_tells_the_notation(name):
    assert len(statements("answer: A", name)) == 1


WORDS = """use let answer : - [ ] { } , # | > ' " A f() &a *a !t ? % --- text: \\x é"""
PIECES = st.sampled_from([*WORDS.split(), ": ", "- ", "? ", "\n", "\n  ", "\n---\n", "\t"])


def only_mistakes(text):
    try:
        parse(Source("r.yaml", text))
    except Mistakes as error:
        drawn, found = str(error), error.diagnostics
    else:
        return
    assert drawn
    assert all(mistake.code in CODES and mistake.place for mistake in found)


@settings(max_examples=120, deadline=None)
@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=40))
def test_any_text_gives_a_tree_or_mistakes(text):
    only_mistakes(text)


def test_reading_the_first_notation_does_not_import_the_second():
    code = (
        "import sys; from composer.syntax import parse; from composer.diagnostics import Source\n"
        "parse(Source('r.ens', 'A'))\n"
        "assert 'yaml' not in sys.modules\n"
        "parse(Source('r.yaml', 'answer: A'))\n"
        "assert not {'torch', 'networkx', 'numpy', 'pydantic'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
