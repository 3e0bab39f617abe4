"""The examples of the table of codes: what is broken gives its code, what is mended compiles."""

import re

import pytest

from composer.diagnostics import CODES
from composer.recipe import Mistakes, Recipe

NO_RECIPES = {
    "E404": "a command",
    "E504": "a line of data",
    "E602": "depends on the machine",
    "E701": "shows when it runs",
    "E702": "shows when it runs",
    "E716": "shows when it runs",
}
SHOWN = [code for code, entry in CODES.items() if entry.broken and code not in NO_RECIPES]
MEMBERS = ("A", "B", "C", "D", "other")
EXPECTED = {"W202", "W501"}


def found(text, folder):
    """Return the codes of a recipe that may use the zoo's models, as far as it has no own."""
    own = set(re.findall(r"^model (\w+)", text, re.MULTILINE))
    names = ", ".join(name for name in MEMBERS if name not in own)
    file = folder / "inside" / "recipe.ens"
    file.write_text(text if text.startswith("use") else f'use "zoo.ens" ({names})\n{text}')
    try:
        codes = Recipe.load(file, root=file.parent).check()
    except Mistakes as mistakes:
        codes = mistakes.diagnostics
    return {each.code for each in codes}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "inside").mkdir()
    (tmp_path / "outside.ens").write_text('model A = fake("42")\n')
    return tmp_path


@pytest.mark.parametrize("code", SHOWN)
def test_what_is_broken_has_its_code_alone(code, folder):
    assert found(CODES[code].broken, folder) - EXPECTED == {code}


@pytest.mark.parametrize("code", SHOWN)
def test_what_is_mended_has_no_mistake(code, folder):
    assert found(CODES[code].mended, folder) <= EXPECTED


def test_only_what_is_no_recipe_is_left_out():
    assert set(NO_RECIPES) <= set(CODES)
