"""How large the result of an operation will be, told before it is made."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from composer.sandbox.meter import ITEM, METER, LimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from composer.sandbox.meter import Meter

    Size = Callable[[Meter, object, Sequence[object]], int]

_BITS = 4096
_DIGITS = 100
_QUADRATIC = 20_000
_WIDE = re.compile(r"[0-9]{5,}|:[^{}]*\{|%[^a-zA-Z%]*\*")
_SEQUENCES = (str, bytes, list, tuple)


def check_operation(operator: str, left: object, right: object) -> None:
    """Refuse arithmetic whose result is too large."""
    meter = METER.get()
    meter.step()
    if operator in {"*", "**"} and isinstance(left, int) and isinstance(right, int):
        times = right if operator == "**" else 1
        bits = abs(left).bit_length() * max(times, 1)
        if bits + (abs(right).bit_length() if operator == "*" else 0) > _BITS:
            raise LimitError("it makes a number that is too large")
    elif operator == "*":
        several, count = (left, right) if isinstance(left, _SEQUENCES) else (right, left)
        if isinstance(several, _SEQUENCES) and isinstance(count, int):
            meter.make(meter.weigh(several) * max(count, 0))
    elif operator == "%" and isinstance(left, str | bytes):
        meter.make(format_length(str(left), [right]))
    elif operator == "+" and isinstance(left, _SEQUENCES):
        meter.make(meter.weigh(left, right))
    else:
        meter.weigh(left, right)


def format_length(text: str, values: Sequence[object]) -> int:
    """Return how long a text becomes at most when values are put into its places."""
    if _WIDE.search(text):
        raise LimitError("it uses a format width that is too large or not a plain number")
    places = text.count("%") + text.count("{")
    widths = sum(int(width) for width in re.findall(r"[0-9]+", text))
    return len(text) + widths + places * (METER.get().weigh(*values) + ITEM)


def check_method(
    owner: object, name: str, args: Sequence[object], named: Mapping[str, object]
) -> None:
    """Refuse a call of a method of a text or a number whose result is too large."""
    meter = METER.get()
    values = [*args, *named.values()]
    meter.weigh(owner, *values)
    if isinstance(owner, str | bytes) and name in _METHODS:
        meter.make(_METHODS[name](meter, owner, values))
    elif isinstance(owner, str | bytes):
        meter.make(len(owner))
    elif isinstance(owner, int) and name == "to_bytes":
        meter.make(_largest(values))


def check_filter(
    name: str, value: object, args: Sequence[object], named: Mapping[str, object]
) -> None:
    """Refuse a filter whose result is too large."""
    meter = METER.get()
    meter.step()
    values = [*args, *named.values()]
    size = meter.weigh(value, *values)
    if name in _FILTERS:
        meter.make(_FILTERS[name](meter, value, values))
    elif name in _SLOW and size > _QUADRATIC:
        raise LimitError(f"`{name}` is used on more than {_QUADRATIC:,} characters")
    elif name == "round" and _largest(values) > _DIGITS:
        raise LimitError(f"it rounds to more than {_DIGITS} digits")
    elif name == "sum" and not all(isinstance(argument, int | float | str) for argument in values):
        raise LimitError("`sum` can only add numbers")


def _largest(values: Sequence[object]) -> int:
    return max((abs(value) for value in values if isinstance(value, int)), default=0)


def _replaced(meter: Meter, owner: object, values: Sequence[object]) -> int:
    old, new = (str(value) for value in (*values, "", "")[:2])
    return meter.weigh(owner) + str(owner).count(old) * len(new)


def _joined(meter: Meter, owner: object, values: Sequence[object]) -> int:
    """Return the length of texts with another between them."""
    items = values[0] if values else ()
    count = len(items) if isinstance(items, str | bytes | list | tuple | dict | set) else 1
    return meter.weigh(items) + meter.weigh(owner) * count


def _padded(meter: Meter, owner: object, values: Sequence[object]) -> int:
    return meter.weigh(owner) + _largest(values)


def _tabbed(meter: Meter, owner: object, values: Sequence[object]) -> int:
    return meter.weigh(owner) * max(_largest(values), 8)


def _translated(meter: Meter, owner: object, values: Sequence[object]) -> int:
    return meter.weigh(owner) * max((meter.weigh(value) for value in values), default=1)


def _formatted(_meter: Meter, owner: object, values: Sequence[object]) -> int:
    return format_length(str(owner), values)


def _indented(meter: Meter, value: object, values: Sequence[object]) -> int:
    width = _largest(values) + max(
        (len(argument) for argument in values if isinstance(argument, str)), default=4
    )
    return meter.weigh(value) + str(value).count("\n") * width


def _json(meter: Meter, value: object, values: Sequence[object]) -> int:
    """Return the length of a value as JSON: each level may be indented."""
    size = meter.weigh(value)
    return size * 2 + (size // ITEM) * _largest(values) * 8


_METHODS: dict[str, Size] = {
    "replace": _replaced,
    "join": _joined,
    "translate": _translated,
    "expandtabs": _tabbed,
    "format": _formatted,
    "format_map": _formatted,
    **dict.fromkeys(("ljust", "rjust", "center", "zfill"), _padded),
}
_FILTERS: dict[str, Size] = {
    "replace": _replaced,
    "join": lambda meter, value, values: _joined(meter, "".join(map(str, values[:1])), [value]),
    "format": _formatted,
    "indent": _indented,
    "tojson": _json,
    **dict.fromkeys(("center", "batch", "slice"), _padded),
}
_SLOW = {"urlize", "striptags", "wordwrap", "xmlattr", "pprint", "title"}
