"""Asking models: one answer, several draws, another question."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from composer.parts import Template
from composer.ports import Asker, Candidates, Model, Query, Ranking, Sampling, Text
from composer.ports.capability import Capability
from composer.specs import Declaration, Declared, Prompted
from composer.steps.declare import step

if TYPE_CHECKING:
    from composer.steps.site import Site

Temperature = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0)]


@step(sign="a name in step position", hidden=("declaration", "name"))
def model(*, declaration: Declaration, name: str) -> Declared:
    """Stand for a declared model."""
    return Declared(name, declaration)


@step(needs=Capability.TEXT, hidden=("draw",), streams=True, absorbs="model")
async def generate(
    query: Query,
    model: Model,
    *,
    temperature: Temperature = 0.0,
    top_p: Share = 1.0,
    top_k: Whole = 0,
    min_p: Annotated[float, Field(ge=0, le=1)] = 0.0,
    max_tokens: Count = 512,
    stop: tuple[str, ...] = (),
    draw: int = 0,  # noqa: ARG001 - makes separate occurrences of sampled work separate nodes
    ask: Asker,
) -> Text:
    """Let a model answer the query.

    A temperature of 0 is greedy. `draw` numbers the occurrence in the recipe, so that sampled
    work is done once an occurrence; greedy work is the same wherever it stands.
    """
    sampling = Sampling(temperature, top_p, top_k, min_p, max_tokens, stop)
    return await ask.generate(model, query, _seeded(sampling, ask))


@step(paper="arXiv:2203.11171", needs=Capability.TEXT, hidden=("draw",))
async def sample(
    query: Query,
    model: Model,
    n: Count = 5,
    *,
    temperature: Temperature = 0.7,
    top_p: Share = 1.0,
    top_k: Whole = 0,
    min_p: Annotated[float, Field(ge=0, le=1)] = 0.0,
    max_tokens: Count = 512,
    stop: tuple[str, ...] = (),
    draw: int = 0,  # noqa: ARG001 - as in `generate`
    ask: Asker,
) -> Candidates:
    """Draw several answers of one model, as self-consistency does."""
    import asyncio

    sampling = Sampling(temperature, top_p, top_k, min_p, max_tokens, stop)
    draws = [ask.generate(model, query, _seeded(sampling, ask)) for _ in range(n)]
    return Candidates(query, tuple(await asyncio.gather(*draws)))


@sample.counts
def as_many_as_are_drawn(site: Site) -> int:
    """The draws."""
    return int(site.get("n"))


@step()
def prompt(
    given: Query | Text | Candidates | Ranking, template: Template, *, system: str = ""
) -> Query:
    """Ask another question, made from what came before by a Jinja2 template.

    The template sees `query`, `messages`, `fields`, `answers` and `answer`.
    """
    query = given if isinstance(given, Query) else given.query
    asked = query.asking(template.render(given), given)
    return replace(asked, messages=(("system", system), *asked.messages)) if system else asked


@step(sign="`prompt(...) -> M` inside a fuse")
def prompted(model: Model, *, template: Template) -> Prompted:
    """Give one member of a fuse its own prompt, a template over the query.

    Source: model arithmetic, arXiv:2311.14479.
    """
    return Prompted(model, template)


def _seeded(sampling: Sampling, ask: Asker) -> Sampling:
    """Give each draw a seed of its own; greedy work has none, so that it can be shared."""
    return replace(sampling, seed=ask.rng.getrandbits(62)) if sampling.temperature else sampling
