"""What a code stands for."""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """What a code stands for."""

    title: str
    text: str
    broken: str = ""
    mended: str = ""

    def explanation(self, code: str) -> str:
        """Write it under its code, with the example broken and fixed."""
        parts = [f"{code}: {self.title}", self.text]
        if self.broken:
            parts += ["Broken:", _indented(self.broken)]
        if self.mended:
            parts += ["Fixed:", _indented(self.mended)]
        return "\n\n".join(parts)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())
