"""Random recipes: walks over the steps, parts and options that there are, by a seed alone.

Most of what is written fits its place; some of it does not, so that refusals are met too.
"""

import typing
from types import UnionType

from pydantic import BaseModel

from composer.methods import TEMPLATES, parts
from composer.methods.rule import Rule
from composer.steps import STEPS
from composer.values import Model, Port

JUNK = ("none", "-1", "1e999", '"x"', "[]", "true", "A", "{a: 1}", "0", "vote()", "confidence")
RULES = ("confidence >= 0.6", "length > 3", "margin < 0.2 and confidence > 0.1", "0.5", "agreement")
NUMBERS = ("0", "1", "2", "3", "5", "0.5", "0.25", "1.0")
TEXTS = ('"x"', '"[0-9]+"', '"Say it: {{ query }}"', '"{{ candidates }}"', '"a\\nb"')
CHAINED = [name for name, step in STEPS.items() if step.wire and not step.sign]
MODELLED = [
    n for n, step in STEPS.items() if step.gives is Port.MODEL and not step.sign and step.inputs
]
PARTS = [(name, part) for named in parts().values() for name, part in named.items()]


class Wanderer:
    """Writes recipes over models of given names; `odd` of what it writes is anything at all."""

    def __init__(self, luck, models, odd=0.02):
        self.luck, self.models, self.odd = luck, tuple(models), odd

    def recipe(self, head=""):
        """Return a whole recipe."""
        count = self.luck.choice((0, 0, 0, 1, 2))
        return "\n".join([head, *map(self._statement, range(count)), self.chain(3), ""]).lstrip()

    def _statement(self, n):
        step = self.luck.choice(CHAINED + MODELLED)
        return self.luck.choice(
            (
                f"let x{n} = {self.model(2)}",
                f"let x{n} = {self.chain(2)}",
                f"param p{n}: float = {self.luck.choice(NUMBERS)}",
                f"def f{n}(m) = {self.step(2)} -> m",
                f"default {step}({', '.join(self._options(STEPS[step].public_options, 1))})",
                "default generate(max_tokens = 3)",
                f"example {self.luck.choice(TEXTS)}",
            )
        )

    def chain(self, depth):
        """Return an expression: what is asked, and what is done with the answers."""
        starts = (self.bank, Port.CANDIDATES), (self.model, Port.TEXT), (self.step, Port.QUERY)
        start, port = self.luck.choices(starts, (5, 3, 1))[0]
        steps = [start(depth)]
        for _ in range(self.luck.choice((0, 1, 1, 2))):
            written, port = self._following(depth - 1, port)
            steps.append(written)
        return " -> ".join(steps)

    def _following(self, depth, port):
        """A step that mostly takes what is there, and what it gives."""
        takes = {Port.RANKING: {Port.RANKING, Port.CANDIDATES}}.get(port, {port})
        fitting = [name for name in CHAINED if STEPS[name].wire.ports & takes]
        if not fitting or self.luck.random() < self.odd:
            return self.step(depth), self.luck.choice(list(Port))
        name = self.luck.choice(fitting)
        written, given = self._called(name, depth), STEPS[name].gives
        if given in (Port.QUERY, Port.DECISION):
            return f"{written} -> {self.bank(1)}", Port.CANDIDATES
        return written, given

    def bank(self, depth):
        """Return branches in brackets."""
        count = self.luck.choice((1, 2, 2, 3))
        if depth > 1 and self.luck.random() < 0.2:
            return f"[{', '.join(self.chain(depth - 1) for _ in range(count))}]"
        return f"[{', '.join(self.model(depth - 1) for _ in range(count))}]"

    def model(self, depth):
        """Return a model: a name, a fuse, or one with a fallback."""
        if depth < 1 or self.luck.random() < 0.5:
            return self.luck.choice(self.models)
        if self.luck.random() < 0.1:
            return f"({self.model(depth - 1)} | {self.model(depth - 1)})"
        name = self.luck.choice(MODELLED)
        step = STEPS[name]
        if step.formula and self.luck.random() < 0.15:
            weight = self.luck.choice(NUMBERS)
            models = [self.luck.choice(self.models) for _ in range(2)]
            return f"{name}({models[0]} + {weight} * ({models[1]} - {models[0]}))"
        inside = [self.model(depth - 1) for _ in range(self.luck.choice((1, 2, 2, 3)))]
        return f"{name}({', '.join([*inside, *self._options(step.public_options, depth)])})"

    def step(self, depth):
        """Return a step that takes what comes over the arrow."""
        if self.luck.random() < 0.1:
            return self.bank(depth)
        return self._called(self.luck.choice(CHAINED), depth)

    def _called(self, name, depth):
        step = STEPS[name]
        if name == "prompt":
            return f"prompt({self.luck.choice((*TEMPLATES, *TEXTS))})"
        inside = []
        for each in step.arguments:
            count = self.luck.choice((0, 1, 2)) if each.variadic else 1
            inside += [self.luck.choice(self.models) for _ in range(count)]
        return f"{name}({', '.join([*inside, *self._options(step.public_options, depth)])})"

    def _options(self, options, depth):
        for name, option in options.items():
            must = option.is_required()
            if must or self.luck.random() < 0.25:
                yield f"{name} = {self._value(option.annotation, depth)}"

    def _value(self, hint, depth):
        if self.luck.random() < self.odd:
            return self.luck.choice(JUNK)
        hints = [each for each in _flat(hint) if each is not type(None)] or [str]
        return self._of(self.luck.choice(hints), depth)

    def _of(self, hint, depth):
        origin, inside = typing.get_origin(hint), typing.get_args(hint)
        kind = hint if isinstance(hint, type) else object
        if origin is typing.Literal:
            choices = [f'"{each}"' if isinstance(each, str) else str(each) for each in inside]
        elif origin in (tuple, list):
            choices = [f"[{', '.join(self._value(inside[0], depth) for _ in range(2))}]"]
        elif fitting := [
            name for name, part in PARTS if issubclass(part, kind) and kind is not object
        ]:
            choices = [self.part(self.luck.choice(fitting), depth - 1)]
        else:
            known = {bool: ("true", "false"), int: NUMBERS[:5], float: NUMBERS, str: TEXTS}
            known |= {Model: self.models, Rule: RULES}
            choices = known.get(hint, (*RULES, *NUMBERS, *TEXTS, *self.models, "[A]"))
        return self.luck.choice(choices)

    def part(self, name, depth):
        """Return a part, with some of its options."""
        kinds = [part for other, part in PARTS if other == name]
        kind = self.luck.choice(kinds)
        fields = kind.model_fields if issubclass(kind, BaseModel) else {}
        options = list(self._options({n: f for n, f in fields.items() if n != "kind"}, depth))
        return f"{name}({', '.join(options)})" if options else name


def _flat(hint):
    """The alternatives of an annotation."""
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return _flat(typing.get_args(hint)[0])
    if origin in (typing.Union, UnionType):
        return [each for part in typing.get_args(hint) for each in _flat(part)]
    return [hint]
