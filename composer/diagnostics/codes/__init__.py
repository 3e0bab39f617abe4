"""The table of codes: what each means, with an example broken and fixed; a file a family."""

from __future__ import annotations

from composer.diagnostics.codes import (
    e1_syntax,
    e2_names,
    e3_ports,
    e4_values,
    e5_files,
    e7_running,
    e8_serving,
    w_warnings,
)

FAMILIES = (e1_syntax, e2_names, e3_ports, e4_values, e5_files, e7_running, e8_serving, w_warnings)

CODES = {code: entry for family in FAMILIES for code, entry in family.CODES.items()}
"""Each code with its title, a paragraph, and an example broken and fixed."""


def explanation(code: str) -> str | None:
    """Explain a code, in any case of letters; an unknown code has no explanation."""
    entry = CODES.get(code.upper())
    return None if entry is None else entry.explanation(code.upper())
