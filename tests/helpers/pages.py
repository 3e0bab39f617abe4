"""The examples of a page of the documentation: its marked blocks, and how they are run.

    python tests/helpers/pages.py FILE

runs a file as a `python` block is run. This needs nothing but Python.
"""

import ast
import doctest
import re
import sys
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(
    r"^```(ens|yaml|python|console)\b *([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A block of a page: `marks` is what stands behind its kind."""

    page: Path
    line: int
    kind: str
    marks: str
    text: str

    def __str__(self):
        return f"{self.page.name}:{self.line}"

    @property
    def code(self):
        return next(iter(re.findall(r"[EW]\d{3}", self.marks)), None)

    @property
    def file(self):
        return next(iter(re.findall(r"\S+\.(?:ens|yaml)", self.marks)), None)

    @property
    def served(self):
        """Whether it asks a server, or is the one that starts it."""
        return "serve" in self.marks.split() or "served" in self.marks.split()


def blocks(page):
    """Yield the blocks of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        yield Block(page, text.count("\n", 0, found.start()) + 1, *found.groups())


def run_python(text, place, names):
    """Run a text; each expression with a comment behind it has that value."""
    tree = Values(text.splitlines()).visit(ast.parse(text))
    names["_holds"] = holds
    exec(compile(ast.fix_missing_locations(tree), place, "exec"), names)


class Values(ast.NodeTransformer):
    """Makes `value   # shown` a call that compares the two."""

    def __init__(self, lines):
        self.lines = lines

    def visit_Expr(self, statement):
        value = statement.value
        shown = self.lines[value.end_lineno - 1][value.end_col_offset :].strip()
        if not shown.startswith("# "):
            return statement
        call = ast.Call(ast.Name("_holds", ast.Load()), [ast.Constant(shown[2:]), value], [])
        return ast.copy_location(ast.Expr(call), statement)


def holds(shown, value):
    """Fail unless a value is as it is shown."""
    assert alike(shown, repr(value)), f"{value!r}, not {shown}"


def alike(expected, actual):
    """Compare printed texts; `...` stands for anything, spaces at the ends of lines for nothing."""
    texts = ("\n".join(map(str.rstrip, text.strip().splitlines())) for text in (expected, actual))
    return doctest.OutputChecker().check_output(*texts, doctest.ELLIPSIS)


if __name__ == "__main__":
    run_python(Path(sys.argv[1]).read_text(encoding="utf-8"), sys.argv[1], {"__name__": "__main__"})
