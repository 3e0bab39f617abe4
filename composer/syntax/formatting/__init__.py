"""The tree and its comments back to canonical text, in either notation."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from composer.syntax.formatting.page import page
from composer.syntax.literals import NOTHING
from composer.syntax.reading import YAML

if TYPE_CHECKING:
    from composer.syntax.formatting.page import Page
    from composer.syntax.tree import File


NOTATIONS = ("ens", "yaml")


def notation(name: str) -> str:
    """Tell by a file's name which notation it is written in."""
    return "yaml" if name.lower().endswith(YAML) else "ens"


def formatted(file: File, to: str | None = None) -> str:
    """Write a recipe as canonical text, in its own notation or in another."""
    source_notation = notation(file.source.name)
    return to_yaml(file) if (to or source_notation) == "yaml" else to_ens(file)


def to_ens(file: File) -> str:
    """Write a recipe as canonical `.ens` text."""
    from composer.syntax.formatting.ens_statements import EnsStatements
    from composer.syntax.formatting.ens_text import write

    as_written = notation(file.source.name) == "ens"
    laid_out = page(file, EnsStatements(as_written=as_written).item)
    if not as_written:
        _part_kinds(laid_out)
    rows: list[str] = []
    for entry in laid_out.entries:
        for remark in entry.remarks:
            rows += [""] * remark.blank + [remark.text]
        rows += [""] * (entry.blank and bool(rows)) + entry.item.leading
        trailing = f"  {entry.item.trailing}" if entry.item.trailing else ""
        rows.append(write(entry.item.value, 0, 0) + trailing)
    for remark in laid_out.remarks:
        rows += [""] * remark.blank + [remark.text]
    return "\n".join([*rows, ""]) if rows else ""


def to_yaml(file: File) -> str:
    """Write a recipe as canonical YAML."""
    from composer.syntax.formatting.yaml_statements import item
    from composer.syntax.formatting.yaml_text import text

    laid_out = page(file, item)
    if notation(file.source.name) != "yaml":
        _part_kinds(laid_out)
    return text(laid_out)


def same(file: File, other: File) -> bool:
    """Say whether two recipes mean the same, and have the same number of comments."""
    if len(file.comments) != len(other.comments):
        return False
    if file.statements == other.statements:
        return True
    # A template that triple quotes cannot hold gets a comment of Jinja, which renders as nothing.
    return repr(file.statements).replace(NOTHING, "") == repr(other.statements).replace(NOTHING, "")


def _part_kinds(laid_out: Page) -> None:
    """Put a blank line where another kind of statement begins."""
    for before, entry in pairwise(laid_out.entries):
        if type(before.statement) is not type(entry.statement):
            entry.apart()
