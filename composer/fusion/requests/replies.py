"""All that a tick may reply to a session."""

from __future__ import annotations

from typing import TypeAlias

from composer.fusion.requests.look import Looked
from composer.fusion.requests.peek import Peeked
from composer.fusion.requests.plain import Drawn, Ranked
from composer.fusion.requests.turn import Turned

__all__ = ["Reply"]

Reply: TypeAlias = Drawn | Ranked | Turned | Peeked | dict[int, Looked] | list[float]
