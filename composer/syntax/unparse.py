"""An expression back to its canonical text."""

from __future__ import annotations

from composer.syntax.tree import (
    Argument,
    Bank,
    Binary,
    Boolean,
    Branch,
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

LEVELS = {"or": 3, "and": 4, "not": 5, "+": 7, "-": 7, "*": 8, "/": 8}
"""How tightly an operator binds; comparisons are 6, chains 1, fallbacks 2."""

CHAIN, FALLBACK, COMPARISON, NEGATIVE, ATOM = 1, 2, 6, 9, 10


def unparse(node: Expr | Branch | Argument) -> str:
    """Write an expression in its canonical text, with no bracket that is not needed."""
    return _write(node)[0]


def _write(node: Expr | Branch | Argument) -> tuple[str, int]:  # noqa: PLR0911, C901
    match node:
        case Name():
            return node.id, ATOM
        case Number():
            return repr(node.value), ATOM if node.value >= 0 else NEGATIVE
        case String():
            return _string(node), ATOM
        case Boolean():
            return "true" if node.value else "false", ATOM
        case Null():
            return "none", ATOM
        case Chain():
            return " -> ".join(_within(stage, FALLBACK) for stage in node.stages), CHAIN
        case Fallback():
            return " | ".join(_within(choice, 3) for choice in node.choices), FALLBACK
        case Bank():
            return "[" + ", ".join(map(unparse, node.branches)) + "]", ATOM
        case Call():
            return f"{node.function}({', '.join(map(unparse, node.arguments))})", ATOM
        case Branch():
            return (f"{node.name}: " if node.name else "") + unparse(node.value), ATOM
        case Argument():
            return (f"{node.name} = " if node.name else "") + unparse(node.value), ATOM
        case Binary():
            level = LEVELS.get(node.op, COMPARISON)
            left = _within(node.left, level + (level == COMPARISON))
            return f"{left} {node.op} {_within(node.right, level + 1)}", level
        case Unary():
            level = LEVELS["not"] if node.op == "not" else NEGATIVE
            sign = "not " if node.op == "not" else "-"
            return sign + _within(node.operand, level), level


def _within(node: Expr, level: int) -> str:
    text, own = _write(node)
    return text if own >= level else f"({text})"


def _string(node: String) -> str:
    if node.template:
        return f'"""{node.value}"""'
    text = node.value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + text.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + '"'
