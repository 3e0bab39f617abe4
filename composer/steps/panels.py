"""A panel of members: their answers put in another order, and compared by a judge."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from composer.methods import TEMPLATES, Template
from composer.methods.analysis import ANALYSIS, SCHEMA, analysis_in
from composer.specs import Declared
from composer.steps.declare import step
from composer.values import AnswerSchema, Asker, Candidates, Model, Sampling
from composer.values.capability import Capability

if TYPE_CHECKING:
    from composer.steps.site import Site


@step(selects=True, hidden=("draw",))
def shuffle(
    answers: Candidates,
    *,
    draw: int = 0,  # noqa: ARG001 - as in `generate`
    ask: Asker,
) -> Candidates:
    """Put the candidates in a random order, so that none has the best place.

    The order differs from question to question, follows from the run's seed, and is in the trace.
    Each answer keeps its name: where a model chooses one by its number, that one is kept.
    """
    shuffled = answers.shuffled(ask.rng)
    ask.note(order=list(shuffled.names))
    return shuffled


@step(needs=Capability.TEXT, selects=True)
async def analyse(
    answers: Candidates,
    judge: Model,
    template: Template = TEMPLATES["analyse"],
    *,
    max_tokens: Annotated[int, Field(ge=1)] = 1024,
    ask: Asker,
) -> Candidates:
    """Let a judge compare the candidates: what they agree on, where they contradict each other.

    It writes JSON with five lists of sentences: `consensus`, `contradictions`, `partial_coverage`,
    `unique_insights`, `blind_spots`. A template behind it reads them as `analysis`. Where the judge
    fails, takes longer than `timeout` or writes something else, the candidates go on without an
    analysis, and the result lists `analyse` under `failed`.
    """
    schema = AnswerSchema(SCHEMA) if _follows_schemas(judge) else None
    sampling = Sampling(max_tokens=max_tokens, schema=schema)
    reply = await ask.generate(judge, template.query(answers), sampling)
    analysis = analysis_in(reply.text)
    ask.note(analysis=analysis.as_dict())
    return replace(answers, facts=MappingProxyType({**answers.facts, ANALYSIS: analysis}))


def _follows_schemas(judge: Model) -> bool:
    """Say whether a judge's server can hold it to a schema, and its reply can be checked here."""
    honours = isinstance(judge, Declared) and "schema" in judge.declaration.honours
    return honours and find_spec("jsonschema") is not None


@analyse.otherwise
def without_analysis(answers: Candidates, *_: object) -> Candidates:
    """Hand on the raw panel."""
    return answers


@shuffle.counts
@analyse.counts
def all_of_them(site: Site) -> int | None:
    """As many as it is given."""
    return site.inputs[0].count
