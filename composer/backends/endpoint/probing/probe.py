"""What a server really gives, found by tiny requests and told by its replies.

A server that answers with status 200 and ignores an option is common: no status is believed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from composer.backends.endpoint.abilities import Abilities
from composer.backends.endpoint.faults import AttemptError
from composer.backends.endpoint.options import OFFICIAL
from composer.backends.endpoint.probing.answers import COUNT, TEXT, AnswerProbe
from composer.backends.endpoint.probing.options import OptionProbe
from composer.backends.endpoint.probing.replies import choices, is_counted
from composer.backends.endpoint.probing.requests import CHAT, COMPLETIONS, MOST, Prober
from composer.backends.endpoint.probing.tokens import TokenProbe
from composer.values.gather import side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from composer.backends.endpoint.probing.requests import Server
    from composer.values import JSON

__all__ = ["NoAnswerError", "ProbeReport", "TextTokenizer", "probe"]

CONTEXTS = ("max_model_len", "context_length", "context_window", "n_ctx", "n_ctx_train")
"""How servers call the number of tokens that a model reads, in their lists of models."""


class NoAnswerError(Exception):
    """A server answers neither a chat nor a completion; `models` are those that it lists, if any.

    `failure` says what it does instead.
    """

    def __init__(self, failure: AttemptError, models: list[str] | None) -> None:
        super().__init__(failure.message)
        self.failure, self.models = failure, models


@dataclass(frozen=True, slots=True)
class TextTokenizer:
    """A tokenizer: what gives a text's ids, with or without special ones, and how many it has.

    `decode` gives the text of one id.
    """

    encode: Callable[[str, bool], Sequence[int]]
    decode: Callable[[int], str]
    size: int


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What a probe found: abilities, `unknown` ones by name, and how many requests that took.

    `server` is the server's own version, empty if it tells none. `other_tokenizer` says that the
    server cuts a text into other tokens than the tokenizer of the recipe does.
    """

    abilities: Abilities
    unknown: tuple[str, ...]
    requests: int
    server: str = ""
    other_tokenizer: bool = False


async def probe(
    transport: Server,
    model: str,
    *,
    address: str,
    by_chat: bool | None = None,
    tokenizer: TextTokenizer | None = None,
) -> ProbeReport:
    """Find what a model of the server at an address gives.

    `by_chat` says how answers are asked for, None as a chat where there is one. `tokenizer` is
    that of the recipe, used where the server does not tell how it reads a text. Raises AttemptError
    for an outage, and NoAnswerError.
    """
    limit = "max_completion_tokens" if address == OFFICIAL else "max_tokens"
    prober, root = Prober(transport, model, limit), address.removesuffix("/v1")
    listed, version, chat, completion = await side_by_side(
        (
            prober.read("/models"),
            prober.read(f"{root}/version"),
            prober.chat(COUNT),
            prober.complete(TEXT),
        )
    )
    has_chat, has_completions = bool(choices(chat)), bool(choices(completion))
    if not has_chat and not has_completions:
        raise _no_answer(prober, listed)
    path = CHAT if has_chat and by_chat is not False else COMPLETIONS
    plain = (chat if path == CHAT else completion) or {}
    answers = await AnswerProbe.of(prober, path, plain)
    questions = [answers.find(), OptionProbe(answers).find(), _embeds(prober)]
    reading = Reading(prober, root, tokenizer)
    if has_completions:
        size = None if tokenizer is None else tokenizer.size
        questions.append(TokenProbe(prober, reading.ids, reading.compare, size).find())
    values: dict[str, int | None] = {"chat": has_chat, "completions": has_completions}
    values["usage"] = is_counted(plain, MOST)
    for part in await side_by_side(questions):
        values |= part
    values["context"] = _context(listed, model)
    known = {name: value for name, value in values.items() if value is not None}
    return ProbeReport(
        Abilities(**(asdict(Abilities()) | known)),
        tuple(name for name, value in values.items() if value is None),
        prober.requests,
        _version(version, plain),
        reading.differs,
    )


@dataclass(slots=True)
class Reading:
    """Which ids a text may have; `differs` once the server's are not those of the tokenizer."""

    prober: Prober
    root: str
    tokenizer: TextTokenizer | None
    differs: bool = False

    async def ids(self, text: str) -> list[list[int]]:
        """Return the ids that may be those of a text, in the server's view first."""
        bodies: list[dict[str, JSON]] = [
            {"model": self.prober.model, "prompt": text},  # as vLLM wants it
            {"content": text, "add_special": True},  # as llama.cpp does
        ]
        listed: list[JSON] = []
        for body in bodies:
            tokens = (await self.prober.send(f"{self.root}/tokenize", body) or {}).get("tokens")
            if isinstance(tokens, list) and tokens:
                listed = tokens
                break
        candidates = [[each for each in listed if isinstance(each, int)]]
        if self.tokenizer is not None:
            candidates += [[*self.tokenizer.encode(text, special)] for special in (True, False)]
            if candidates[0]:
                self.differs |= not _is_within(candidates[-1][1:], candidates[0])
        return [each for each in candidates if each]

    def compare(self, text: str, tokens: Sequence[str]) -> None:
        """Hold the tokens of a text that a server repeated against the tokenizer's own."""
        if self.tokenizer is None or text not in "".join(tokens):
            return
        own = [self.tokenizer.decode(each).strip() for each in self.tokenizer.encode(text, False)]  # noqa: FBT003
        self.differs |= not _is_within(own[1:], [token.strip() for token in tokens])


def _is_within(part: Sequence[object], tokens: Sequence[object]) -> bool:
    """Whether tokens hold a part: special ones may stand around it, and its first may differ."""
    starts = range(len(tokens) - len(part) + 1)
    return any(list(tokens[at : at + len(part)]) == list(part) for at in starts)


async def _embeds(prober: Prober) -> dict[str, int | None]:
    """Whether a text becomes a vector."""
    reply = await prober.send("/embeddings", {"model": prober.model, "input": [TEXT]})
    data = (reply or {}).get("data")
    first = data[0] if isinstance(data, list) and data else None
    vector = first.get("embedding") if isinstance(first, dict) else None
    return {"embeddings": isinstance(vector, list) and bool(vector)}


def _entries(listed: Mapping[str, JSON] | None) -> dict[str, dict[str, JSON]]:
    """The models that a server lists, by their ids."""
    data = (listed or {}).get("data")
    entries = [each for each in data if isinstance(each, dict)] if isinstance(data, list) else []
    return {str(each.get("id")): each for each in entries}


def _context(listed: Mapping[str, JSON] | None, model: str) -> int:
    """How many tokens a model reads, 0 where the list of models does not say it."""
    entry = _entries(listed).get(model, {})
    meta = entry.get("meta")
    facts = {**(meta if isinstance(meta, dict) else {}), **entry}
    counts = (facts.get(name) for name in CONTEXTS)
    return next((each for each in counts if isinstance(each, int) and each > 0), 0)


def _version(version: Mapping[str, JSON] | None, plain: Mapping[str, JSON]) -> str:
    """The version that a server tells, by itself or with its answers."""
    told = (version or {}).get("version"), plain.get("system_fingerprint")
    return next((each for each in told if isinstance(each, str) and each), "")


def _no_answer(prober: Prober, listed: Mapping[str, JSON] | None) -> NoAnswerError:
    names = None if listed is None else list(_entries(listed))
    refusal = prober.refusals.get(CHAT) or prober.refusals.get(COMPLETIONS)
    return NoAnswerError(refusal or AttemptError("its replies hold no answers"), names)
