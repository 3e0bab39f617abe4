"""YAML to the tree: the second notation, equal to the first in all that it can say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from composer.diagnostics import Diagnostic, Mistakes, Place, Source, did_you_mean
from composer.syntax.from_yaml.mistakes import misshapen
from composer.syntax.from_yaml.nodes import Document, Node, YamlMapping, YamlSequence
from composer.syntax.from_yaml.shapes import named, shape, twice
from composer.syntax.from_yaml.statements import YamlStatements
from composer.syntax.lexemes import Lexeme
from composer.syntax.mistakes.characters import conflict
from composer.syntax.mistakes.statements import ABSENT, ELSEWHERE
from composer.syntax.parsing import refuse_depth
from composer.syntax.tree import File, Statement

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7}|\|{7})(?![<=>|]).*", re.MULTILINE)

WHOLE = (
    "a recipe must be a mapping with keys such as `use`, `model` and `answer`, or a list of such "
    "mappings"
)


def parse_yaml(source: Source) -> tuple[File, list[Diagnostic]]:
    """Parse the statements that can be parsed, and say what is wrong with the others."""
    try:
        _refuse_conflict(source)
        document = Document(source)
    except Mistakes as error:
        return File(source, ()), [*error.diagnostics]
    statements = YamlStatements()
    mistakes = document.mistakes
    if not mistakes and document.root is not None:
        mistakes += _read(document.root, statements)
    comments = [*document.comments, *statements.expressions.comments]
    comments.sort(key=lambda comment: comment[0].start)
    return File(source, tuple(_shallow(statements.statements, mistakes)), tuple(comments)), mistakes


def _shallow(statements: list[Statement], mistakes: list[Diagnostic]) -> Iterator[Statement]:
    """Give the statements that do not nest too deep."""
    for statement in statements:
        try:
            refuse_depth(statement)
        except Mistakes as error:
            mistakes += error.diagnostics
        else:
            yield statement


def _read(root: Node, statements: YamlStatements) -> list[Diagnostic]:
    """Read all keys, each of which may be wrong by itself."""
    try:
        for part in _parts(root):
            keys: dict[str, Place] = {}
            for key, node in part.entries:
                try:
                    _entry(key, node, keys, statements)
                except Mistakes as error:
                    statements.mistakes += error.diagnostics
    except Mistakes as error:
        statements.mistakes += error.diagnostics
    return statements.mistakes


def _parts(root: Node) -> Iterator[YamlMapping]:
    """Give the mappings of a recipe: the one that it is, or those of its list."""
    for part in root.items if isinstance(root, YamlSequence) else (root,):
        if not isinstance(part, YamlMapping):
            raise misshapen(
                part.place, f"this is {shape(part)}, but statements are needed here", WHOLE
            )
        yield part


def _entry(key: Node, node: Node, keys: dict[str, Place], statements: YamlStatements) -> None:
    name = named(key, "a key", free=True)
    if name not in statements.kinds:
        raise Mistakes([_unknown(name, key.place, statements)])
    if name in keys:
        help_ = "put both under one key, or write the recipe as a list of mappings"
        raise twice(name, key.place, keys[name], help_)
    keys[name] = key.place
    statements.read(name, key.place, node)


def _unknown(name: str, place: Place, statements: YamlStatements) -> Diagnostic:
    keyword = ELSEWHERE.get(name.lower())
    help_ = f"did you mean `{keyword}`?" if keyword else ABSENT.get(name.lower(), "")
    if name == "return":
        help_ = "did you mean `answer`?"
    return Diagnostic(
        "E115",
        f"unknown statement `{name}`",
        place,
        help=help_ or did_you_mean(name, statements.kinds),
    )


def _refuse_conflict(source: Source) -> None:
    """Refuse the markers of a merge, before they are taken for anything else."""
    markers = [
        Lexeme("CONFLICT", match[0], Place(source, match.start(), match.end()))
        for match in CONFLICT.finditer(source.text)
    ]
    if markers:
        raise Mistakes([conflict(markers)])
