"""What a server gives of tokens: the likeliest and chosen ones, ids, several prompts, echo."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.backends.endpoint.probing.answers import TEXT
from composer.backends.endpoint.probing.replies import (
    ID_MARK,
    choices,
    likely,
    scores,
    text_of,
    tokens,
)
from composer.backends.endpoint.probing.requests import largest
from composer.values.gather import side_by_side

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from composer.backends.endpoint.probing.requests import Prober
    from composer.values import JSON

    Encode = Callable[[str], Awaitable[list[list[int]]]]

__all__ = ["TokenProbe"]

OTHER = "The sky is blue and the grass is"

TOPS = (1024, 512, 256, 128, 100, 64, 50, 32, 20, 16, 10, 5, 2, 1)
CHOSEN = (1024, 512, 256, 128, 64, 32, 20, 16, 8, 4)
PROMPTS = (64, 16, 8, 4, 2)
"""How many tokens, chosen ids and prompts are tried."""

SEVERAL = 3
"""More tokens at one place than come where one is asked for: the likeliest, and the written one."""

FIRST_ID = 5
"""Ids below are often those of special tokens, which some servers leave out."""

COMPARED, NEAR = 5, 0.1
"""How many of the likeliest tokens are compared, and how far apart (nats) equal ones may be: the
numbers of one text differ a little from request to request."""


@dataclass(slots=True)
class TokenProbe:
    """Questions about next tokens; `encode` gives a text's ids, if they can be known.

    `compare` is told the tokens of a text that the server repeated. `vocabulary` is how many tokens
    there are, where that is known. Asking finds `options`, with which tokens are named by ids, and
    `shown`, which give what answers are compared by.
    """

    prober: Prober
    encode: Encode
    compare: Callable[[str, Sequence[str]], None]
    vocabulary: int | None = None
    options: dict[str, JSON] = field(default_factory=dict)
    shown: dict[str, JSON] = field(default_factory=dict)

    async def find(self) -> dict[str, int | None]:
        """Ask all questions; return the abilities by name, None for what cannot be known."""
        plain = await self._next(TEXT, logprobs=1)
        has_top = plain is not None and bool(likely(plain))
        named = plain is not None and has_top and await self._is_named(plain)
        top = await self._top() if has_top else 0
        self.shown = {"logprobs": min(top, COMPARED)} if top else {"max_tokens": 4}
        plain = await self._next(TEXT, **self.shown)
        if plain is None:
            return {"top": top, "ids": named}
        chosen = await self._chosen(named=named)  # alone: vLLM mixes it up with others
        by_prompt, by_echo = await side_by_side((self._prompts(plain), self._echoes(plain)))
        return {"top": top, "ids": named, **by_prompt, **by_echo, **chosen}

    async def _next(self, prompt: JSON, **options: JSON) -> Mapping[str, JSON] | None:
        """Return the one answer to a prompt, which is one token."""
        reply = await self.prober.complete(prompt, **{"max_tokens": 1, **options})
        return next(iter(choices(reply)), None)

    async def _is_named(self, plain: Mapping[str, JSON]) -> bool:
        """Whether tokens are named by ids, always or where that is asked for."""
        if _has_ids(plain):
            return True
        options: dict[str, JSON] = {"return_tokens_as_token_ids": True}
        reply = await self._next(TEXT, logprobs=1, **options)
        if reply is None or not _has_ids(reply):
            return False
        self.options = options
        return True

    async def _top(self) -> int:
        async def given(count: int) -> int:
            reply = await self._next(TEXT, logprobs=count, **self.options)
            places = [] if reply is None else likely(reply)
            return min(count, len(places[0])) if places else 0

        return await largest(TOPS, given)

    async def _chosen(self, *, named: bool) -> dict[str, int | None]:
        """Ask for ids that are not the likeliest, a few and then many."""
        numbers = range(FIRST_ID, self.vocabulary or FIRST_ID + CHOSEN[0])

        async def given(count: int) -> int:
            ids: list[JSON] = [*numbers[:count]]
            reply = await self._next(TEXT, logprobs=1, logprob_token_ids=ids, **self.options)
            names = {*likely(reply)[0]} if reply is not None and likely(reply) else set()
            wanted = {f"{ID_MARK}{number}" for number in ids}
            return count if (wanted <= names if named else len(names) >= SEVERAL) else 0

        few = await given(CHOSEN[-1]) if self.shown.get("logprobs") else 0
        more = [count for count in CHOSEN[:-1] if count <= len(numbers)] if few else []
        return {"chosen": await largest(more, given) or few}

    async def _prompts(self, plain: Mapping[str, JSON]) -> dict[str, int | None]:
        """Ask with ids in place of the text, and with several prompts of which the last differs."""
        candidates, others = await side_by_side((self.encode(TEXT), self.encode(OTHER)))
        last: JSON = TEXT
        first: JSON = OTHER
        for ids, other_ids in zip(candidates, others, strict=False):
            by_ids = await self._next([*ids], **self.shown)
            if by_ids is not None and _is_same(by_ids, plain):
                last, first = [*ids], [*other_ids]
                break
        has_ids = last != TEXT
        other = await self._next(first, **self.shown)
        is_other = other is not None and not _is_same(other, plain)

        async def given(count: int) -> int:
            prompts: list[JSON] = [*[first] * (count - 1), last]
            reply = await self.prober.complete(prompts, **{"max_tokens": 1, **self.shown})
            answers, expected = choices(reply), [*[other or {}] * (count - 1), plain]
            same = len(answers) == count and all(map(_is_same, answers, expected))
            return count if same else 0

        return {
            "prompt_ids": has_ids if candidates else None,
            "prompts": await largest(PROMPTS, given) or 1 if is_other else None,
        }

    async def _echoes(self, plain: Mapping[str, JSON]) -> dict[str, int | None]:
        """Ask for the prompt's own tokens, with one new one and with none.

        Some servers write on without end where no token is asked for: a stop string ends them.
        """
        echoed = await self._next(TEXT, echo=True, logprobs=1)
        if echoed is None or not _is_scored(echoed):
            return {"echo": False, "echo_only": False}
        self.compare(TEXT, tokens(echoed))
        begins: list[JSON] = [*text_of(plain).strip()[:1]]
        if not begins:
            return {"echo": True, "echo_only": None}
        options: dict[str, JSON] = {"max_tokens": 0, "echo": True, "logprobs": 1, "stop": begins}
        alone = next(iter(choices(await self.prober.complete(TEXT, **options))), None)
        if alone is None and await self._next(TEXT, stop=begins) is None:
            return {"echo": True, "echo_only": None}
        is_alone = (
            alone is not None
            and text_of(alone).strip() == TEXT
            and _is_scored(alone)
            and len(scores(alone)) < len(scores(echoed))
        )
        return {"echo": True, "echo_only": is_alone}


def _has_ids(choice: Mapping[str, JSON]) -> bool:
    names = [name for place in likely(choice) for name in place]
    return bool(names) and all(name.startswith(ID_MARK) for name in names)


def _is_scored(choice: Mapping[str, JSON]) -> bool:
    """Whether the prompt is repeated, and each token but the first one has a log-probability."""
    values = scores(choice)
    repeated = text_of(choice).lstrip().startswith(TEXT)
    return repeated and len(values) > len((1, 2)) and None not in values[1:]


def _is_same(one: Mapping[str, JSON], two: Mapping[str, JSON]) -> bool:
    """Whether two answers are to one prompt: by their likeliest tokens, else by their texts."""
    places = [likely(choice) for choice in (one, two)]
    if not all(places):
        return text_of(one) == text_of(two)
    first, second = (place[0] for place in places)
    common = first.keys() & second.keys()
    near = all(abs(first[name] - second[name]) < NEAR for name in common)
    return near and 2 * len(common) >= max(len(first), len(second))
