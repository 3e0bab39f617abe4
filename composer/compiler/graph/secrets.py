"""Secrets that were written into a recipe, where everybody who reads it sees them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from composer.words import Diagnostic, Place, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = re.compile(
    r"\b(?:sk-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}"
    r"|xox[abprs]-[A-Za-z0-9-]{10,}|AKIA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{30,})\b"
)
"""Keys of the services that people use models through, by the forms that those give them."""


def secrets(source: Source) -> Iterator[Diagnostic]:
    """Yield a mistake for each secret in a file; what is drawn of it shows stars."""
    found = list(SECRET.finditer(source.text))
    if not found:
        return
    masked = replace(source, text=SECRET.sub(lambda key: "*" * len(key.group()), source.text))
    for key in found:
        yield Diagnostic(
            "E406",
            "a secret stands in this recipe",
            Place(masked, key.start(), key.end()),
            "can be read by whoever reads the file",
            help='take it from the environment, `env("NAME")`, and have a new one made',
        )
