"""An expression back to its canonical text."""

from __future__ import annotations

from typing import TypeAlias

from composer.syntax.literals import quoted, templated
from composer.syntax.tree import (
    Argument,
    Binary,
    Boolean,
    Branch,
    Branches,
    Call,
    Chain,
    Expr,
    Fallback,
    Name,
    Null,
    Number,
    String,
    Unary,
)

CHAIN, FALLBACK, OR, AND, NOT, COMPARISON, SUM, PRODUCT, NEGATIVE, ATOM = range(10)
"""How tightly things bind, loosest first."""

LEVELS = {"or": OR, "and": AND, "+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT}

Piece: TypeAlias = "str | tuple[Expr, int]"
"""Text, or an expression still to be written where it must bind at least so tightly."""


def unparse(node: Expr | Branch | Argument) -> str:
    """Write an expression in its canonical text, with no bracket that is not needed.

    It is one line, except for the line breaks inside templates.
    """
    texts: list[str] = []
    pieces: list[Piece] = [*_item(node)] if isinstance(node, Branch | Argument) else [(node, CHAIN)]
    pieces.reverse()
    while pieces:
        piece = pieces.pop()
        if isinstance(piece, str):
            texts.append(piece)
        else:
            pieces.extend(reversed(_bracketed(*piece)))
    return "".join(texts)


def _bracketed(node: Expr, least: int) -> list[Piece]:
    level, pieces = _pieces(node)
    return pieces if level >= least else ["(", *pieces, ")"]


def _pieces(node: Expr) -> tuple[int, list[Piece]]:
    match node:
        case Chain():
            return CHAIN, _joined(" -> ", [[(stage, FALLBACK)] for stage in node.stages])
        case Fallback():
            return FALLBACK, _joined(" | ", [[(choice, OR)] for choice in node.choices])
        case Binary():
            return _binary(node)
        case Unary():
            level = NOT if node.op == "not" else NEGATIVE
            return level, ["not " if node.op == "not" else "-", (node.operand, level)]
        case Call():
            inside = _joined(", ", [_item(argument) for argument in node.arguments])
            return ATOM, [f"{node.function}(", *inside, ")"]
        case Branches():
            return ATOM, ["[", *_joined(", ", [_item(branch) for branch in node.branches]), "]"]
        case Number():
            return NEGATIVE if node.value < 0 else ATOM, [repr(node.value)]
        case _:
            return ATOM, [_word(node)]


def _word(node: Name | String | Boolean | Null) -> str:
    match node:
        case Name():
            return node.id
        case String():
            return templated(node.value) if node.template else quoted(node.value)
        case Boolean():
            return "true" if node.value else "false"
        case Null():
            return "none"


def _binary(node: Binary) -> tuple[int, list[Piece]]:
    """Write both sides; the left one may bind as loosely, except that comparisons never chain."""
    level = LEVELS.get(node.op, COMPARISON)
    left = level + 1 if level == COMPARISON else level
    return level, [(node.left, left), f" {node.op} ", (node.right, level + 1)]


def _item(node: Branch | Argument) -> list[Piece]:
    sign = ": " if isinstance(node, Branch) else " = "
    return [f"{node.name}{sign}" if node.name else "", (node.value, CHAIN)]


def _joined(sign: str, items: list[list[Piece]]) -> list[Piece]:
    return [piece for i, item in enumerate(items) for piece in ([sign] if i else []) + item]
