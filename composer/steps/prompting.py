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
    given: Query | Text | Candidates | Ranking, template: Template, *, system: str = ""
) -> Query:
    """Write a new query from the earlier values with a Jinja2 template.

    The template can use `query`, `messages`, `fields`, `answers` and `answer`.
    """
    query = given if isinstance(given, Query) else given.query
    new_query = query.asking(template.render(given), given)
    return (
        replace(new_query, messages=(("system", system), *new_query.messages))
        if system
        else new_query
    )


@step(sign="`prompt(...) -> M` inside a fuse")
def prompted(model: Model, *, template: Template) -> Prompted:
    """Give one member of a fuse its own prompt, a template over the query.

    Source: model arithmetic, arXiv:2311.14479.
    """
    return Prompted(model, template)
