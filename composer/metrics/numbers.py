"""Reading numbers out of answers, in whatever dress people and models write them."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["last_number", "number", "numbers", "plain_number"]

_NUMBER = re.compile(
    r"""(?<![\w.])                                     # not inside a word or another number
        (?P<sign>[-+]?)
        (?: (?:US|CA|AU|NZ|HK|[CASR])? [$\u20ac\u00a3\u00a5\u20b9\u20a9] \ ? (?P<inner>[-+]?) )?
        (?: (?P<body> \d{1,3} (?P<dot>[.\u00a0\u2009\u202f\u2019'])\d{3} (?:(?P=dot)\d{3})*
                              ,\d{1,2} (?![\d,]|\.\d)                 # 1.234,56
                    | \d{1,3} (?:(?P<group>[,'\u2019_\u00a0\u2009\u202f])\d{3})
                              (?:(?P=group)\d{3})* (?!\d) (?:\.\d+)?    # 1,000.5
                    | \d{1,3} (?:\.\d{3}){2,} (?![.\d])                 # 1.000.000
                    | \d{1,3} (?:\ \d{3})*? \ 0\d\d (?!\d|\ \d{3}\b)    # 12 000
                    | \d+ (?:\.\d+)?                                    # 1000.5
                    | \.\d+ )                                           # .5
            (?P<power>[eE][-+]?\d{1,3}
                    | \s*(?:[x\u00d7*\u00b7]|\\times|\\cdot)\s*10\s*\^\s*\{?[-+]?\d{1,3}\}?)?
            (?: (?<=\d) \ ? (?P<vulgar>[\u00bc-\u00be\u2150-\u215e])
              | \^\{?(?P<raised>\d{1,2})\}?
              | \ (?P<part>\d{1,4}/\d{1,4}) (?![\d/]|\.\d)
              | /(?P<under>\d{1,15}) (?![\d/]|\.\d) )?
          | (?P<alone>[\u00bc-\u00be\u2150-\u215e]) )""",
    re.VERBOSE,
)
_SIGNS = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2212\uff0d\ufe63", "-") | {"\uff0b": "+"}
)
_TEX = re.compile(r"[\\{^_]")
_DRESS = (
    (re.compile(r"(?<=\d)(?:\{,\}|\\!,|,\\!|\\,|\\ |~)(?=\d{3})"), ","),
    (re.compile(r"\\([$%])"), r"\1"),
    (re.compile(r"\\[dtc]?frac\s*(\d)\s*(\d)"), r"\\frac{\1}{\2}"),
    (re.compile(r"(?<=\d)\s*\\[dtc]?frac\s*\{\s*(\d+)\s*\}\s*\{\s*(\d+)\s*\}"), r" \1/\2"),
    (re.compile(r"\\[dtc]?frac\s*\{\s*(-?\d+)\s*\}\s*\{\s*(\d+)\s*\}"), r"\1/\2"),
    (re.compile(r"(?<=[A-Za-z)}])\s*\^\s*(?:\{[^{}]*\}|[-+]?\d+)"), ""),
    (re.compile(r"_\{[^{}]*\}"), ""),
)
_WORDS = re.compile(
    r"(?:(?<==)|(?<== )|(?<=\u2248 ))- (?=[$\u20ac\u00a3]?\.?\d)"
    r"|(?i:\bnegative\s+|(?:(?<=\bis )|(?<=: )|(?<== )|\A)minus\s+)(?=[$\u20ac\u00a3]?\.?\d)"
)
_CONTINENTAL = re.compile(r"[^\d,]\d{3},\d{1,2}\Z")
_DATE = re.compile(r"(?<![\d/])\d+(?:/\d+){2,}")
_BOOKED = re.compile(r"\(\s*([$\u20ac\u00a3\u00a5\u20b9\u20a9][^()]*\d)\s*\)")
_LONGEST = 300
_EXACT = 1000


def numbers(text: str) -> list[float]:
    """Read every number of a text: `1,000`, `$5`, `-42.0`, `3/4` and `1e3` are one each."""
    return [float(value) for value in _values(text)]


def last_number(text: str) -> float | None:
    """Read the last number of a text, which in a worked solution is its answer."""
    number = next(_values(text, last=True), None)
    return None if number is None else float(number)


def number(text: str) -> float | None:
    """Read a text that is nothing but a number, perhaps with a currency, a per cent or a stop."""
    bare = _dressed(text.strip().rstrip(".").rstrip("%").rstrip())
    match = _NUMBER.fullmatch(bare)
    value = _value(match) if match else None
    return None if value is None else float(value)


def plain_number(text: str) -> str | None:
    """Write the last number of a text in one spelling: no separators, zeros at the end or plus."""
    number = next(_values(text, last=True), None)
    return None if number is None else _spelled(number)


def _values(text: str, *, last: bool = False) -> Iterator[Decimal | Fraction]:
    """Read all numbers, the `last` one first if that is wanted.

    A sum of money in brackets that is the whole text is owed, as in books.
    """
    booked = _BOOKED.fullmatch(text.strip())
    bare = _dressed(f"-{booked[1]}" if booked else text)
    matches = _NUMBER.finditer(bare)
    for match in reversed([*matches]) if last else matches:
        value = _value(match)
        if value is not None:
            yield value


def _dressed(text: str) -> str:
    """Take off what only sets a number: TeX, odd signs, words for a sign."""
    text = _WORDS.sub("-", text.translate(_SIGNS))
    text = _DATE.sub(lambda match: match[0].replace("/", "|"), text)
    if _TEX.search(text):
        for pattern, plain in _DRESS:
            text = pattern.sub(plain, text)
    return text


def _value(match: re.Match[str]) -> Decimal | Fraction | None:
    value = _unsigned(match)
    return -value if value is not None and "-" in (match["sign"], match["inner"]) else value


def _unsigned(match: re.Match[str]) -> Decimal | Fraction | None:
    if match["alone"]:
        return _vulgar(match["alone"])
    whole = _decimal(match["body"], match["power"])
    return whole if whole is None or match["power"] else _followed(whole, match)


def _followed(whole: Decimal, match: re.Match[str]) -> Decimal | Fraction:
    """Take in what stands behind a number: an exponent, a fraction, what it is divided by."""
    if match["vulgar"]:
        return Fraction(whole) + _vulgar(match["vulgar"])
    if match["raised"]:
        exact = whole == int(whole) and whole < _EXACT
        return Decimal(int(whole) ** int(match["raised"])) if exact else whole
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
        return str(value.normalize())
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
