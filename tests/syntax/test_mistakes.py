from pathlib import Path

import pytest

from composer.diagnostics import CODES, Mistakes, Source
from composer.syntax import parse

GOLDEN = Path(__file__).parent / "golden"
RECIPES = sorted(path.stem for path in GOLDEN.glob("*.ens"))


def mistakes(text):
    with pytest.raises(Mistakes) as caught:
        parse(Source("r.ens", text))
    return caught.value.diagnostics


@pytest.mark.parametrize("name", RECIPES)
def test_every_mistake_of_a_file_is_drawn(name, golden):
    text = (GOLDEN / f"{name}.ens").read_text(encoding="utf-8")
    with pytest.raises(Mistakes) as caught:
        parse(Source(f"{name}.ens", text))
    golden(GOLDEN / f"{name}.txt", str(caught.value))


@pytest.mark.parametrize("code", [code for code in CODES if CODES[code].mended])
def test_what_is_explained_as_mended_has_right_syntax(code):
    if code not in ("E404", "E504"):
        parse(Source("r.ens", CODES[code].mended))


@pytest.mark.parametrize("code", [c for c in CODES if c.startswith("E1") and CODES[c].broken])
def test_what_is_explained_as_broken_is_refused_with_its_code(code):
    assert [found.code for found in mistakes(CODES[code].broken)] == [code]


def test_a_mistake_does_not_hide_the_next_statement():
    found = mistakes("let a = f(\nlet b 3\nA B\nlet c = 3\n")
    assert [mistake.place.line for mistake in found] == [1, 2, 3]


def test_one_statement_gives_one_mistake():
    assert len(mistakes("f(a b c d) ) ]")) == 1


def test_a_bracket_left_over_from_a_broken_statement_is_not_a_second_mistake():
    assert len(mistakes("let a = f(\n  x,\nlet b = 3\n)\nb\n")) == 1


def test_every_mistake_has_a_place_and_a_known_code():
    for name in RECIPES:
        for mistake in mistakes((GOLDEN / f"{name}.ens").read_text(encoding="utf-8")):
            assert mistake.place is not None
            assert mistake.code in CODES
