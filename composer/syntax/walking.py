"""Walks over the tree, none of which recurses."""

from __future__ import annotations

from composer.syntax.tree import Bank, Binary, Call, Chain, Expr, Fallback, Unary


def children(node: Expr) -> tuple[Expr, ...]:
    """Give the expressions that an expression is made of, from left to right."""
    match node:
        case Chain():
            return node.stages
        case Fallback():
            return node.choices
        case Bank():
            return tuple(branch.value for branch in node.branches)
        case Call():
            return tuple(argument.value for argument in node.arguments)
        case Binary():
            return (node.left, node.right)
        case Unary():
            return (node.operand,)
        case _:
            return ()


def deeper_than(node: Expr, limit: int) -> Expr | None:
    """Find an expression nested more than so many levels deep, if there is one."""
    level = [node]
    for _ in range(limit):
        level = [child for parent in level for child in children(parent)]
        if not level:
            return None
    return level[0]
