"""Secrets that were written into a recipe, where everybody who reads it sees them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from composer.diagnostics import Diagnostic, Place, Source
from composer.diagnostics.secrets import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator


def secrets(source: Source) -> Iterator[Diagnostic]:
    """Yield a mistake for each secret in a file; what is drawn of it shows stars."""
    found = list(KEY.finditer(source.text))
    if not found:
        return
    masked = replace(source, text=KEY.sub(lambda key: "*" * len(key.group()), source.text))
    for key in found:
        yield Diagnostic(
            "E406",
            "this recipe contains a secret",
            Place(masked, key.start(), key.end()),
            "everybody who reads the file can read it",
            help='write `env("NAME")` instead, and replace the secret at the service',
        )
