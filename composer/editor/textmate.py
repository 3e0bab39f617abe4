"""A TextMate grammar, by which Visual Studio Code and others colour recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.backends import BACKENDS
from composer.steps import STEPS
from composer.syntax.building import TYPES
from composer.syntax.lexemes import STATEMENTS, WORDS

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
OPERATING = ("and", "not", "or")
ESCAPE = r"\\(?:u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)"
if TYPE_CHECKING:
    from collections.abc import Iterable

NAMED = ("model", "param", "let", "def")

Rule = dict[str, object]


def textmate() -> Rule:
    """Make the grammar out of the language's words, steps and backends."""
    return {
        "$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
        "name": "Ensemble recipe",
        "scopeName": "source.ens",
        "fileTypes": ["ens"],
        "patterns": [{"include": f"#{name}"} for name in _plain()],
        "repository": {**_plain(), "jinja": _jinja()},
    }


def _plain() -> dict[str, Rule]:
    """Give the rules of the language, in the order in which they are tried."""
    return {
        "comment": _match("comment.line.number-sign.ens", "#.*$"),
        "template": _template(),
        "string": _string(),
        "definition": _definition(),
        "keyword": _words("keyword.control.ens", STATEMENTS.values(), "as"),
        "operator-word": _words("keyword.operator.logical.ens", OPERATING),
        "constant": _words(
            "constant.language.ens", (w.lower() for w in WORDS if w.lower() not in OPERATING)
        ),
        "type": {
            "match": rf"(:)\s*({'|'.join(TYPES)})\b",
            "captures": _captures("punctuation.separator.ens", "storage.type.ens"),
        },
        "number": _match(
            "constant.numeric.ens",
            r"(?<![\w.])(?:\d+(?:_\d+)*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])",
        ),
        "option": {
            "match": rf"\b({NAME})\s*(=)(?!=)",
            "captures": _captures("variable.parameter.ens", "keyword.operator.assignment.ens"),
        },
        "step": _words("support.function.ens", _steps()),
        "backend": {"name": "support.class.ens", "match": rf"\b({_either(BACKENDS)})(?=\s*\()"},
        "call": _match("entity.name.function.ens", rf"\b{NAME}(?=\s*\()"),
        "arrow": _match("keyword.operator.arrow.ens", "->"),
        "operator": _match("keyword.operator.ens", r"==|!=|<=|>=|[|=<>+\-*/]"),
        "punctuation": _match("punctuation.ens", r"[()\[\],:]"),
    }


def _template() -> Rule:
    return {
        "name": "string.quoted.triple.ens",
        "begin": '"""',
        "end": '"""',
        "patterns": [
            _match("constant.character.escape.ens", r'\\"'),
            {"name": "comment.block.jinja.ens", "begin": r"\{#", "end": r'#\}|(?=""")'},
            {
                "name": "meta.embedded.expression.ens",
                "begin": r"\{\{-?|\{%-?",
                "end": r'-?\}\}|-?%\}|(?=""")',
                "beginCaptures": _captures(whole="punctuation.section.embedded.ens"),
                "endCaptures": _captures(whole="punctuation.section.embedded.ens"),
                "patterns": [{"include": "#jinja"}],
            },
        ],
    }


def _string() -> Rule:
    return {
        "name": "string.quoted.double.ens",
        "begin": '"',
        "end": '"|$',
        "patterns": [_match("constant.character.escape.ens", ESCAPE)],
    }


def _definition() -> Rule:
    return {
        "match": rf"\b({'|'.join(NAMED)})\s+({NAME})",
        "captures": _captures("keyword.control.ens", "entity.name.type.ens"),
    }


def _jinja() -> Rule:
    tags = "for|endfor|if|elif|else|endif|set|in|is|not|and|or|filter|endfilter"
    return {
        "patterns": [
            _match("keyword.control.jinja.ens", rf"\b({tags})\b"),
            _match("string.quoted.single.jinja.ens", "'[^']*'"),
            _match("constant.numeric.jinja.ens", r"\b\d+(?:\.\d+)?\b"),
            _match("support.function.jinja.ens", rf"(?<=\|)\s*{NAME}"),
            _match("variable.other.jinja.ens", rf"\b{NAME}\b"),
        ]
    }


def _match(name: str, pattern: str) -> Rule:
    return {"name": name, "match": pattern}


def _words(name: str, words: Iterable[str], *more: str) -> Rule:
    return _match(name, rf"\b({_either([*words, *more])})\b")


def _either(words: Iterable[str]) -> str:
    return "|".join(sorted(words))


def _captures(*names: str, whole: str = "") -> Rule:
    numbered: Rule = {str(at): {"name": name} for at, name in enumerate(names, 1)}
    return {"0": {"name": whole}} if whole else numbered


def _steps() -> list[str]:
    return [name for name, step in STEPS.items() if not step.sign]
