"""Other questions: a prompt as a step, and the prompt of one member of a fuse."""

from __future__ import annotations

from dataclasses import replace

from composer.methods import Template
from composer.specs import Prompted
from composer.steps.declare import step
from composer.values import (
    Candidates,
    Model,
    Query,
    Ranking,
    Text,
)


@step()
def prompt(
    given: Query | Text | Candidates | Ranking,
    template: Template,
    *,
    system: Template | None = None,
) -> Query:
    """Write a new query from the earlier values with a Jinja2 template.

    The template can use `query`, `messages`, `fields`, `answers`, `answer` and `analysis`. `system`
    is a template too: the system message before the query.
    """
    new_query = template.query(given)
    instructions = "" if system is None else system.render(given)
    if not instructions:
        return new_query
    return replace(new_query, messages=(("system", instructions), *new_query.messages))


@step(sign="`prompt(...) -> M` inside a fuse")
def prompted(model: Model, *, template: Template) -> Prompted:
    """Give one member of a fuse its own prompt, a template over the query.

    Source: model arithmetic, arXiv:2311.14479.
    """
    return Prompted(model, template)
