"""Scalars of the YAML notation: what is read as an expression, and how text is written."""

from __future__ import annotations

import re

TRAPS = frozenset(
    word
    for base in ("yes", "no", "on", "off", "true", "false", "null", "none")
    for word in (base, base.capitalize(), base.upper())
) - {"true", "false", "none"} | {"~"}
"""Words that some readers of YAML take for a truth value or for nothing, and others do not."""

PLAIN = re.compile(r"-?[A-Za-z0-9_.]+(?:/[A-Za-z0-9_.-]+)*(?:\(\))?|\([A-Za-z_]+\)", re.ASCII)
"""What needs no quotes, whatever stands around it."""


UNWRITTEN = re.compile(
    "[^\t -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
"""Characters that YAML refuses, or takes for the end of a line."""


def comment(text: str) -> str:
    """Write a comment; what YAML cannot hold is replaced."""
    return UNWRITTEN.sub("\N{REPLACEMENT CHARACTER}", text)


def plain(text: str) -> str:
    """Write a name, a number or a file's name, without quotes where that is safe."""
    return text if PLAIN.fullmatch(text) and text not in TRAPS else quoted(text)


def operator(text: str) -> str:
    """Write an expression that is no single word: between quotes that it does not hold itself."""
    if text.isprintable() and ('"' in text or "\\" in text):
        return "'" + text.replace("'", "''") + "'"
    return quoted(text)


def quoted(text: str) -> str:
    """Write a text in double quotes, on one line."""
    return f'"{"".join(map(_escaped, text))}"'


def block(text: str) -> tuple[str, ...] | None:
    """Give the header and the lines of a literal block, if a text has lines and can be one."""
    body = text.removesuffix("\n")
    lines = body.split("\n")
    whole = all(line.isprintable() and (not line or line.strip(" ")) for line in lines)
    if "\n" not in text or not whole or not lines[-1] or not _begins_left(lines):
        return None
    return ("|" if text.endswith("\n") else "|-", *lines)


def _begins_left(lines: list[str]) -> bool:
    """Whether the first line that is not empty is not indented, as a reader takes its measure."""
    return not next((line for line in lines if line), " ").startswith(" ")


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return "\\" + letter
    if letter.isprintable():
        return letter
    if letter in "\n\t\r":
        return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}[letter]
    code = ord(letter)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
