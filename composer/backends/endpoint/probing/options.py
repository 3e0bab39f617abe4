"""Which options of sampling have an effect: an extreme value must change the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.backends.endpoint.probing.answers import stop_of
from composer.values.gather import side_by_side

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from composer.backends.endpoint.probing.answers import AnswerProbe
    from composer.values import JSON

__all__ = ["OptionProbe"]

SOME_ID = "300"
"""A token that every vocabulary has, and that nobody would write again and again."""


@dataclass(frozen=True, slots=True)
class OptionProbe:
    """Questions about options, put as answers are asked for."""

    answers: AnswerProbe

    async def find(self) -> dict[str, int | None]:
        """Ask all questions side by side; return the abilities by name."""
        questions: dict[str, Awaitable[bool | None]] = {
            "logit_bias": self._changes(logit_bias={SOME_ID: 100}),
            "repetition_penalty": self._changes(repetition_penalty=0.01),
            "repeat_penalty": self._changes(repeat_penalty=0.01),
            "penalties": self._penalties(),
            "min_tokens": self._min_tokens(),
            "top_k": self._narrows("top_k"),
            "min_p": self._narrows("min_p"),
        }
        values = await side_by_side(questions.values())
        return dict(zip(questions, values, strict=True))

    async def _text(self, options: Mapping[str, JSON]) -> str | None:
        """Return the text of an answer, None where it is refused."""
        return next(iter(await self.answers.texts(options)), None)

    async def _changes(self, **options: JSON) -> bool | None:
        """Whether a greedy answer is another one with these options."""
        text = await self._text(options)
        if text is None or text == self.answers.text:
            return False
        return self.answers.steady or None

    async def _penalties(self) -> bool | None:
        """One far below 0 repeats what was written, or is refused where a small one is not."""
        text = await self._text({"presence_penalty": -100})
        if text is not None:
            return text != self.answers.text and (self.answers.steady or None)
        return await self._text({"presence_penalty": 1, "frequency_penalty": 1}) is not None

    async def _min_tokens(self) -> bool | None:
        """No stop string ends an answer that is too short yet; and no more than all can be had."""
        place, plain = stop_of(self.answers.text), self.answers.text
        stop: list[JSON] = [] if place is None else [place[1]]
        if stop and await self._text({"stop": stop}) != plain:
            text = await self._text({"min_tokens": 8, "stop": stop})
            if text == plain:
                return True
        too_many, few = await side_by_side(
            (self._text({"min_tokens": 9}), self._text({"min_tokens": 1}))
        )
        return too_many is None and few is not None

    async def _narrows(self, option: str) -> bool | None:
        """Whether all draws are the greedy answer, as they are from the likeliest token alone."""
        texts, greedy = await self.answers.draws([{option: 1}] * 2), {self.answers.open_text}
        if {*texts} != greedy:
            return False
        return True if {*self.answers.drawn} != greedy else None
