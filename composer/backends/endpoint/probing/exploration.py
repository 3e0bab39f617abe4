"""Asking the servers of a model what they give, and keeping what they gave."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from composer.backends.endpoint.faults import EndpointError
from composer.backends.endpoint.probing.kept_abilities import findings_of, keys_of
from composer.backends.endpoint.probing.probe import NoAnswerError, TextTokenizer, probe
from composer.backends.endpoint.transport.outcomes import no_model, other_tokenizer, refused
from composer.backends.endpoint.transport.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from composer.backends.endpoint.options import EndpointOptions
    from composer.backends.endpoint.probing.kept_abilities import AbilityRecord, RecordKey

__all__ = ["explore"]

MISSING = 404

IDLE = 60.0
"""Seconds in which a byte of a reply to a tiny request must come."""


async def explore(
    options: EndpointOptions, name: str, *, anew: bool = False
) -> dict[str, AbilityRecord | EndpointError]:
    """Ask the addresses of which nothing is known, or all `anew`, and keep what they give.

    An address gives its record, or why it could not be asked. `name` is the recipe's for the model.
    """
    missing = options.addresses if anew else findings_of(options).missing
    keys = [key for key in keys_of(options) if key.address in missing]
    records = await asyncio.gather(*(_asked_once(options, name, key) for key in keys))
    return {key.address: record for key, record in zip(keys, records, strict=True)}


def unreached(name: str, url: str, failure: EndpointError) -> EndpointError:
    """Return the error of a server that cannot be asked at present."""
    return EndpointError(
        "E701",
        f"`{name}`: the server at {url} cannot be asked what it gives: {failure.message}",
        "start it, or correct the `url`",
        transient=True,
    )


_UNDER_WAY: WeakKeyDictionary[
    asyncio.AbstractEventLoop, dict[object, asyncio.Task[AbilityRecord | EndpointError]]
] = WeakKeyDictionary()


async def _asked_once(
    options: EndpointOptions, name: str, key: RecordKey
) -> AbilityRecord | EndpointError:
    """Ask a server that several models of a recipe name only once."""
    tasks = _UNDER_WAY.setdefault(asyncio.get_running_loop(), {})
    which = (key, options.key_variable)
    if which not in tasks:
        tasks[which] = asyncio.ensure_future(_asked(options, name, key))
        tasks[which].add_done_callback(lambda _: tasks.pop(which))
    return await asyncio.shield(tasks[which])


async def _asked(
    options: EndpointOptions, name: str, key: RecordKey
) -> AbilityRecord | EndpointError:
    alone = options.model_copy(update={"url": (key.address,), "idle": min(IDLE, options.idle)})
    variable, transport = options.key_variable, Transport(alone, name)
    try:
        report = await probe(
            transport,
            key.model,
            address=key.address,
            by_chat=None if options.api == "auto" else options.api == "chat",
            tokenizer=_tokenizer(options.folder),
        )
    except NoAnswerError as error:
        models, failure = error.models, error.failure
        if failure.status == MISSING or (models and key.model not in models):
            return no_model(name, key.address, key.model, failure, models)
        return refused(name, key.address, variable, failure)
    except EndpointError as failure:
        if failure.transient and not failure.quota:
            return unreached(name, key.address, failure)
        refusal = refused(name, key.address, variable, failure)
        refusal.transient = failure.quota  # another model may answer meanwhile
        return refusal
    finally:
        await transport.close()
    if report.other_tokenizer:
        return other_tokenizer(name, key.address, options.tokenizer)
    return key.write(report)


def _tokenizer(folder: Path | None) -> TextTokenizer | None:
    """Return the tokenizer in a folder, None without one."""
    if folder is None:
        return None
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def encode(text: str, special: bool) -> Sequence[int]:  # noqa: FBT001
        ids: list[int] = tokenizer.encode(text, add_special_tokens=special).ids
        return ids

    def decode(token: int) -> str:
        text: str = tokenizer.decode([token])
        return text

    return TextTokenizer(encode, decode, tokenizer.get_vocab_size())
