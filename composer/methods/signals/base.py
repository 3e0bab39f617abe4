"""A signal: a number that says how sure an answer is."""

import math
from typing import ClassVar

from composer.methods.template import Template
from composer.values import Asker, Candidates, Model, Port, Text, Typed


class Signal(Typed):
    """A number of an answer, or of several, that a rule compares.

    One that asks nobody has a `measure`, any other a `value`. `needs` names capabilities of the
    models that wrote the answer, `ports` says where it can be known, `votes` that one answer has
    this signal only where a `vote` chose it, and `ranked` that only where `best` did. `limits` are
    the least and the greatest value.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    ports: ClassVar[frozenset[Port]] = frozenset({Port.TEXT})
    votes: ClassVar[bool] = False
    ranked: ClassVar[bool] = False
    limits: ClassVar[tuple[float, float]] = (-math.inf, math.inf)

    def measure(self, answer: Text | Candidates) -> float | None:
        """Return the number, None where it cannot be known."""
        raise NotImplementedError

    async def value(self, answer: Text | Candidates, ask: Asker) -> float | None:
        """Return the number, asking for it where it cannot be measured."""
        del ask
        return self.measure(answer)

    def __str__(self) -> str:
        """Write it as a rule does: a bare name, or with the options that are set."""
        named = [name for name in type(self).model_fields if name in self.model_fields_set]
        options = ", ".join(f"{name} = {_written(getattr(self, name))}" for name in named)
        return f"{self.name}({options})" if options else self.name


def _written(value: object) -> str:
    match value:
        case Model(name=name):
            return name
        case Template(text=text) | str(text):
            return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case bool():
            return "true" if value else "false"
        case tuple():
            return f"[{', '.join(map(_written, value))}]"
        case _:
            return str(value)
