"""`verified`: a model is asked whether the answer is right."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field

from composer.methods.signals.base import SHARE, Signal
from composer.methods.template import Template
from composer.methods.templates import TEMPLATES
from composer.specs import CapabilityByOptions
from composer.values import Asker, Candidates, Model, Query, Sampling, ScoreTexts, Text
from composer.values.capability import Capability
from composer.values.gather import side_by_side


class Verified(Signal):
    """The probability that a model says yes when it is asked whether the answer is right.

    `by` reads the `template` with the question and the answer. Without `draws` nothing is sampled:
    the probability that it gives to the reply `yes` is compared with that of `no`. With `draws` it
    replies so many times, and the value is the share of yes among the replies that say either
    (AutoMix): a reply that begins with one of the two words says that, any other the one that it
    names last. An answer that abstains is not shown, and has no value.
    """

    name: ClassVar[str] = "verified"
    paper: ClassVar[str] = "arXiv:2310.12963"
    limits: ClassVar[tuple[float, float]] = SHARE

    by: Annotated[
        Model,
        CapabilityByOptions(lambda of: Capability.TEXT if of.draws else Capability.SCORE),
    ]
    template: Template = TEMPLATES["verify"]
    yes: str = "yes"
    no: str = "no"
    draws: int = Field(default=0, ge=0)
    temperature: float = Field(default=0.7, ge=0)
    max_tokens: int = Field(default=256, ge=1)

    async def value(self, answer: Text | Candidates, ask: Asker) -> float | None:
        """Return p(yes) / (p(yes) + p(no)), None where the model says neither."""
        if isinstance(answer, Text) and answer.answer is None:
            return None
        query = self.template.query(answer)
        if self.draws:
            return self._share(await self._replies(query, ask), ask)
        yes, no = await ask.ask(ScoreTexts(self.by, query, (self.yes, self.no)))
        odds = yes.total - no.total
        return None if math.isnan(odds) else 0.5 + 0.5 * math.tanh(odds / 2)

    async def _replies(self, query: Query, ask: Asker) -> Sequence[Text]:
        sampling = Sampling(temperature=self.temperature, max_tokens=self.max_tokens)
        each = [replace(sampling, seed=ask.rng.getrandbits(62)) for _ in range(self.draws)]
        return await side_by_side(ask.generate(self.by, query, one) for one in each)

    def _share(self, replies: Sequence[Text], ask: Asker) -> float | None:
        """Return the share of yes among the replies that say yes or no."""
        verdicts = [self._says_yes(reply.text) for reply in replies]
        verdicts_read = [verdict for verdict in verdicts if verdict is not None]
        if len(verdicts_read) < len(verdicts):
            ask.note(unread_verdicts=len(verdicts) - len(verdicts_read))
        return sum(verdicts_read) / len(verdicts_read) if verdicts_read else None

    def _says_yes(self, reply: str) -> bool | None:
        yes, no = (word.strip().casefold() for word in (self.yes, self.no))
        either = re.compile(rf"(?<!\w)(?:{re.escape(yes)}|{re.escape(no)})(?!\w)")
        text = reply.casefold().lstrip(" \n\t\"'*(`")
        words = either.findall(text)
        if not words:
            return None
        return bool((words[0] if either.match(text) else words[-1]) == yes)
