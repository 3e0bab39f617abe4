"""Short forms for tests that ask the engine itself: models, fuses, parts and requests."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from composer.backends.fake import Fake
from composer.backends.hf import HF
from composer.methods import MeanLogprob, Template, Words, parts
from composer.methods.draft.sharpened import Sharpened
from composer.specs import Declared, Local, WeightedFuse, Weights, bare
from composer.specs import Prompted as PromptedModel
from composer.specs import SpanFuse as SpanFuseModel
from composer.specs import TokenFuse as TokenFuseModel
from composer.values import Fitted, Generate, Query, Sampling, ScoreTexts, State


def checkpoint(name, folder, **options):
    """Declare the model of a folder."""
    return Declared(name, HF(path=str(folder), **options))


class Stored(Local):
    """Weights of which only their names are known."""

    name: ClassVar[str] = "stored"

    key: str
    location: str
    dtype: str = "auto"
    device: str = "auto"

    @property
    def weights(self):
        return Weights(self.key, self.location, dtype=self.dtype, device=self.device)

    def card(self):
        raise NotImplementedError


def stored(key, name, location, **options):
    """Declare a model by the names of its weights."""
    return Declared(name, Stored(key=key, location=location, **options))


@dataclass(frozen=True)
class FittedState:
    """A fitted state that is loaded when a part asks for it."""

    digest: str
    load: Callable[[], State]


def aligning(name):
    """Return a function that prepares an alignment for members on a device."""
    return lambda members, device, **options: Part(f"align.{name}", options).prepare(
        members, device
    )


def weighing(name):
    """Return a function that prepares the weights of members."""
    return lambda members, **options: Part(f"weigh.{name}", options).prepare(members).weights


def Part(path, options=()):  # noqa: N802 - stands for the classes of parts
    """Return a part by its kind and name, such as `weigh.entropy`, with unchecked options."""
    kind, name = path.split(".")
    part = Sharpened if name == "sharpened" else parts()[kind][name]
    given = dict(options)
    taught = given.pop("taught", None)
    value = part.model_construct(**given)
    if taught is None:
        return value
    return value.bound(Fitted((), 0, lambda: {"state": taught.load()}, digest=taught.digest))


MEAN = Part("combine.mean")
LOGS = Part("combine.logs")
SHARED = Part("align.shared")
UNION = Part("align.union")


def SpanFuse(members, names, weights=None, words=1, **options):  # noqa: N802
    """Return a span fuse, by default of words that are scored by their mean log-probability."""
    options = {"span": Words(n=words), "score": MeanLogprob(), **options}
    return SpanFuseModel(members, names, weights, **options)


def TokenFuse(members, names, weights=None, *given, prior=None, **options):  # noqa: N802
    """Return a token fuse, by default a mean over a union; `prior` weighs by the prompt."""
    placed = dict(zip(("combine", "normalize"), given, strict=False))
    options = {"combine": MEAN, "align": UNION, **placed, **options}
    if prior is not None:
        options["weigh"] = prior
    return TokenFuseModel(members, names, weights, **options)


def Prompted(model, place):  # noqa: N802
    """Let a member read another of the texts that are asked, by its place."""
    return PromptedModel(model, Template(text=f"{{{{ fields.text{place} }}}}"))


def reweighed(model, weights):
    """Return a model whose outermost fuse has other weights."""
    if weights is None:
        return model
    if isinstance(model, PromptedModel):
        return replace(model, model=reweighed(model.model, weights))
    assert isinstance(bare(model), WeightedFuse)
    return replace(model, weights=tuple(weights))


def asking(prompts):
    """Return the query of the first prompt, with the texts of the others as fields."""
    first, *others = prompts
    query = Query(tuple(first))
    fields = {f"text{n}": other[-1][1] for n, other in enumerate(others, 1)}
    return replace(query, fields=fields)


def Job(model, prompts, sampling=None, weights=None, prefix=""):  # noqa: N802
    """Return the request of one answer."""
    how = sampling or Sampling()
    return Generate(reweighed(model, weights), asking(prompts), how, prefix)


def ask_score(engine, model, prompts, text, *, weights=None, end=False):  # noqa: PLR0913
    """Ask for the score of a text after prompts, or, without any, of a text alone."""
    query = None if prompts is None else asking(prompts)
    return engine.score(ScoreTexts(reweighed(model, weights), query, (text,)), text, end=end)


def ask_prompt_score(engine, model, prompt):
    """Ask for the score of a prompt's own tokens."""
    return engine.perplexity(ScoreTexts(model, asking((prompt,)), None))


def ask_members(engine, model, prompts, text, **options):
    """Ask what each member says of an answer."""
    return engine.teacher_force(model, asking(prompts), text, **options)


def opened(declaration):
    """Open the client of a model that is called A."""
    return asyncio.run(declaration.open("A"))


async def drawn(client, query, sampling=None):
    """Draw one answer of a client; with what it took."""
    how = sampling or Sampling()
    asked = Generate(Declared("A", Fake()), query, how, seeds=(how.seed,))
    (made,) = (await client.generate(asked)).draws
    return made, made.usage["A"]
