from pathlib import Path

import pytest

from composer.diagnostics import CODES, Mistakes, Source
from composer.syntax import parse

GOLDEN = Path(__file__).parent / "golden" / "yaml"
RECIPES = sorted(path.stem for path in GOLDEN.glob("*.yaml"))


def refused(text):
    with pytest.raises(Mistakes) as caught:
        parse(Source("r.yaml", text))
    return caught.value.diagnostics


@pytest.mark.parametrize("name", RECIPES)
def test_every_mistake_in_yaml_is_drawn(name, golden):
    text = (GOLDEN / f"{name}.yaml").read_text(encoding="utf-8")
    with pytest.raises(Mistakes) as caught:
        parse(Source(f"{name}.yaml", text))
    golden(GOLDEN / f"{name}.txt", str(caught.value))


@pytest.mark.parametrize("name", RECIPES)
def test_every_mistake_in_yaml_has_a_place_and_a_known_code(name):
    for mistake in refused((GOLDEN / f"{name}.yaml").read_text(encoding="utf-8")):
        assert mistake.place is not None
        assert mistake.code in CODES


def test_a_mistake_does_not_hide_the_next_statement():
    found = refused("let:\n  a: f(\n  b: yes\nexample: [x]\nanswer: {f: A, g: B}\n")
    assert [mistake.place.line for mistake in found] == [2, 3, 4, 5]


def test_a_mistake_inside_a_scalar_is_pointed_at():
    (found,) = refused('answer: [A, "vote(by = )"]\n')
    assert (found.place.line, found.place.column, found.place.text) == (1, 22, "=")


def test_a_mistake_in_a_block_has_its_line_and_column():
    (found,) = refused("answer: |\n  A\n    -> vote(\n")
    assert (found.code, found.place.line, found.place.column) == ("E104", 3, 12)


def test_aliases_are_not_expanded():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 40)]
    assert {mistake.code for mistake in refused("\n".join(lines))} == {"E120"}


@pytest.mark.parametrize("text", ["[" * 50_000, "- " * 50_000, "{a: " * 20_000, "? " * 20_000])
def test_deep_nesting_is_refused_at_once(text):
    assert {mistake.code for mistake in refused(f"answer: {text}")} <= {"E116", "E119"}
    assert {mistake.code for mistake in refused(text)} <= {"E116", "E119"}
