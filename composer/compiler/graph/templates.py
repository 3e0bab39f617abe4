"""What a template names, held against what reaches it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.parts.template import names_in

if TYPE_CHECKING:
    from composer.compiler.graph.context import Context
    from composer.compiler.graph.node import Node

ANSWERS = ("answers", "answer")
"""What a template can name only where answers reach it."""


def check_template(ctx: Context, prompt: Node) -> None:
    """Refuse answers in a template that only a question reaches."""
    named = names_in(prompt.get("template").text)
    missing = [name for name in ANSWERS if name in named]
    if missing:
        ctx.say(
            "E402",
            f"this template names `{missing[0]}`, but only a question reaches it",
            ctx.graph.places.get(prompt),
            "is given no answers",
            help="ask first: `[A, B] -> prompt(...)`, or name `query`, `messages` or `fields` only",
        )
