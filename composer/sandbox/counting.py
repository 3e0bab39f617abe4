"""Counting filters put into a template while it is compiled."""

from __future__ import annotations

from typing import Any

from jinja2 import TemplateSyntaxError, nodes
from jinja2.visitor import NodeTransformer

_LOADING = ("Include", "Import", "FromImport", "Extends")


_ESCAPING = ("EvalContextModifier", "ScopedEvalContextModifier")


class CountingVisitor(NodeTransformer):
    """Puts counting filters around what a template writes, compares, joins, cuts and repeats."""

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as jinja2 has it
        """Refuse what reads other files or changes how constants are folded."""
        kind = type(node).__name__
        if kind in _LOADING:
            raise TemplateSyntaxError("a template may not load another file", node.lineno)
        if kind in _ESCAPING:
            raise TemplateSyntaxError("a template may not change escaping", node.lineno)
        return super().visit(node, *args, **kwargs)

    def visit_Output(self, node: nodes.Output) -> nodes.Output:  # noqa: N802 - jinja2's name
        """Count what is written, and constant text as often as it is."""
        self.generic_visit(node)
        node.nodes = [_around(part, " made") for part in node.nodes]
        return node

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802
        """Count turns, those that a condition passes over too."""
        self.generic_visit(node)
        if node.test is not None:
            node.test = _around(node.test, " step")
        node.body.insert(0, _counter(node))
        return node

    def visit_Macro(self, node: nodes.Macro) -> nodes.Macro:  # noqa: N802
        """Count a call."""
        self.generic_visit(node)
        node.body.insert(0, _counter(node))
        return node

    def visit_Operand(self, node: nodes.Operand) -> nodes.Operand:  # noqa: N802
        """Compare only what is not too large."""
        self.generic_visit(node)
        node.expr = _around(node.expr, " light")
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Compare:  # noqa: N802
        """Compare only what is not too large."""
        self.generic_visit(node)
        node.expr = _around(node.expr, " light")
        return node

    def visit_Pair(self, node: nodes.Pair) -> nodes.Pair:  # noqa: N802
        """Hash only what is not too large."""
        self.generic_visit(node)
        node.key = _around(node.key, " light")
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:  # noqa: N802
        """Join texts whose lengths are counted first."""
        self.generic_visit(node)
        return _around(nodes.List(node.nodes, lineno=node.lineno), " joined")

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Expr:  # noqa: N802
        """Count what is cut out."""
        self.generic_visit(node)
        return _around(node, " made") if isinstance(node.arg, nodes.Slice) else node


def _around(node: nodes.Node, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def _counter(node: nodes.Node) -> nodes.ExprStmt:
    nothing = nodes.Const(None, lineno=node.lineno)
    return nodes.ExprStmt(_around(nothing, " step"), lineno=node.lineno)
