"""A Pygments lexer, so that documentation and terminals colour recipes."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from pygments.lexer import RegexLexer, default, words
from pygments.lexer import bygroups as _bygroups
from pygments.token import (
    Comment,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Text,
    Token,
)

from composer.syntax.building import TYPES
from composer.syntax.lexemes import STATEMENTS, WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

bygroups: Callable[..., object] = _bygroups

OPERATING = ("and", "or", "not")
CONSTANTS = tuple(sorted(word.lower() for word in WORDS if word.lower() not in OPERATING))
NAMED = ("model", "param", "let", "def")
"""The statements that give a name."""


class EnsLexer(RegexLexer):
    """Colours `.ens` recipes, and the Jinja in their templates."""

    name = "Ensemble recipe"
    aliases: ClassVar[list[str]] = ["ens"]
    filenames: ClassVar[list[str]] = ["*.ens"]
    mimetypes: ClassVar[list[str]] = ["text/x-ens"]
    url = ""

    tokens: ClassVar[dict[str, list[object]]] = {
        "root": [
            (r"\s+", Text.Whitespace),
            (r"#[^\n]*", Comment.Single),
            (
                rf"({'|'.join(NAMED)})\b([ \t]+)([A-Za-z_]\w*)",
                bygroups(Keyword.Declaration, Text.Whitespace, Name.Variable),
            ),
            (r"(use|as)\b", Keyword.Namespace),
            (words(tuple(STATEMENTS.values()), suffix=r"\b"), Keyword.Declaration),
            (words(OPERATING, suffix=r"\b"), Operator.Word),
            (words(CONSTANTS, suffix=r"\b"), Keyword.Constant),
            (rf"(:\s*)({'|'.join(TYPES)})\b", bygroups(Punctuation, Keyword.Type)),
            (r'"""', String.Double, "template"),
            (r'"', String.Double, "string"),
            (r"(?:\d+(?:_\d+)*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])", Number),
            (r"([A-Za-z_]\w*)(\s*)(=)(?!=)", bygroups(Name.Attribute, Text.Whitespace, Operator)),
            (r"([A-Za-z_]\w*)(?=\s*\()", Name.Function),
            (r"[A-Za-z_]\w*", Name),
            (r"->|==|!=|<=|>=|[|=<>+\-*/]", Operator),
            (r"[()\[\],:]", Punctuation),
        ],
        "string": [
            (r'[^"\\\n]+', String.Double),
            (r"\\(?:u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", String.Escape),
            (r'"', String.Double, "#pop"),
            default("#pop"),
        ],
        "template": [
            (r'"""', String.Double, "#pop"),
            (r'\\"', String.Escape),
            (r"\{#(?:[^\"]|\"(?!\"\"))*?#\}", Comment.Multiline),
            (r"\{\{-?|\{%-?", Comment.Preproc, "jinja"),
            (r'[^"\\{]+|["\\{]', String.Double),
        ],
        "jinja": [
            (r"-?\}\}|-?%\}", Comment.Preproc, "#pop"),
            (r'(?=""")', String.Double, "#pop"),
            (r"\s+", Text.Whitespace),
            (r"(?<=\{%)(\s*)([a-z]+)", bygroups(Text.Whitespace, Keyword)),
            (r"(?<=\{%-)(\s*)([a-z]+)", bygroups(Text.Whitespace, Keyword)),
            (r"(?:in|is|not|and|or|if|else|true|false|none)\b", Keyword),
            (r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", String.Single),
            (r"\d+(?:\.\d+)?", Number),
            (r"(\|\s*)([A-Za-z_]\w*)", bygroups(Operator, Name.Function)),
            (r"[A-Za-z_]\w*", Name.Variable),
            (r"[^\w\s]", Operator),
        ],
    }

    def get_tokens_unprocessed(
        self, text: str, stack: Iterable[str] = ("root",)
    ) -> Iterator[tuple[int, Any, str]]:
        """Mark the names of steps, wherever a name may stand for one."""
        for at, kind, value in super().get_tokens_unprocessed(text, stack):
            builtin = kind in (Token.Name, Token.Name.Function) and value in _steps()
            yield at, Name.Builtin if builtin else kind, value


@cache
def _steps() -> frozenset[str]:
    from composer.steps import STEPS

    return frozenset(name for name, step in STEPS.items() if not step.sign)
