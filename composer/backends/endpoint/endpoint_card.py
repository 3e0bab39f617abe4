"""The card of a model behind a server: what its server gives as abilities of a model, and why not.

What nobody knows yet is presumed to be there.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from composer.backends.endpoint.abilities import Abilities
from composer.backends.endpoint.probing.kept_abilities import findings_of
from composer.checkpoints.fingerprint import fingerprint
from composer.specs.declaration import ServerFacts
from composer.values.capability import Capability
from composer.values.card import Card, lacking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.backends.endpoint.options import EndpointOptions
    from composer.backends.endpoint.probing.kept_abilities import AbilityRecord

__all__ = ["PRESUMED", "abilities_of", "card_of", "servers_of"]

PRESUMED = Abilities(
    chat=True,
    completions=True,
    logprobs=True,
    top=1,
    prompt_ids=True,
    echo=True,
    continues=True,
    embeddings=True,
    penalties=True,
    logit_bias=True,
    top_k=True,
    min_p=True,
    min_tokens=True,
    repetition_penalty=True,
    schema=True,
)
"""What is taken for granted of a server until it has been asked: what it lacks, a run finds."""

LACKS = {
    "chat": "has no `/chat/completions`",
    "completions": "has no `/completions`",
    "logprobs": "ignores or refuses `logprobs`",
    "top": "ignores or refuses `logprobs`",
    "echo": "ignores or refuses `echo` with `logprobs`",
    "continues": "ignores or refuses `continue_final_message`",
    "embeddings": "has no `/embeddings`",
}
"""What a server does that lacks an ability."""

NAME_TOKENIZER = (
    'without its tokenizer, prompts cannot be written here: write `tokenizer = "FOLDER"`, or the '
    "id of a model on a hub"
)


def abilities_of(options: EndpointOptions) -> Abilities | None:
    """Return what is known of the servers of a model; None before one has been asked."""
    if not options.probe:
        chat = options.api != "completions"
        return options.stated(Abilities(chat=chat, completions=not chat))
    found = findings_of(options).abilities
    return None if found is None else options.stated(found)


def servers_of(options: EndpointOptions) -> tuple[ServerFacts, ...]:
    """Return what is known of each address of a model, after what the recipe states."""
    records = findings_of(options).records
    return tuple(_facts(options, url, records.get(url)) for url in options.addresses)


def _facts(options: EndpointOptions, url: str, record: AbilityRecord | None) -> ServerFacts:
    if record is None and options.probe:
        return ServerFacts(options.model, url)
    if record is None or not options.probe:
        has = abilities_of(options) or Abilities()
        lists = has.words(given=True), has.words(given=False)
        return ServerFacts(options.model, url, *lists)
    has = options.stated(record.abilities)
    unknown = tuple(name for name in record.unknown if name not in options.overrides)
    without = [has.word(name) for name in unknown]
    return ServerFacts(
        options.model,
        url,
        has.words(given=True),
        tuple(word for word in has.words(given=False) if word not in without),
        tuple(without),
        record.day,
        record.server,
        record.requests,
    )


def card_of(options: EndpointOptions) -> Card:
    """Say what a model can do; no server is asked."""
    known = abilities_of(options)
    has = known or options.stated(PRESUMED)
    lacks = _lacks(options, has)
    able = Capability(0)
    for capability, reason in lacks.items():
        able |= Capability(0) if reason else capability
    folder = options.folder
    return Card(
        able,
        "endpoint",
        context=has.context or None,
        vocabulary=None if folder is None else fingerprint(folder),
        price=options.price,
        deferred=tuple(_deferred(options, known)),
        why=MappingProxyType({**lacking("it runs behind a server", has=able), **lacks}),
    )


def _lacks(options: EndpointOptions, has: Abilities) -> dict[Capability, str]:
    """Say why a model cannot do what models behind a server may do, and what helps; else empty."""
    chat = options.by_chat(has)
    text = "chat" if chat else "completions"
    untold = NAME_TOKENIZER if options.tokenizer is None else ""

    def lack(*names: str) -> str:
        return next((_reason(options, name) for name in names if not getattr(has, name)), "")

    rendered = lack("completions") or (untold if chat else "")
    continued = lack("chat", "continues") if chat else rendered
    return {
        Capability.TEXT: lack(text),
        Capability.LOGPROBS: lack(text, "logprobs" if chat else "top"),
        Capability.SCORE: lack("completions", "echo") or rendered,
        Capability.NEXT: lack("completions", "top") or untold,
        Capability.CONTINUE: continued and rendered and "; ".join({continued: 0, rendered: 0}),
        Capability.EMBED: lack("embeddings"),
    }


def _reason(options: EndpointOptions, name: str) -> str:
    if name in options.overrides:
        return f"the recipe states that it lacks `{name}`"
    if not options.probe:
        return f"no server is asked (`probe = false`), and the recipe does not state `{name}`"
    days = [record.day for record in findings_of(options).records.values()]
    since = f" (asked on {min(days)}; `compose doctor` asks anew)" if days else ""
    return f"the server at {' or '.join(options.addresses)} {LACKS[name]}{since}"


def _deferred(options: EndpointOptions, known: Abilities | None) -> Iterator[str]:
    """Yield what cannot be checked yet."""
    damaged = findings_of(options).damaged if options.probe else ()
    if known is None and not damaged:
        where = " and ".join(options.addresses)
        yield f"has not been asked yet what its server at {where} gives"
    for path in damaged:
        yield f"must be asked anew what its server gives: `{path}`, where that is kept, is damaged"
    if options.tokenizer is not None and options.folder is None:
        yield f"has a tokenizer that is not on this machine (`{options.tokenizer}`)"
