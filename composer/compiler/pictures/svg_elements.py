"""The elements that an SVG is made of, with everything in them escaped."""

from __future__ import annotations

from html import escape

from composer.compiler.pictures.picture import GREY
from composer.diagnostics import visible

MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"


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


def text_mark(  # noqa: PLR0913 - what SVG wants to know of a text
    text: str,
    x: float,
    y: float,
    size: float,
    fill: str = GREY,
    *,
    mono: bool = False,
    weight: int | None = None,
    anchor: str | None = None,
) -> str:
    """Write a line of text."""
    attributes = attribute(
        x=x, y=y, font_size=size, fill=fill, font_weight=weight, text_anchor=anchor,
        font_family=MONO if mono else None, xml__space="preserve" if "  " in text else None,
    )  # fmt: skip
    return f"<text{attributes}>{words(text)}</text>"


def _value(value: float | str) -> str:
    return escape(value) if isinstance(value, str) else number(value)
