"""The card of a built checkpoint: what it was made of, for people and for hubs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.diagnostics.caches import PACKAGE_VERSION
from composer.specs.derived import Derived

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["readme"]

DIGITS = 16


def readme(model: Derived, recipe: str, digests: Sequence[str]) -> str:
    """Return the text of README.md, with the digests of the donors' files.

    Donors on a hub are named as hubs want it; the folders of others are not told.
    """
    return "\n".join(_lines(model, recipe, digests)) + "\n"


def _lines(model: Derived, recipe: str, digests: Sequence[str]) -> Iterator[str]:
    declared = [each.weights for each in model.sources if not isinstance(each, Derived)]
    public = [weights.location for weights in declared if not weights.local]
    yield from ("---", "library_name: transformers", f"tags: [{model.word}]")
    if len(public) == len(model.sources):
        yield from ("base_model:", *(f"- {each}" for each in public))
    yield from ("---", "", f"# {model.name}", "")
    yield f"Built by composer {PACKAGE_VERSION} from the recipe `{recipe}`:"
    yield from ("", f"    {model.formula(model.labels)}", "")
    yield from ("| donor | SHA-256 of its files |", "|---|---|")
    for name, digest in zip(model.labels, digests, strict=False):
        yield f"| {name} | `{digest[:DIGITS]}` |"
    yield from ("", "Load it with transformers: `AutoModelForCausalLM.from_pretrained(FOLDER)`.")
