"""Values that cross between two processes as JSON: plain data by value, anything else by handle.

What comes out is of Python's own types, so that nothing of the other process takes part in a
comparison. This file runs inside the sandbox and imports nothing else of the project.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

TEXTUAL = {
    "decimal": ("Decimal",),
    "fractions": ("Fraction",),
    "datetime": ("date", "datetime", "time"),
}
"""Types whose values are written as texts, by their modules."""

Keep = Callable[[object], int]
Fetch = Callable[[int, str], object]
Pack = Callable[[Any], Any]

_BASES: tuple[tuple[type, str, Callable[[Any, Pack], Any]], ...] = (
    (list, "l", lambda value, inner: [inner(each) for each in list.__iter__(value)]),
    (tuple, "t", lambda value, inner: [inner(each) for each in tuple.__iter__(value)]),
    (set, "s", lambda value, inner: [inner(each) for each in set.__iter__(value)]),
    (frozenset, "f", lambda value, inner: [inner(each) for each in frozenset.__iter__(value)]),
    (dict, "d", lambda value, inner: [[inner(k), inner(v)] for k, v in dict.items(value)]),
    (bytes, "b", lambda value, _: bytes.hex(value)),
    (bytearray, "b", lambda value, _: bytearray.hex(value)),
    (complex, "c", lambda value, _: [value.real, value.imag]),
    (int, "v", lambda value, _: int.__int__(value)),
    (float, "v", lambda value, _: float.__float__(value)),
    (str, "v", lambda value, _: str.__str__(value)),
)
"""Types that cross by value, with the sign and the form that they have on the way."""

_MAKERS: dict[str, Callable[[Any, Pack], Any]] = {
    "l": lambda inside, inner: [inner(each) for each in inside],
    "t": lambda inside, inner: tuple(inner(each) for each in inside),
    "s": lambda inside, inner: {inner(each) for each in inside},
    "f": lambda inside, inner: frozenset(inner(each) for each in inside),
    "d": lambda inside, inner: {inner(key): inner(value) for key, value in inside},
    "b": lambda inside, _: bytes.fromhex(inside),
    "c": lambda inside, _: complex(*inside),
    "v": lambda inside, _: inside,
    "x": lambda inside, _: _textual(*inside),
}


def dumps(message: object) -> bytes:
    """Write one message as a line."""
    return json.dumps(message).encode() + b"\n"


def pack(value: Any, keep: Keep) -> Any:  # noqa: ANN401 - any value, as JSON
    """Turn a value into JSON; `keep` gives a handle for what is no plain data."""
    kind = type(value)
    if value is None or kind in {bool, int, float, str}:
        return value
    for base, sign, form in _BASES:
        if issubclass(kind, base):
            return {sign: form(value, lambda each: pack(each, keep))}
    if kind.__name__ in TEXTUAL.get(kind.__module__, ()):
        written = value.isoformat() if kind.__module__ == "datetime" else str(value)
        return {"x": [kind.__module__, kind.__name__, written]}
    return {"h": keep(value), "n": kind.__name__}


def canonical(value: object) -> str:
    """Write a value so that equal ones are written alike: sets in order, floats in 12 digits."""
    match value:
        case float():
            return str(int(value)) if value.is_integer() else f"{value:.12g}"
        case set() | frozenset():
            return f"{{{', '.join(sorted(map(canonical, value)))}}}"
        case dict():
            items = sorted(f"{canonical(k)}: {canonical(v)}" for k, v in value.items())
            return f"{{{', '.join(items)}}}"
        case list():
            return f"[{', '.join(map(canonical, value))}]"
        case tuple():
            return f"({', '.join(map(canonical, value))},)"
        case _:
            return repr(value)


def unpack(packed: Any, fetch: Fetch) -> Any:  # noqa: ANN401 - JSON, as any value
    """Turn JSON back into a value; `fetch` makes what stands for a handle."""
    if not isinstance(packed, dict):
        return packed
    sign, inside = next(iter(packed.items()))
    if sign == "h":
        return fetch(int(inside), str(packed["n"]))
    return _MAKERS[sign](inside, lambda each: unpack(each, fetch))


def _textual(module: str, name: str, written: str) -> object:
    if name not in TEXTUAL.get(module, ()):
        raise ValueError(f"{module}.{name} is no plain value")
    kind = getattr(__import__(module), name)
    value: object = kind.fromisoformat(written) if module == "datetime" else kind(written)
    return value
