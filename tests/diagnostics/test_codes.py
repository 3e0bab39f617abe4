import re
from pathlib import Path

import pytest

import composer.diagnostics
from composer.diagnostics import CODES, explanation


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_explained_in_whole_sentences(code):
    entry = CODES[code]
    assert re.fullmatch(r"[EW][1-8]\d\d", code)
    assert entry.title[0] == entry.title[0].lower()
    assert not entry.title.endswith(".")
    assert entry.text.endswith(".")


@pytest.mark.parametrize("code", CODES)
def test_a_broken_example_comes_with_a_mended_one(code):
    entry = CODES[code]
    assert bool(entry.broken) == bool(entry.mended)
    assert entry.broken != entry.mended or not entry.broken


def test_an_explanation_shows_title_text_and_examples():
    said = explanation("E203")
    assert said.startswith("E203: unknown option\n\n")
    assert "Broken:\n\n    default generate(temprature = 0)" in said
    assert said.endswith("Fixed:\n\n    default generate(temperature = 0)")


def test_a_code_is_found_in_any_case():
    assert explanation("e301") == explanation("E301")


def test_every_code_that_the_package_gives_is_in_the_table():
    files = Path(composer.diagnostics.__file__).parents[1].rglob("*.py")
    given = {code for file in files for code in re.findall(r'"([EW][1-8]\d\d)"', file.read_text())}
    assert given <= set(CODES)


def test_an_unknown_code_has_no_explanation():
    assert explanation("E999") is None
