"""Reading numbers out of answers, in whatever dress people and models write them."""

from __future__ import annotations

import re
import unicodedata
from decimal import Context, Decimal, InvalidOperation
from fractions import Fraction
from typing import TYPE_CHECKING

from composer.metrics.number_dress import NUMBER, dressed, is_unclear

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["canonical", "last_number", "number", "numbers", "plain_number"]

_SCALES = {
    "hundred": 100,
    "thousand": 10**3,
    "k": 10**3,
    "million": 10**6,
    "mn": 10**6,
    "m": 10**6,
    "billion": 10**9,
    "bn": 10**9,
    "b": 10**9,
    "trillion": 10**12,
    "t": 10**12,
}
_BOOKED = re.compile(r"\(\s*([$\u20ac\u00a3\u00a5\u20b9\u20a9][^()]*\d)\s*\)")
_NAME = re.compile(r"0\d")
_LONGEST = 300
_EXACT = 1000
_CONTINENTAL = re.compile(r"[^\d,]\d{3},\d+\Z")


def numbers(text: str) -> list[float]:
    """Read every number of a text: `1,000`, `$5`, `-42.0`, `3/4` and `1e3` are one each."""
    return [float(value) for value in _values(text)]


def last_number(text: str) -> float | None:
    """Read the last number of a text, which in a worked solution is its answer."""
    number = next(_values(text, last=True), None)
    return None if number is None else float(number)


def number(text: str) -> float | None:
    """Read a text that is nothing but a number, perhaps with a currency, a per cent or a stop."""
    bare = dressed(text.strip().rstrip(".").rstrip("%").rstrip())
    match = NUMBER.fullmatch(bare)
    value = _value(match) if match else None
    return None if value is None else float(value)


def plain_number(text: str, *, share: bool = False) -> str | None:
    r"""Write the last number of a text in one spelling: no separators, zeros at the end or plus.

    None where its value is unclear, as that of `3,14` is (one number or two), or where it is only
    part of an expression, such as `\sqrt{2}` or a time of day. With `share`, `50%` is 0.5.
    """
    number = next(_values(text, last=True, clear=True, share=share), None)
    return None if number is None else _spelled(number)


def canonical(text: str) -> str | None:
    """Write a text that is nothing but a number in one spelling; None for any other text.

    A currency stays, and so `$1,000.00` gives `$1000`. What has zeros in front, such as `007`, or a
    per cent sign is no mere number.
    """
    match = NUMBER.fullmatch(dressed(text.strip().removesuffix(".")))
    if match is None or match["percent"] or match["scale"] or _NAME.match(match["body"] or ""):
        return None
    value = _value(match)
    return None if value is None else f"{match['currency'] or ''}{_spelled(value)}"


def _values(
    text: str, *, last: bool = False, clear: bool = False, share: bool = False
) -> Iterator[Decimal | Fraction]:
    """Read all numbers, the `last` one first if that is wanted.

    A sum of money in brackets that is the whole text is owed, as in books. With `clear`, nothing is
    read from a number on whose value is unclear.
    """
    booked = _BOOKED.fullmatch(text.strip())
    bare = dressed(f"-{booked[1]}" if booked else text)
    matches = NUMBER.finditer(bare)
    for match in reversed([*matches]) if last else matches:
        if clear and is_unclear(match):
            return
        value = _value(match)
        if value is not None:
            yield Fraction(value) / 100 if share and match["percent"] else value


def _value(match: re.Match[str]) -> Decimal | Fraction | None:
    value = _unsigned(match)
    return -value if value is not None and "-" in (match["sign"], match["inner"]) else value


def _unsigned(match: re.Match[str]) -> Decimal | Fraction | None:
    if match["alone"]:
        return _vulgar(match["alone"])
    whole = _decimal(match["body"], match["power"])
    if whole is None or (match["under"] and not int(match["under"])):
        return None
    value = whole if match["power"] else _followed(whole, match)
    return value if not match["scale"] else Fraction(value) * _scale(match["scale"])


def _scale(word: str) -> int:
    word = word.strip(" -").lower()
    return _SCALES.get(word) or _SCALES[word.removesuffix("s")]


def _followed(whole: Decimal, match: re.Match[str]) -> Decimal | Fraction:
    """Take in what stands behind a number: an exponent, a fraction, what it is divided by."""
    if match["vulgar"]:
        return Fraction(whole) + _vulgar(match["vulgar"])
    if match["raised"]:
        exact = whole == int(whole) and 0 < whole < _EXACT
        return Fraction(int(whole)) ** int(match["raised"].strip("{}")) if exact else whole
    over, _, under = (match["part"] or "").partition("/")
    if over and int(under) > int(over) and whole == int(whole):
        return Fraction(whole) + Fraction(int(over), int(under))
    if match["under"] and int(match["under"]):
        return Fraction(whole) / int(match["under"])
    return whole


def _decimal(body: str, power: str | None) -> Decimal | None:
    if _CONTINENTAL.search(body):
        body = body.replace(".", "").replace(",", ".")
    elif body.count(".") > 1:
        body = body.replace(".", "")
    plain = re.sub(r"[,'\u2019_\u00a0\u2009\u202f ]", "", body)
    raised = re.search(r"[-+]?\d+(?=\}?\Z)", power) if power else None
    try:
        value = Decimal(plain)
        return value.scaleb(int(raised[0])) if raised else value
    except (InvalidOperation, OverflowError):
        return None


def _vulgar(letter: str) -> Fraction:
    return Fraction(unicodedata.numeric(letter)).limit_denominator(10)


def _spelled(value: Decimal | Fraction) -> str:
    if isinstance(value, Fraction):
        exact = _terminating(value)
        if exact is None:
            return f"{value.numerator}/{value.denominator}"
        value = exact
    if abs(value.adjusted()) > _LONGEST:
        return str(value.normalize(Context(prec=max(len(value.as_tuple().digits), 1))))
    plain = f"{value:f}"
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if not value else plain.removeprefix("+")


def _terminating(value: Fraction) -> Decimal | None:
    """Return a fraction as a decimal, if it has an end within forty places."""
    for places in range(40):
        if not 10**places % value.denominator:
            digits = value.numerator * 10**places // value.denominator
            return Decimal(digits).scaleb(-places) if abs(digits) < 10**27 else None
    return None
