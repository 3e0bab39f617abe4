"""What a template names, held against what reaches it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.methods.template import Template, names_in

if TYPE_CHECKING:
    from composer.compiler.graph.context import Context
    from composer.compiler.graph.node import Node

ANSWERS = ("answers", "answer")
"""What a template can name only where answers reach it."""


def check_templates(ctx: Context, node: Node) -> None:
    """Refuse answers in the templates of a step that only a question reaches."""
    for template in node.values().values():
        named = names_in(template.text) if isinstance(template, Template) else ()
        missing = [name for name in ANSWERS if name in named]
        if not missing:
            continue
        ctx.say(
            "E402",
            f"this template uses `{missing[0]}`, but only a query comes before it",
            ctx.graph.places.get(node),
            "has no answers",
            help="ask models first: `[A, B] -> prompt(...)`, or use only `query`, `messages` and "
            "`fields`",
        )
