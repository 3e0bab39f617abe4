from pathlib import Path

import pytest

from composer.diagnostics import Source
from composer.syntax import parse, read
from composer.syntax.formatting import formatted, notation

SHIPPED = Path(__file__).parents[2] / "recipes"


def again(text, name="r.ens", to=None):
    return formatted(parse(Source(name, text)), to)


@pytest.mark.parametrize("path", sorted(SHIPPED.rglob("*.ens")), ids=lambda path: path.stem)
def test_shipped_recipes_are_canonical_and_go_there_and_back(path):
    source = read(path)
    file = parse(source)
    assert formatted(file) == source.text
    yaml = parse(Source("r.yaml", formatted(file, "yaml")))
    assert yaml.statements == file.statements
    assert [text for _, text in yaml.comments] == [text for _, text in file.comments]
    assert parse(Source("r.ens", formatted(yaml, "ens"))).statements == file.statements


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ("a", "a\n"),
        ("\n\n# x\n\n\n\na\n\n", "# x\n\na\n"),
        ("let x=f( a,b )", "let x = f(a, b)\n"),
        ("((a))->(b)", "a -> b\n"),
        (
            "param x :list[ int ]=[1_000,.5,1E-3,- 3]",
            "param x: list[int] = [1_000, 0.5, 1e-3, -3]\n",
        ),
        ('use   "a" ( A,B as C, )', 'use "a" (A, B as C)\n'),
        ('use "a" as  b', 'use "a" as b\n'),
        ("def f( )=a\ndefault  g( x=1 )", "def f() = a\ndefault g(x = 1)\n"),
        ('example   """\n  a\n  b\n  """', 'example """\n  a\n  b\n  """\n'),
        ('f("""\n      a\n""",b)', 'f("""\n      a\n""", b)\n'),
        ("let a = 1\nlet b = 2\n\n\nlet c = 3", "let a = 1\nlet b = 2\n\nlet c = 3\n"),
        ("a  # x   ", "a  # x\n"),
        ("f(  # x\na)", "f(  # x\n  a,\n)\n"),
        ("f(# x\n)", "f(  # x\n)\n"),
        ("f(a, # x\n# y\nk = b # z\n# end\n)", "f(\n  a,  # x\n  # y\n  k = b,  # z\n  # end\n)\n"),
        ("a # x\n# y\n-> b # z", "a  # x\n  # y\n  -> b  # z\n"),
        ("[a, # x\nb] -> c", "[\n  a,  # x\n  b,\n] -> c\n"),
        ("let a = # x\n 3", "# x\nlet a = 3\n"),
        ("f(k = # x\n 3)", "f(\n  # x\n  k = 3,\n)\n"),
        ("# only", "# only\n"),
    ],
)
def test_canonical_text(text, canonical):
    assert again(text) == canonical
    assert again(canonical) == canonical


def test_a_long_chain_has_one_stage_a_line():
    stages = [f"stage_number_{n}(argument)" for n in range(5)]
    assert again(" -> ".join(stages)) == "\n  -> ".join(stages) + "\n"


def test_a_long_call_has_one_argument_a_line():
    names = [f"argument_number_{n}" for n in range(8)]
    lines = "".join(f"  {name},\n" for name in names)
    assert again(f"let x = f({', '.join(names)})") == f"let x = f(\n{lines})\n"


def test_a_chain_goes_on_behind_a_bank_that_is_broken():
    names = [f"argument_number_{n}" for n in range(8)]
    lines = "".join(f"  {name},\n" for name in names)
    assert again(f"[{', '.join(names)}] -> vote()") == f"[\n{lines}] -> vote()\n"


def test_a_long_formula_is_broken_behind_its_signs():
    names = [f"operand_number_{n}" for n in range(8)]
    assert again(" + ".join(names)) == " +\n  ".join(names) + "\n"


def test_no_line_is_longer_than_it_need_be():
    text = again("f(" + ", ".join(f"a{n}(b = [c, d, -e or not f])" for n in range(40)) + ")")
    assert max(map(len, text.splitlines())) <= 100


def test_ten_thousand_stages_are_no_matter():
    assert again(" -> ".join("a" * 10_000)).count("->") == 9_999
    assert again(" -> ".join("a" * 10_000), to="yaml").count("- a") == 10_000


def test_what_nests_deep_is_formatted():
    for text in ("f(" * 99 + ")" * 99, "[" * 99 + "]" * 99, "-" * 99 + "a", " + ".join("a" * 99)):
        assert again(again(text)) == again(text)
        yaml = again(text, to="yaml")
        assert parse(Source("r.yaml", yaml)).statements == parse(Source("r.ens", text)).statements


YAML = """\
# The head.
use:
  - {file: zoo.ens, names: [A, B as C]}  # names

# Two models.
model:
  D: {hf: {of: [{text: "org/name"}], dtype: bf16}}
  # The second.
  E: {fake: {says: {text: "1"}}}

let:
  t:
    - prompt:
        - template: |
            {{ query }}
            Answer.
    # Before D.
    - D  # after D

answer: [[A, {name: c, value: C}], {cascade: {of: [t], accept: "confidence >= 0.6 or not a"}}]
# The end.
"""


def test_canonical_yaml_stays():
    assert again(YAML, "r.yaml") == YAML


def test_yaml_is_made_canonical():
    text = "answer: ['A',\n  {vote: {}},\n  {f: 'a'}] # x\nexample: y\n"
    assert again(text, "r.yaml") == 'answer: [A, vote(), {f: [a]}]  # x\nexample: "y"\n'


def test_kinds_that_come_again_make_a_list():
    text = again("let a = A\nmodel B = f(x)\n# c\nlet d = B\nd", to="yaml")
    assert text == (
        "- let:\n    a: A\n\n- model:\n    B: {f: [x]}\n\n# c\n- let:\n    d: B\n\n- answer: d\n"
    )
    assert again(text, "r.yaml") == text


@pytest.mark.parametrize(
    ("ens", "yaml"),
    [
        ("f(of = 3)", 'answer: "f(of = 3)"\n'),
        ("f(a, k = 1, b)", 'answer: "f(a, k = 1, b)"\n'),
        ('text("a")', "answer: 'text(\"a\")'\n"),
        ("f(text = a)", "answer: {f: {text: a}}\n"),
        ("yes", "answer: (yes)\n"),
        ("a -> (b -> c)", 'answer: [a, "b -> c"]\n'),
        ('"a\\u200bb"', 'answer: {text: "a\\u200bb"}\n'),
        ("default f(of = 1)", 'default: "f(of = 1)"\n'),
        ("default f()", "default:\n  f: []\n"),
    ],
)
def test_what_only_one_notation_has_is_still_said(ens, yaml):
    assert again(ens, to="yaml") == yaml
    assert again(yaml, "r.yaml", "ens") == f"{ens}\n"


def test_the_name_tells_the_notation():
    assert [notation(name) for name in ("a.ens", "a.yml", "A.YAML", "a")] == [
        "ens",
        "yaml",
        "yaml",
        "ens",
    ]
