"""The libraries that are slow to import: each is imported when something of it is first used.

`from composer.heavy import np` costs nothing, so that a verb which needs no array loads no numpy.
The engine, which runs nothing without torch, imports torch as usual.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from threading import RLock
from typing import TYPE_CHECKING

from composer.quiet import attend

if TYPE_CHECKING:
    from types import ModuleType

_IMPORTING = RLock()
"""One thread imports at a time: two that import modules in a circle would see them half made."""


class Deferred:
    """A package that is imported when one of its attributes is first read."""

    def __init__(self, package: str) -> None:
        self._package = package

    def __getattr__(self, name: str) -> object:
        """Import the package, keep the attribute and return it; a submodule is one as well."""
        with _IMPORTING:
            value = _attribute(import_module(self._package), name)
            attend()
            setattr(self, name, value)
        return value


def _attribute(package: ModuleType, name: str) -> object:
    try:
        return getattr(package, name)
    except AttributeError:
        if find_spec(f"{package.__name__}.{name}") is None:
            raise
        return import_module(f"{package.__name__}.{name}")


if TYPE_CHECKING:
    import crowdkit
    import networkx as nx
    import numpy as np
    import pandas as pd
    import scipy
    import sentence_transformers
    import sklearn
    import torch
    import transformers
else:
    crowdkit = Deferred("crowdkit")
    np = Deferred("numpy")
    nx = Deferred("networkx")
    pd = Deferred("pandas")
    scipy = Deferred("scipy")
    sentence_transformers = Deferred("sentence_transformers")
    sklearn = Deferred("sklearn")
    torch = Deferred("torch")
    transformers = Deferred("transformers")

__all__ = [
    "Deferred",
    "crowdkit",
    "np",
    "nx",
    "pd",
    "scipy",
    "sentence_transformers",
    "sklearn",
    "torch",
    "transformers",
]
