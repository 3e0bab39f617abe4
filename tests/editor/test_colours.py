"""Colours: the Pygments lexer and the TextMate grammar know the language."""

import importlib
import json
import re
import tomllib
from pathlib import Path

import pytest
from pygments.token import Comment, Error, Keyword, Name, Operator, String

from composer.editor.pygments import EnsLexer
from composer.editor.textmate import textmate
from composer.steps import STEPS
from composer.syntax.building import TYPES
from composer.syntax.grammar import grammar
from composer.syntax.lexemes import STATEMENTS

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").rglob("*.ens"))
FENCE = re.compile(r"^```ens[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
REGEXES = ("match", "begin", "end")


def tokens(text):
    return list(EnsLexer().get_tokens(text))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_recipes_have_no_error_token(path):
    text = path.read_text(encoding="utf-8")
    assert not [value for kind, value in tokens(text) if kind is Error]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_of_the_pages_have_no_error_token(page):
    for text in FENCE.findall(page.read_text(encoding="utf-8")):
        assert not [value for kind, value in tokens(text) if kind is Error], text


def test_the_lexer_loses_nothing():
    for path in RECIPES:
        text = path.read_text(encoding="utf-8")
        assert "".join(value for _, value in tokens(text)) == text


def test_words_have_their_colours():
    text = 'let a = vote(by = x) and """{{ q }} {# c #}"""  # why'
    found = {value: kind for kind, value in tokens(text)}
    assert found["let"] is Keyword.Declaration
    assert found["vote"] is Name.Builtin
    assert found["by"] is Name.Attribute
    assert found["and"] is Operator.Word
    assert found['"""'] is String.Double
    assert found["q"] is Name.Variable
    assert found["{# c #}"] is Comment.Multiline
    assert found["# why"] is Comment.Single


def test_the_entry_point_names_the_lexer():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, name = project["entry-points"]["pygments.lexers"]["ens"].partition(":")
    assert getattr(importlib.import_module(module), name) is EnsLexer


def patterns(node):
    if isinstance(node, list):
        for each in node:
            yield from patterns(each)
    elif isinstance(node, dict):
        yield from (node[key] for key in REGEXES if key in node)
        for each in node.values():
            yield from patterns(each)


def test_the_textmate_regexes_compile():
    found = list(patterns(textmate()))
    assert len(found) > 15
    for each in found:
        re.compile(each)


def words(rule):
    return set(re.search(r"\(([a-z_|]+)\)", textmate()["repository"][rule]["match"])[1].split("|"))


def terminals(*kinds):
    return {re.search(rf'^{kind}: "(\w+)"', grammar(), re.MULTILINE)[1] for kind in kinds}


def test_the_textmate_words_are_those_of_the_grammar():
    assert words("keyword") == terminals(*STATEMENTS) | {"as"}
    assert words("operator-word") == terminals("AND", "OR", "NOT")
    assert words("constant") == terminals("TRUE", "FALSE", "NONE")
    assert re.findall(r"\w+", textmate()["repository"]["type"]["match"])[1:-1] >= list(TYPES)[:-1]


def test_the_textmate_grammar_knows_the_steps():
    assert words("step") == {name for name, step in STEPS.items() if not step.sign}


def test_the_committed_grammar_is_fresh():
    kept = json.loads((ROOT / "editors" / "ens.tmLanguage.json").read_text(encoding="utf-8"))
    assert kept == textmate(), "compose schema textmate > editors/ens.tmLanguage.json"
