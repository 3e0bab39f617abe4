import re

import pytest

from composer.diagnostics import Mistakes
from composer.syntax import parse_expression
from composer.syntax.grammar import grammar


def value(text):
    return parse_expression(text).value


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ('""', ""),
        ('"abc"', "abc"),
        (r'"a\nb\t\"c\" \\ \/"', 'a\nb\t"c" \\ /'),
        (r'"\u00e9 \U0001F600"', "é \N{GRINNING FACE}"),
        ("\"é → “x” 'y'\"", "é → “x” 'y'"),
        ('"# no comment"', "# no comment"),
        (r'"C:\\models"', "C:\\models"),
    ],
)
def test_strings_resolve_their_escapes(text, meant):
    assert value(text) == meant
    assert not parse_expression(text).template


@pytest.mark.parametrize("escape", [r"\q", r"\u12", r"\ud800", r"\U00110000", r"\x41"])
def test_an_unknown_escape_is_pointed_at(escape):
    with pytest.raises(Mistakes) as caught:
        parse_expression(f'"ab{escape}"')
    (mistake,) = caught.value.diagnostics
    assert mistake.code == "E107"
    assert mistake.place.column == 4


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ('""""""', ""),
        ('"""one line"""', "one line"),
        ('"""\n  a\n    b\n  """', "a\n  b\n"),
        ('"""\n\n  a"""', "\na"),
        ('"""  a\n  b"""', "  a\n  b"),
        ('"""{{ query }} "quoted" and ""double"" """', '{{ query }} "quoted" and ""double"" '),
        (r'"""\boxed{x} \n stays"""', r"\boxed{x} \n stays"),
        (r'"""ends with a \"quote\""""', 'ends with a "quote"'),
        (r'"""three \"\"\" quotes"""', 'three """ quotes'),
        ('"""\\\\\n"""', "\\\\\n"),
    ],
)
def test_templates_are_dedented_and_otherwise_taken_as_they_stand(text, meant):
    assert value(text) == meant
    assert parse_expression(text).template


def test_a_number_that_no_machine_holds_is_refused():
    for text in ("1e999", "9" * 5000):
        with pytest.raises(Mistakes, match="too large"):
            parse_expression(text)


def test_the_grammar_has_no_quantifier_that_old_pythons_match_wrongly():
    # python/cpython#106052, mended in 3.11.5: `(?:...)*+` ends too late
    assert re.findall(r"[)\]][*+?]\+", grammar()) == []
