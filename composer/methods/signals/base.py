"""A signal: a number that says how sure an answer is."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from composer.methods.template import Template
from composer.values import Model, Port, Text, Typed
from composer.values.finite import finite
from composer.values.typed import file_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.methods.cascade_state import CascadeState, Known
    from composer.values import Asker, Candidates
    from composer.values.details import TokenDetail

LOGPROBS = frozenset({"logprobs"})
SHARE = (0.0, 1.0)
"""The limits of a share or a probability."""


class Signal(Typed):
    """A number of an answer, or of several, that a rule compares.

    One that asks nobody has a `measure`, any other a `value`. `needs` names capabilities of the
    models that wrote the answer, `ports` says where it can be known, `votes` that one answer has
    this signal only where a `vote` chose it, and `ranked` that only where `best` did. `limits` are
    the least and the greatest value. `reads_earlier` says that in a cascade it depends on the
    answers of earlier stages too. `demands_detail` says that it is not known of a model that cannot
    tell the `detail`.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    ports: ClassVar[frozenset[Port]] = frozenset({Port.TEXT})
    votes: ClassVar[bool] = False
    ranked: ClassVar[bool] = False
    limits: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    reads_earlier: ClassVar[bool] = False
    demands_detail: ClassVar[bool] = True

    @property
    def detail(self) -> TokenDetail | None:
        """What is asked of each token of an answer because it is read here; None: nothing."""
        return None

    def measure(self, answer: Text | Candidates) -> float | None:
        """Return the number, None where it cannot be known."""
        raise NotImplementedError

    async def value(self, answer: Text | Candidates, ask: Asker) -> float | None:
        """Return the number, asking for it where it cannot be measured."""
        del ask
        return self.measure(answer)

    async def in_cascade(self, state: CascadeState, ask: Asker) -> float | None:
        """Return the number of the latest answer of a cascade, None before there is one."""
        latest = state.latest
        return None if latest is None else await self.value(state.answers[latest].text, ask)

    def __str__(self) -> str:
        """Write it as a rule does: a bare name, or with the options that are set."""
        options = _options(self)
        return f"{self.name}({options})" if options else self.name


async def measured(
    signals: tuple[Signal, ...], state: CascadeState, ask: Asker
) -> Mapping[str, Known]:
    """Measure signals on the latest answer of a cascade; each is known by its text."""
    return {str(signal): finite(await signal.in_cascade(state, ask)) for signal in signals}


def _options(part: Typed) -> str:
    """Write the options that are set; a file by its name, wherever it lies."""
    named = [name for name in type(part).model_fields if name in part.model_fields_set]
    values = {name: getattr(part, name) for name in named}
    files = {name: Path(path).name for name in named if (path := file_of(part, name))}
    return ", ".join(f"{name} = {_written(value)}" for name, value in (values | files).items())


def _written(value: object) -> str:
    match value:
        case Template(text=text) | str(text):
            return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case Typed():
            bare = isinstance(value, Signal) and not value.model_fields_set
            return value.name if bare else f"{value.name}({_options(value)})"
        case Model(name=name):
            return name
        case bool():
            return "true" if value else "false"
        case tuple():
            return f"[{', '.join(map(_written, value))}]"
        case _:
            return str(value)
