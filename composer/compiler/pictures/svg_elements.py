"""The marks that an SVG is made of, with everything in them escaped."""

from __future__ import annotations

from html import escape

from composer.diagnostics import visible


def number(value: float) -> str:
    """Write a length with one digit, if it needs that."""
    return f"{value:.1f}".removesuffix(".0")


def words(text: str) -> str:
    """Write a text where it stands between marks; what XML forbids is replaced."""
    return escape(visible(text), quote=False)


def attribute(**values: float | str | None) -> str:
    """Write attributes; `_` stands for `-`, `__` for `:`, and what is None is left out."""
    return "".join(
        f' {name.replace("__", ":").replace("_", "-")}="{_value(value)}"'
        for name, value in values.items()
        if value is not None
    )


def mark(name: str, **values: float | str | None) -> str:
    """Write a mark without anything in it."""
    return f"<{name}{attribute(**values)}/>"


def _value(value: float | str) -> str:
    return escape(value) if isinstance(value, str) else number(value)
