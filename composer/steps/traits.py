"""What a step declares beside its signature: traits, and hooks in functions of its file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.steps.site import Complaint, Site
from composer.values import Port, Value
from composer.values.capability import Capability

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


NOTHING = Capability(0)


Check = Callable[[Site], Iterator[Complaint]]


Count = Callable[[Site], int | None]


Enough = Callable[[Sequence[Port]], Complaint | None]


Otherwise = Callable[..., Value]


@dataclass(eq=False, slots=True)
class Hooks:
    """What a step's file says in functions beside it, where a trait would not do."""

    checks: list[Check] = field(default_factory=list)
    count: Count | None = None
    calls: Count | None = None
    enough: Enough | None = None
    otherwise: Otherwise | None = None
    settles: dict[str, Callable[..., object]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, kw_only=True)
class Traits:
    """What is declared of a step beside its signature; who wants to know it reads it here.

    Of models: `needs` is what each of its models must be able to do, `instead` what else to write
    for a `{name}` that cannot; `here` says that the engine must run them, `formula` that they may
    be written as arithmetic. Of answers: `selects` says that it hands on answers as others wrote
    them, whatever it asks models about these, `votes` that its answer has won a vote, `ranks` that
    it is the best of a ranking, `streams` that it can be shown while it is written, `may_abstain`
    that it may have no answer to give, `tries_first` that the first of its branches always runs,
    unless it is given an answer, and `alone` that a lone model is asked as its own files say, where
    nothing else is said.

    Of the order of asking: `in_turn` says that its answers can be asked for one after the other, so
    that a vote over them may stop early; `draws_as` names the step whose random draws it makes, for
    one that stands for another.

    Of options that a caller sets for one query, where its text may be the answer: `per_query` names
    those that it honours. Of any other it asks as with the neutral value, such as a temperature of
    0. `one_call` says that its answer is what one call of `ask.generate` gives, so that options of
    `generate` hold for that call where the step has none of that name. `reads` says that it reads a
    value out of each answer, which is the answer from then on, `exchanges` that its templates show
    answers which its own models wrote.

    Of how it is written and shown: `hidden` names options that only the compiler sets; a step with
    `sign` is written by that sign of the language and not by name, and has options of its own only
    where `defaulted` says that `default` may set them. A picture shows the options `shown` even
    where a recipe does not set them, and the hidden ones `set_by_rules` where a rule has set them;
    it draws the input `absorbs` as one with the step, a line from an input with its label, and a
    step that is `lines` as nothing else than the lines from its branches.
    """

    paper: str = ""
    needs: Capability = NOTHING
    instead: str = ""
    here: bool = False
    formula: bool = False
    selects: bool = False
    votes: bool = False
    ranks: bool = False
    streams: bool = False
    may_abstain: bool = False
    tries_first: bool = False
    alone: bool = False
    in_turn: bool = False
    draws_as: str = ""
    per_query: Collection[str] = ()
    one_call: bool = False
    reads: bool = False
    exchanges: bool = False
    sign: str = ""
    defaulted: bool = False
    hidden: Collection[str] = ()
    shown: Collection[str] = ()
    set_by_rules: Collection[str] = ()
    absorbs: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    lines: bool = False
