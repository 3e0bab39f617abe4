"""Encoders that a fit used: a fit belongs to their weights, which come with other packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.compiler.fits.manifest import ManifestEntry

ENCODER = "encoder"
"""The name of the digest of an encoder's weights, in the options and the facts of a part."""


def other_weights(entry: ManifestEntry, now: dict[str, object]) -> str | None:
    """Say which encoder has other weights now than in the fit; None where none has."""
    for name, digest in _differences(entry.part, now):
        source = next(_sources(entry.facts, digest), "other weights")
        return f"`{name}` was fitted with {source}, and its weights are different now"
    return None


def _differences(then: object, now: object) -> Iterator[tuple[object, object]]:
    """Yield each encoder whose weights differ, with the digest that they had."""
    if isinstance(then, dict) and isinstance(now, dict) and then.get("name") == now.get("name"):
        if then.get(ENCODER) != now.get(ENCODER):
            yield now["name"], then.get(ENCODER)
        for option in now:
            yield from _differences(then.get(option), now[option])
    elif isinstance(then, list) and isinstance(now, list):
        for before, after in zip(then, now, strict=False):
            yield from _differences(before, after)


def _sources(facts: object, digest: object) -> Iterator[object]:
    """Yield where the weights with a digest came from, as the facts of a fit say."""
    if isinstance(facts, dict):
        if facts.get(ENCODER) == digest and "source" in facts:
            yield facts["source"]
        for inner in facts.values():
            yield from _sources(inner, digest)
