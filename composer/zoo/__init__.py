"""The zoo: tiny models that ship with the package, their cards and their items."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Literal

from composer.diagnostics import did_you_mean

MODELS = Path(__file__).parent / "models"
REWARDS = Path(__file__).parent / "rewards"
ADAPTERS = Path(__file__).parent / "adapters"
TRANSLATORS = Path(__file__).parent / "translators"
ITEMS = Path(__file__).parent / "items"


class UnknownModelError(LookupError):
    """No model of the zoo has this name."""

    def __init__(self, name: str) -> None:
        near = did_you_mean(name, [*names(), *rewards(), *adapters(), *translators()])
        super().__init__(f"no model named {name!r} in the zoo: {near}")


def names() -> list[str]:
    """Names of the language models that ship, in alphabetical order."""
    return sorted(_within(MODELS, "config.json"))


def rewards() -> list[str]:
    """Names of the reward models that ship, in alphabetical order; some are adapters."""
    return sorted(_within(REWARDS, "config.json") + _within(REWARDS, "adapter_config.json"))


def adapters() -> list[str]:
    """Names of the adapters that ship, in alphabetical order."""
    return sorted(_within(ADAPTERS, "adapter_config.json"))


def translators() -> list[str]:
    """Names of the encoder-decoder models that ship, in alphabetical order."""
    return sorted(_within(TRANSLATORS, "config.json"))


@cache
def _within(parent: Path, config: str) -> tuple[str, ...]:
    """The folders with such a file; they are looked for once, since what ships does not change."""
    return tuple(path.parent.name for path in parent.glob(f"*/{config}"))


def folder(name: str) -> Path:
    """The folder of a model or an adapter, as `from_pretrained` takes it."""
    if name in names():
        return MODELS / name
    if name in rewards():
        return REWARDS / name
    if name in adapters():
        return ADAPTERS / name
    if name in translators():
        return TRANSLATORS / name
    raise UnknownModelError(name)


def card(name: str) -> dict[str, object]:
    """How a model was made, and how often it is right on the items."""
    card: dict[str, object] = json.loads((folder(name) / "card.json").read_text(encoding="utf-8"))
    return card


def items(split: Literal["validation", "test"]) -> Path:
    """The items of a split as JSON lines; those for validation carry recorded answers."""
    path = ITEMS / f"{split}.jsonl"
    if split not in ("validation", "test"):
        message = f"no items named {split!r}: choose 'validation' or 'test'."
        raise LookupError(message)
    return path
