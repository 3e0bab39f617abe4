"""Asking models: one answer, several draws, another question."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from composer.diagnostics.amounts import bytes_of
from composer.specs import Declaration, Declared
from composer.steps.declare import Seconds, step
from composer.steps.site import Complaint
from composer.values import (
    Asker,
    Candidates,
    MaybeFile,
    MissingAnswer,
    Model,
    Processing,
    Query,
    Quorum,
    Sampling,
    Text,
)
from composer.values.capability import Capability
from composer.values.flow import unique
from composer.values.gather import attempts, failure_notes
from composer.values.processing import LogitBias, MinTokens, RepetitionPenalty, TokenPenalty
from composer.values.typed import Variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.steps.site import Site
    from composer.values import AnswerSchema
    from composer.values.typed import Scalar

Temperature = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0)]


CLUSTER = ("replicas", "cpus", "gpus", "resources")
"""The options of a declared model that say where its copies run, and so change no answer."""

PLACES = (*CLUSTER, "max_memory")
"""All options of a declared model that only say where it runs."""

PER_QUERY = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "max_tokens",
    "stop",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "min_tokens",
    "schema",
    "max_length",
    "detail",
)
"""What a caller may set of an answer that a model draws."""


@step(sign="a name in step position", hidden=("declaration", "name"))
def model(
    *,
    declaration: Declaration,
    name: str,
    timeout: Seconds | None = None,
    replicas: int | tuple[int, int] | None = None,  # noqa: ARG001 - the plan reads it
    cpus: Annotated[float, Field(gt=0)] | None = None,  # noqa: ARG001
    gpus: Annotated[float, Field(ge=0)] | None = None,  # noqa: ARG001
    resources: Variables | None = None,  # noqa: ARG001
    max_memory: tuple[tuple[str, str], ...] | None = None,  # noqa: ARG001
) -> Declared:
    """Stand for a declared model.

    With a `timeout`, whatever it is asked fails after so many seconds; loading it does not count.
    On a cluster, `replicas` is how many copies of the model there are: a number, or the least and
    the most, such as `[1, 4]`. On a cluster, each copy has `cpus` of its own, by default 1. On a
    cluster, each copy has `gpus` of its own, by default 1 if the model runs on a GPU, else 0; two
    copies with `gpus = 0.5` share one. On a cluster, each copy needs the custom `resources`, such
    as `[big_memory: 1]`, of the machine on which it runs. With `max_memory`, the model goes only to
    these devices, and takes at most so much of each: `[["cuda:0", "20 GB"], ["cpu", "64 GB"]]`. One
    that fits none of them alone is spread over them by layers.
    """
    return Declared(name, declaration, timeout)


BY_NAME = {"CPU": "cpus", "GPU": "gpus", "memory": "", "object_store_memory": ""}
"""The resources of a cluster that have options of their own, or none."""


@model.check
def its_copies_can_be_placed(site: Site) -> Iterator[Complaint]:
    """Copies are of models whose weights are read here; bounds and resources have an order."""
    given = [name for name in PLACES if site.get(name) is not None]
    if given and not site.has_weights:
        yield Complaint(
            "E407",
            f"`{site.name}` does not support `{given[0]}`: only models whose weights this project "
            "loads have copies on a cluster, or places on devices",
            "not supported by this model",
            "leave the option out; how many servers answer is said where they are started",
            given[0],
        )
    for device, size in site.get("max_memory") or ():
        yield from _unusable_limit(device, size)
    bounds = site.get("replicas")
    least = bounds[0] if isinstance(bounds, tuple) else bounds
    if least is not None and least < 1:
        yield Complaint("E402", "`replicas` must be at least 1", "too few", about="replicas")
    elif isinstance(bounds, tuple) and bounds[0] > bounds[1]:
        text = f"the least number of `replicas` ({bounds[0]}) is more than the most ({bounds[1]})"
        help_ = f"write `replicas = [{bounds[1]}, {bounds[0]}]`"
        yield Complaint("E402", text, "the wrong way round", help_, "replicas")
    for name, amount in site.get("resources") or ():
        yield from _unusable_resource(name, amount)


def _unusable_limit(device: str, size: str) -> Iterator[Complaint]:
    """Yield what is wrong with the most memory that a model may take of a device."""
    if not re.fullmatch(r"cpu|cuda:\d+", device):
        text, label = f"`{device}` is not one device", "not a device"
        help_ = 'name devices as `"cpu"`, `"cuda:0"`, `"cuda:1"`'
        yield Complaint("E402", text, label, help_, "max_memory")
    elif not bytes_of(size):
        text = f"`{size}` is not a size above 0, such as `20 GB`"
        yield Complaint("E402", text, "not a size", about="max_memory")


def _unusable_resource(name: str, amount: Scalar) -> Iterator[Complaint]:
    """Yield what is wrong with a custom resource of a cluster."""
    if name in BY_NAME:
        text, option = f"`{name}` is no custom resource of a cluster", BY_NAME[name]
        help_ = f"write `{option} = {amount}`" if option else "leave it out: the plan counts it"
        yield Complaint("E402", text, "not a custom resource", help_, "resources")
    elif isinstance(amount, bool | str) or not 0 < amount < math.inf:
        text = f"the resource `{name}` needs a number above 0"
        yield Complaint("E402", text, "not an amount", f"write `[{name}: 1]`", "resources")


@step(
    needs=Capability.TEXT,
    hidden=("draw", "max_length"),
    set_by_rules=("max_length",),
    streams=True,
    absorbs="model",
    alone=True,
    per_query=(*PER_QUERY, "prefix"),
)
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
    repetition_penalty: RepetitionPenalty | None = None,
    presence_penalty: TokenPenalty | None = None,
    frequency_penalty: TokenPenalty | None = None,
    logit_bias: LogitBias | None = None,
    min_tokens: MinTokens | None = None,
    schema: MaybeFile = None,
    max_length: Count | None = None,
    draw: int = 0,  # noqa: ARG001 - makes separate occurrences of sampled work separate nodes
    ask: Asker,
) -> Text:
    """Let a model answer the query.

    A temperature of 0 is greedy. `repetition_penalty` divides the positive logits of all tokens of
    prompt and answer, and multiplies the negative ones (arXiv:1909.05858). `presence_penalty` is
    subtracted from the logits of tokens that are in the answer, `frequency_penalty` once for each
    time that they are in it. `logit_bias` is added: `[[262, -100], [" cat", 2.5]]` names tokens by
    id, or by a text that is exactly one token. With `min_tokens` an answer does not end before it
    has that many tokens. In a fuse, these options change the logits of each member, in its own
    tokens, before the fuse. An option that is `none` has the value of the model's declaration.
    `schema` is a file with a JSON Schema: a server holds the answer to it, and one that does not
    follow it counts as failed.
    `draw` numbers the occurrences in the recipe: sampled answers are drawn once for each
    occurrence, greedy answers are the same everywhere.
    """
    processing = Processing(
        repetition_penalty, presence_penalty, frequency_penalty, logit_bias, min_tokens
    )
    sampling = Sampling(
        temperature, top_p, top_k, min_p, max_tokens, stop,
        processing=processing, max_length=max_length, schema=_schema_in(schema),
    )  # fmt: skip
    return await ask.generate(model, query, _seeded(sampling, ask))


@step(
    paper="arXiv:2203.11171",
    needs=Capability.TEXT,
    hidden=("draw", "only", "max_length"),
    set_by_rules=("only", "max_length"),
    alone=True,
    in_turn=True,
    per_query=PER_QUERY,
)
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
    repetition_penalty: RepetitionPenalty | None = None,
    presence_penalty: TokenPenalty | None = None,
    frequency_penalty: TokenPenalty | None = None,
    logit_bias: LogitBias | None = None,
    min_tokens: MinTokens | None = None,
    schema: MaybeFile = None,
    max_length: Count | None = None,
    min: Quorum = "most",  # noqa: A002 - the word of the language
    draw: int = 0,  # noqa: ARG001 - as in `generate`
    only: Whole = 0,
    ask: Asker,
) -> Candidates:
    """Draw several answers of one model, as self-consistency does.

    The options are those of `generate`; penalties and biases change the logits of each model. If
    draws fail, the others are used, as long as they are more than half, or at least `min`. A vote
    that stops early draws them one by one: `only` is the place of the draw, from 1, whose seed is
    the same as if all were drawn.
    """
    processing = Processing(
        repetition_penalty, presence_penalty, frequency_penalty, logit_bias, min_tokens
    )
    sampling = Sampling(
        temperature, top_p, top_k, min_p, max_tokens, stop,
        processing=processing, max_length=max_length, schema=_schema_in(schema),
    )  # fmt: skip
    drawn = [(name, _seeded(sampling, ask)) for name in unique(model.name for _ in range(n))]
    if only:
        drawn = [drawn[only - 1]]
    names = [name for name, _ in drawn]
    requests = [ask.generate(model, query, seeded) for _, seeded in drawn]
    answers = await attempts(zip(names, requests, strict=True), min)
    return gather_answers(query, names, answers, ask)


def gather_answers(
    query: Query, names: Sequence[str], attempts_: Sequence[Text | MissingAnswer], ask: Asker
) -> Candidates:
    """Return the answers of those that answered, under their names."""
    failed = tuple(attempt for attempt in attempts_ if isinstance(attempt, MissingAnswer))
    ask.note(**failure_notes(failed))
    pairs = [
        (n, attempt)
        for n, attempt in zip(names, attempts_, strict=True)
        if isinstance(attempt, Text)
    ]
    answered, texts = tuple(name for name, _ in pairs), tuple(text for _, text in pairs)
    return Candidates(query, texts, answered, failed)


@generate.check
@sample.check
def the_system_text_is_read(site: Site) -> Iterator[Complaint]:
    """What `prompt` lets the system say reaches the models that it is asked of."""
    if not getattr(site.inputs[0].options, "system", None):
        return
    for leaf in (leaf for model in site.models for leaf in model.leaves):
        if "system" in leaf.losses:
            text = f"the chat template of `{leaf.name}` leaves out the system message"
            help_ = (
                "write `fold_system = true` in the declaration of the model, or put the text "
                "into the template of the prompt"
            )
            yield Complaint("E409", text, "loses the system message", help_)


PROCESSED = (
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "min_tokens",
)
"""The options that change logits, so that the model must be one that honours them."""


@generate.check
@sample.check
def its_models_honour_what_is_asked(site: Site) -> Iterator[Complaint]:
    """A client may not know of penalties, and what is no number of tokens cannot be the least."""
    for option in (name for name in PROCESSED if site.get(name) is not None):
        for leaf in site.leaves_asked:
            if not _can_honour(leaf, option, site.leaves_drawn):
                yield Complaint(
                    "E407",
                    f"`{leaf.name}` does not support `{option}`, because it does not run on this "
                    "machine",
                    "not supported by this model",
                    f"give the option only to models that run on this machine: `M({option} = ...)`",
                    option,
                    ((leaf, "declared here"),),
                )
    least, most = site.get("min_tokens"), site.get("max_tokens")
    if least is not None and least > most:
        text = f"`min_tokens` ({least}) must not be more than `max_tokens` ({most})"
        yield Complaint(
            "E402", text, "too many", "raise `max_tokens`, or lower `min_tokens`", "min_tokens"
        )


def _can_honour(leaf: Site, option: str, drawn: Sequence[Site]) -> bool:
    """Whether an option changes what a model writes; repetitions divide logits."""
    if leaf in drawn:
        return leaf.local or option != "repetition_penalty"
    return option in leaf.honours | leaf.ignores


@generate.check
@sample.check
def its_options_have_an_effect(site: Site) -> Iterator[Complaint]:
    """A server that does not know an option would draw as if it were not there."""
    drawn = site.leaves_drawn
    for leaf in (leaf for leaf in site.leaves_asked if leaf not in drawn):
        for option in (name for name in sorted(leaf.ignores) if site.get(name)):
            yield Complaint(
                "E407",
                f"`{leaf.name}` does not support `{option}`: its server was not found to heed it",
                "not supported by this model",
                "leave the option out, or state the ability where the model is declared",
                option,
                ((leaf, "declared here"),),
            )


@generate.check
@sample.check
def its_bias_means_tokens_of_every_model(site: Site) -> Iterator[Complaint]:
    """An id means one token in one vocabulary; a text must be one token wherever it is read."""
    bias = site.get("logit_bias") or ()
    leaves = [leaf for leaf in site.leaves_asked if "logit_bias" in leaf.honours]
    vocabularies = {leaf.vocabulary for leaf in leaves}
    ids = [token for token, _ in bias if isinstance(token, int)]
    if ids and len(vocabularies - {None}) > 1:
        yield Complaint(
            "E407",
            f"the id {ids[0]} names a different token in each of {_listed(leaves)}",
            "names different tokens",
            "name tokens by their text, or give each model its own bias: `model M = hf(..., "
            "logit_bias = [...])`",
            "logit_bias",
            tuple((leaf, "declared here") for leaf in leaves),
        )
        return
    for leaf in leaves:
        problem = leaf.unbiased(bias)
        if problem is not None:
            notes = ((leaf, "declared here"),)
            yield Complaint(
                problem.code,
                problem.message,
                "no such token",
                problem.help,
                "logit_bias",
                notes,
            )
            return


def _listed(leaves: list[Site]) -> str:
    return ", ".join(f"`{leaf.name}`" for leaf in leaves)


@generate.check
@sample.check
def its_answers_can_follow_the_schema(site: Site) -> Iterator[Complaint]:
    """There is a schema, in a file or itself, and whoever answers can be held to it."""
    schema = site.get("schema")
    if schema is None:
        return
    from composer.methods.json_schema import schema_text

    try:
        schema_text(schema)
    except ValueError as error:
        code = "E402" if find_spec("jsonschema") else "E510"
        yield Complaint(code, str(error), "cannot be used", about="schema")
    for leaf in site.leaves_asked:
        if "schema" not in leaf.honours:
            yield Complaint(
                "E407",
                f"`{leaf.name}` does not support `schema`: what it writes cannot be restricted to "
                "a JSON Schema here",
                "not supported by this model",
                "give the option to a model behind a server that supports it; or ask for JSON in a "
                "`prompt`, and read the answer with `extract`",
                "schema",
                ((leaf, "declared here"),),
            )


@sample.counts
def as_many_as_are_drawn(site: Site) -> int:
    """The draws."""
    return int(site.get("n")) if not site.get("only") else 1


def _seeded(sampling: Sampling, ask: Asker) -> Sampling:
    """Give each draw a seed of its own; greedy work has none, so that it can be shared."""
    return replace(sampling, seed=ask.rng.getrandbits(62)) if sampling.temperature else sampling


def _schema_in(file: str | AnswerSchema | None) -> AnswerSchema | None:
    """Read what answers must follow, as it is now, unless it is here."""
    if not isinstance(file, str):
        return file
    from composer.methods.json_schema import answer_schema

    return answer_schema(file)
