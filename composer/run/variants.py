"""What the options of one query change in a program: the options of the steps that write.

Options hold for each step whose text may be the answer, as if the recipe said them there. What a
recipe cannot honour is refused before anybody is asked.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from composer.diagnostics.printable import is_whole
from composer.run.option_checks import OptionChecks
from composer.run.result import Failure
from composer.values.options import DEFAULT, AnswerOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from composer.compiler.graph import Node
    from composer.compiler.plan import Apart
    from composer.run.program import Program

__all__ = ["Variant", "Variants"]

MOST = 1024
"""Sets of options that are remembered."""


@dataclass(frozen=True, eq=False, slots=True)
class Variant:
    """A program under the options of one query: the options of each node, and who writes.

    `sampling_options` hold where a step that writes has no option of that name.
    """

    program: Program
    options: Mapping[Node, Mapping[str, object]]
    writers: frozenset[Node]
    answer: AnswerOptions
    sampling_options: Mapping[Node, Mapping[str, object]] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        """The seed of all sampled work."""
        return self.program.seed if self.answer.seed is None else self.answer.seed


class Variants:
    """The variants of a program by options, each checked once; `unchanged` is that of none."""

    def __init__(self, program: Program, apart: Callable[[], Apart] | None) -> None:
        self._program, self._apart = program, apart
        self.unchanged = Variant(program, program.options, frozenset(), DEFAULT)
        self._by_options: OrderedDict[AnswerOptions, Variant] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, options: AnswerOptions) -> Variant:
        """Return the variant of some options; raises Failure where they cannot be honoured."""
        if options.seed is not None and type(options.seed) is not int:
            raise Failure("E401", "`seed` must be a whole number", "set another value", "seed")
        if not is_whole(options.prefix):
            text = "`prefix` has half of a character (a lone surrogate)"
            raise Failure("E402", text, "send whole characters", "prefix")
        key = replace(options, seed=None, prefix=options.prefix and "...")
        try:
            hash(key)
        except TypeError:
            _demand_fixed(options)
            raise
        with self._lock:
            variant = self._by_options.get(key)
            if variant is None:
                variant = self._by_options[key] = self._new(options)
                if len(self._by_options) > MOST:
                    self._by_options.popitem(last=False)
            self._by_options.move_to_end(key)
        return replace(variant, answer=options)

    @cached_property
    def _greedy(self) -> tuple[Program, OptionChecks]:
        return self._program, OptionChecks(self._program.root, self._program.ids)

    @cached_property
    def _sampled(self) -> tuple[Program, OptionChecks]:
        """The program in which greedy work that is done once has a node for each occurrence."""
        assert self._apart is not None
        program = self._program.apart(self._apart())
        return program, OptionChecks(program.root, program.ids)

    def _new(self, options: AnswerOptions) -> Variant:
        sampled = options.temperature and self._apart is not None
        program, checks = self._sampled if sampled else self._greedy
        changes = checks.changes(options)
        by_node, of_sampling = dict(program.options), {}
        for node, values in changes.items():
            before = program.options[node]
            own = {name: value for name, value in values.items() if name in before}
            by_node[node] = {**before, **own}
            of_sampling[node] = {name: values[name] for name in values.keys() - before.keys()}
        return Variant(program, by_node, frozenset(changes), options, of_sampling)


def _demand_fixed(options: AnswerOptions) -> None:
    """Raise Failure for a value that could change after it was checked."""
    for name in options.set_names:
        try:
            hash(getattr(options, name))
        except TypeError:
            text = f"`{name}` holds a list, a set or a dict, and must be made of tuples"
            help_ = 'write `stop = (".",)`, `logit_bias = ((262, -100.0),)`'
            raise Failure("E401", text, help_, name) from None
