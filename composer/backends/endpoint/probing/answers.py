"""What a server gives with its answers: several, stops, seeds, log-probabilities, JSON, usage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from composer.backends.endpoint.probing.replies import choices, scores, text_of
from composer.backends.endpoint.probing.requests import CHAT, largest
from composer.values.gather import side_by_side

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.backends.endpoint.probing.requests import Prober
    from composer.values import JSON

__all__ = ["COUNT", "TEXT", "AnswerProbe", "stop_of"]

COUNT, TEXT = "Count from one to twenty in words.", "One, two, three, four,"
"""What is asked in a chat, and what is to be gone on from elsewhere."""

OPEN, OPEN_TEXT = "Write eight random words.", "Eight random words: "
"""Prompts that have many answers."""

SEEDS: tuple[dict[str, JSON], ...] = ({"seed": 11}, {"seed": 11}, {"seed": 12}, {"seed": 12})
UNSEEDED: tuple[dict[str, JSON], ...] = ({}, {}, {})
TEMPERATURES = (2, 1)

STOPS = (16, 4, 1)
STOP_LENGTHS = (3, 2, 1)

SCHEMA: dict[str, JSON] = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}
FORMAT: dict[str, JSON] = {
    "type": "json_schema",
    "json_schema": {"name": "ok", "strict": True, "schema": SCHEMA},
}
OBJECTS = ('{"ok":true}', '{"ok":false}')
"""The answers that follow the schema, without white space."""


@dataclass(frozen=True, slots=True)
class AnswerProbe:
    """Questions about answers, in a chat or as completions.

    `text` and `open_text` are the greedy answers to the two prompts; they are `steady` if they
    come again. `drawn` has answers to the open one: by two seeds, each twice, or else by none. Each
    question returns what the server gives, None where that cannot be known.
    """

    prober: Prober
    path: str
    text: str
    open_text: str = ""
    steady: bool = True
    drawn: tuple[str, ...] = ()
    has_seeds: bool = True

    @classmethod
    async def of(cls, prober: Prober, path: str, plain: Mapping[str, JSON]) -> AnswerProbe:
        """Ask what all questions go by; `plain` is the reply to the first prompt."""
        probe = cls(prober, path, "".join(map(text_of, choices(plain))))
        again, other, drawn = await side_by_side(
            (probe.texts({}), probe.texts({}, is_open=True), probe.draws(SEEDS))
        )
        return replace(
            probe,
            open_text="".join(other),
            steady=again == (probe.text,),
            drawn=drawn or await probe.draws(UNSEEDED),
            has_seeds=bool(drawn),
        )

    async def find(self) -> dict[str, int | None]:
        """Ask all questions side by side; return the abilities by name."""
        questions = {
            "logprobs": self._logprobs(),
            "several": self._several(),
            "seeds": self._seeds(),
            "stops": self._stops(),
            "schema": self._schema(),
            "continues": self._continues(),
        }
        values = await side_by_side(questions.values())
        return dict(zip(questions, values, strict=True))

    async def ask(
        self, options: Mapping[str, JSON], *, is_open: bool = False
    ) -> Mapping[str, JSON] | None:
        """Ask for an answer to one of two prompts; the open one has many."""
        if self.path == CHAT:
            return await self.prober.chat(OPEN if is_open else COUNT, **options)
        return await self.prober.complete(OPEN_TEXT if is_open else TEXT, **options)

    async def texts(self, options: Mapping[str, JSON], *, is_open: bool = False) -> tuple[str, ...]:
        """Return the texts of the answers to a prompt, none where it is refused."""
        return tuple(map(text_of, choices(await self.ask(options, is_open=is_open))))

    async def draws(self, draws: Sequence[Mapping[str, JSON]]) -> tuple[str, ...]:
        """Return an answer for each draw by some options, none where one is refused.

        They are drawn from as flat a distribution as a server allows.
        """
        for temperature in TEMPERATURES:
            wanted = ({"temperature": temperature, **options} for options in draws)
            answers = await side_by_side(self.texts(each, is_open=True) for each in wanted)
            if all(answers):
                return tuple(map("".join, answers))
        return ()

    async def _logprobs(self) -> bool:
        """Each token has one; zeros alone are those of a greedy choice, not of the model."""
        wanted: dict[str, JSON] = {"logprobs": 1}
        if self.path == CHAT:
            wanted = {"logprobs": True, "top_logprobs": 1}
        reply = await self.ask({"temperature": 1, **wanted}, is_open=True)
        found = [score for choice in choices(reply) for score in scores(choice)]
        return None not in found and any(found)

    async def _several(self) -> bool:
        reply = await self.ask({"temperature": 1, "n": 2}, is_open=True)
        return len(choices(reply)) == len((1, 2))

    async def _seeds(self) -> bool | None:
        """Equal seeds repeat an answer, unequal ones give another."""
        if not self.has_seeds or self.drawn[0::2] != self.drawn[1::2]:
            return False
        return True if self.drawn[0] != self.drawn[2] else None

    async def _stops(self) -> int | None:
        """Ask with a stop string that the plain answer has in its middle, last of so many."""
        is_open = stop_of(self.text) is None
        text = self.open_text if is_open else self.text
        place = stop_of(text)
        if place is None:
            return None
        at, stop = place

        async def honoured(count: int) -> int:
            others: list[JSON] = [f"@{number}@" for number in range(count - 1)]
            reply = await self.ask({"stop": [*others, stop]}, is_open=is_open)
            ends = [text_of(choice).rstrip() for choice in choices(reply)]
            return count if ends == [text[:at].rstrip()] else 0

        return await largest(STOPS, honoured)

    async def _schema(self) -> bool:
        reply = await self.ask({"response_format": FORMAT})
        texts = ["".join(text_of(choice).split()) for choice in choices(reply)]
        return any(len(text) > 1 and whole.startswith(text) for text in texts for whole in OBJECTS)

    async def _continues(self) -> bool | None:
        """Give back a part of an answer, asking to go on from it, and not asking.

        Where both replies are equal, the server heeds nothing, or it always goes on: then the
        plain answer's next word must come.
        """
        if self.path != CHAT:
            return False
        words = self.text.split(" ")
        half = len(words) // 2
        begun, rest = " ".join(words[:half]).strip(), " ".join(words[half:]).split()
        begun = begun or TEXT
        options: dict[str, JSON] = {"continue_final_message": True, "add_generation_prompt": False}
        asked, unasked = await side_by_side((self._after(begun, options), self._after(begun, {})))
        if asked is None or asked != unasked:
            return asked is not None and (self.steady or None)
        return asked.strip().startswith(rest[0]) if rest and begun != TEXT else None

    async def _after(self, begun: str, options: Mapping[str, JSON]) -> str | None:
        """Return what a chat says after the beginning of its answer, None where it refuses."""
        messages: list[JSON] = [
            {"role": "user", "content": COUNT},
            {"role": "assistant", "content": begun},
        ]
        answers = choices(await self.prober.ask(CHAT, messages=messages, **options))
        return text_of(answers[0]) if answers else None


def stop_of(text: str) -> tuple[int, str] | None:
    """Return where a piece without spaces begins that is nowhere before, and the piece.

    It stands behind the first letter, past the middle if it can; None if there is no such piece.
    """
    for length in STOP_LENGTHS:
        starts = range(1, len(text) - length + 1)
        pieces = {start: text[start : start + length] for start in starts}
        whole = [at for at, piece in pieces.items() if not any(map(str.isspace, piece))]
        fits = [at for at in whole if text.index(pieces[at]) == at and text[:at].strip()]
        if fits:
            at = next((at for at in fits if at >= len(text) // 2), fits[-1])
            return at, pieces[at]
    return None
