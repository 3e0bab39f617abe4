"""Which signals a step measures, whatever its options hold that decides by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.methods.acceptances.base import Acceptance
from composer.methods.post_hoc.base import AfterAnswers
from composer.methods.rule import Rule
from composer.methods.signals.base import Signal
from composer.methods.signals.learned import LearnedSignal
from composer.values.details import TokenDetail

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def signals_of(option: object) -> Iterator[Signal]:
    """Yield the signals that the value of an option measures, with those that fitted ones read."""
    match option:
        case Rule():
            signals: Iterable[object] = option.signals()
        case Acceptance() | AfterAnswers() | LearnedSignal():
            signals = option.signals
        case tuple():
            signals = option
        case _:
            return
    for signal in signals:
        if isinstance(signal, Signal):
            yield signal
            yield from signals_of(signal)


def detail_of(signals: Iterable[Signal]) -> TokenDetail | None:
    """Return what signals together want to know of each token; None: nothing."""
    wanted = [signal.detail for signal in signals if signal.detail is not None]
    return TokenDetail(max(one.top for one in wanted)) if wanted else None
