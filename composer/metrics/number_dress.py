"""The dress of numbers: what sets them apart from digits, taken off before they are read."""

from __future__ import annotations

import re
from functools import partial

__all__ = ["NUMBER", "dressed", "is_unclear"]


def _raised(digits: int) -> str:
    """Return the pattern of an exponent that is a whole number, with braces or without."""
    return rf"(?:\{{[-+]?\d{{1,{digits}}}\}}|[-+]?\d{{1,{digits}}}(?![\d/]|\.\d))"


_CURRENCY = r"(?:US|CA|AU|NZ|HK|[CASR])?[$\u20ac\u00a3\u00a5\u20b9\u20a9]"
NUMBER = re.compile(
    rf"""(?<![\w.])                                    # not inside a word or another number
        (?P<sign>[-+]?)
        (?: (?P<currency>{_CURRENCY}) \ ? (?P<inner>[-+]?) )?
        (?: (?P<body> \d{{1,3}} (?P<dot>[.\u00a0\u2007\u2009\u202f\u2019'])\d{{3}}
                              (?:(?P=dot)\d{{3}})* ,\d+ (?![\d,]|\.\d)  # 1.234,56
                    | \d{{1,3}} (?:(?P<group>[,'\u2019_\u00a0\u2007\u2009\u202f])\d{{3}})
                              (?:(?P=group)\d{{3}})* (?!\d) (?:\.\d+)?    # 1,000.5
                    | \d{{1,3}} (?:\.\d{{3}}){{2,}} (?![.\d])             # 1.000.000
                    | \d{{1,2}} (?:,\d\d)+ ,\d{{3}} (?![\d,]) (?:\.\d+)? # 12,34,567
                    | \d{{1,2}} (?:\ \d{{3}}){{2,}} (?!\d|\ \d)         # 1 234 567
                    | \d{{1,3}} (?:\ \d{{3}})*? \ 0\d\d (?!\d|\ \d{{3}}\b) # 12 000
                    | \d+ (?:\.\d+)?                                    # 1000.5
                    | \.\d+ )                                           # .5
            (?P<power>[eE][-+]?\d{{1,3}} (?!\d)
                    | \s*(?:[x\u00d7*\u00b7]|\\times|\\cdot)\s*10\s*\^\s*{_raised(3)} )?
            (?: (?<=\d) \ ? (?P<vulgar>[\u00bc-\u00be\u2150-\u215e])
              | \^(?P<raised>{_raised(2)})
              | \ (?P<part>\d{{1,4}}/\d{{1,4}}) (?![\d/]|\.\d)
              | \ ?/\ ?(?P<under>\d{{1,15}}) (?![\d/]|\.\d) )?
            (?P<scale> [\ -]?(?:hundred|thousand|million|billion|trillion)s?\b
                    | \ ?(?:[kM]|bn|mn)\b | (?(currency)\ ?(?:K|B|T|m)\b|(?!)) )?
          | (?P<alone>[\u00bc-\u00be\u2150-\u215e]) )
        (?P<percent> \s?(?:%|per\ ?cent\b) )?""",
    re.VERBOSE,
)
"""One number, with its sign, currency, power, fraction, scale and per cent."""

_SIGNS = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2212\uff0d\ufe63", "-")
    | {"\uff0b": "+", "\uff0e": ".", "\u2044": "/", "\u066b": ".", "\u066c": ",", "\uff05": "%"}
)
_RAISED = "\u2070\u00b9\u00b2\u00b3\u2074-\u2079\u207a\u207b"
_SMALL = str.maketrans(
    "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207a\u207b"
    "\u2080\u2081\u2082\u2083\u2084\u2085\u2086\u2087\u2088\u2089",
    "0123456789+-0123456789",
)
_SET_SMALL = (
    (re.compile(rf"(?<=\d)[{_RAISED}]{{1,9}}(?=/[\u2080-\u2089])"), r" {}"),
    (re.compile(rf"[{_RAISED}]{{1,9}}(?=/[\u2080-\u2089])"), r"{}"),
    (re.compile(r"(?<=/)[\u2080-\u2089]+"), r"{}"),
    (re.compile(rf"(?<=\d)[{_RAISED}]{{1,9}}"), r"^{}"),
)
_TEX = re.compile(r"[\\{^_]")
_DRESS = (
    (re.compile(r"(?<=\d)(?:\{,\}|\\!,|,\\!|\\,|\\;|\\:|\\ |~)(?=\d{3})"), ","),
    (re.compile(r"\\([$%])"), r"\1"),
    (re.compile(r"\\[dtc]?frac\s*(\d)\s*(\d)"), r"\\frac{\1}{\2}"),
    (re.compile(r"(?<=\d)\s*\\[dtc]?frac\s*\{\s*(\d+)\s*\}\s*\{\s*(\d+)\s*\}"), r" \1/\2"),
    (re.compile(r"\\[dtc]?frac\s*\{\s*(-?\d+(?:\.\d+)?)\s*\}\s*\{\s*(\d+)\s*\}"), r"\1/\2"),
    (re.compile(r"(?<=[A-Za-z)}])\s*\^\s*(?:\{[^{}]*\}|[-+]?\d+)"), ""),
    (re.compile(r"_\{[^{}]*\}"), ""),
)
_WORDS = re.compile(
    r"(?:(?<==)|(?<== )|(?<=\u2248 ))- (?=[$\u20ac\u00a3]?\.?\d)"
    r"|(?i:\bnegative\s+|(?:(?<=\bis )|(?<=: )|(?<== )|\A)minus\s+)(?=[$\u20ac\u00a3]?\.?\d)"
)
_STARS = re.compile(r"(?<=\d)\*\*(?=[-+]?\d)")
_DATE = re.compile(r"(?<![\d/])\d+(?:/\d+){2,}")
_UNCLEAR_BEFORE = re.compile(
    r"(?:\\sqrt\s*(?:\[[^\]]*\])?\s*\{?\s*|\u221a\s*\(?|\d:|(?<![a-zA-Z])[a-z]/"
    r"|\\(?:log|ln|lg|exp|sin|cos|tan)(?:_\w)?\s*[({]?|\b(?:sqrt|log|ln|exp|sin|cos|tan)\("
    r"|[)}\u03c0]\s?/\s?|\\pi\s?/\s?|\\overline\s*\{|\d\.\(|(?:\u00b1|\\pm)\s?|\d,+|-\(|\^[{(]?"
    r"|\\[dtc]?frac\s*\{(?:(?:[^{}]|\{[^{}]*\})*\}\s*\{)?[^{}]*)\Z"
)
_UNCLEAR_AFTER = re.compile(
    r"\s?/?\s?(?:\\pi|\u03c0|\\sqrt|\u221a)|:\d\d|(?<=\b0)[xX][\da-fA-F]|[eE][-+]?\d"
    r"|\)?\^[{(]?(?!(?:st|nd|rd|th|o)\b)[-+\w]"
)
_COMMA = re.compile(
    rf"(?<![\w.,])(?P<sign>[-+]?)(?P<before>{_CURRENCY}\ ?)?"
    r"(?P<whole>\d+(?:[ \u00a0\u2009\u202f]\d{3})*),(?P<part>\d+)(?![\d,/^]|\.\d)"
    r"(?P<after>\s?(?:[$\u20ac\u00a3\u00a5\u20b9\u20a9%]|(?:[kcm]?m|[km]?g|km/h|m?[lL]|h|EUR|USD)\b))?"
)
_SPACED = re.compile(r"(?<![\d.,:] )(?<![\w.,:])\d{1,3} \d{3}(?:\.\d+)?\Z")
_THOUSAND = 3


def dressed(text: str) -> str:
    """Take off what only sets a number: TeX, odd signs, words for a sign."""
    text = _WORDS.sub("-", text.translate(_SIGNS))
    for small, into in _SET_SMALL:
        text = small.sub(partial(_set_full, into), text)
    text = _STARS.sub("^", text)
    text = _DATE.sub(lambda match: match[0].replace("/", "|"), text)
    if _TEX.search(text):
        for pattern, plain in _DRESS:
            text = pattern.sub(plain, text)
    return _COMMA.sub(_pointed, text)


def is_unclear(match: re.Match[str]) -> bool:
    """Whether a number is one of a pair such as `3,14` or `1 234`, or part of an expression."""
    text = match.string
    before = text[max(match.start() - 40, 0) : match.start()]
    if _UNCLEAR_BEFORE.search(before) or _UNCLEAR_AFTER.match(text, match.end()):
        return True
    if match["under"] and not int(match["under"]):
        return True
    if " " not in (match["body"] or "") and _SPACED.search(before + match[0]):
        return True
    pairs = _COMMA.finditer(text, match.start() - len(before))
    return any(pair.start() <= match.start() < pair.end() and _is_pair(pair) for pair in pairs)


def _set_full(into: str, match: re.Match[str]) -> str:
    return into.format(match[0].translate(_SMALL))


def _pointed(match: re.Match[str]) -> str:
    """Write a decimal comma as a point."""
    if not _is_decimal(match):
        return match[0]
    whole = re.sub(r"\D", "", match["whole"])
    return f"{match['sign']}{match['before'] or ''}{whole}.{match['part']}{match['after'] or ''}"


def _is_pair(match: re.Match[str]) -> bool:
    """Whether two numbers beside a comma are neither thousands nor clearly one decimal."""
    return not _is_decimal(match) and not re.fullmatch(
        r"\d{1,3},\d{3}", f"{match['whole']},{match['part']}"
    )


def _is_decimal(match: re.Match[str]) -> bool:
    """Whether a comma can only be that of a decimal: a unit is beside it, or a zero before it."""
    whole = match["whole"]
    if whole == "0" or (not whole.isdigit() and len(match["part"]) != _THOUSAND):
        return True
    return bool(match["before"] or match["after"]) and len(match["part"]) != _THOUSAND
