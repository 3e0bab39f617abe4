"""Names of branches and members, where a recipe gives none."""

from __future__ import annotations

from composer.syntax import tree, unparse
from composer.values.flow import unique


def label(expr: tree.Expr) -> str:
    """Name a branch or a member by what it is."""
    match expr:
        case tree.Name(id=name):
            return name
        case tree.Chain(stages=stages):
            return label(stages[-1])
        case tree.Bank(branches=(branch,)):
            return branch.name or label(branch.value)
        case tree.Call(function=name, arguments=arguments):
            names = [label(a.value) for a in arguments if isinstance(a.value, tree.Name)]
            return f"{name}({', '.join(names)})" if names else name
        case _:
            return unparse(expr)


def branch_names(bank: tree.Bank) -> tuple[str, ...]:
    """Return the names of a bank's branches: those written, else what each branch is."""
    return unique(branch.name or label(branch.value) for branch in bank.branches)
