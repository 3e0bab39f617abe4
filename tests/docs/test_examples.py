"""Every example of the README and of docs/ does what its page says.

A page's blocks run in order, in a folder of their own that sees the project's. Blocks marked
`ens` are recipes without mistakes, or with the one whose code stands behind the mark, and so are
those marked `yaml` and a file name, under which a block is kept for what follows. Those that
declare no models take the zoo's. In `python` blocks a comment behind an expression is its value,
and in `console` blocks the lines under `$ compose ...` are what it prints, but for the measured
numbers in it. Both may leave something out with `...`. COMPOSER_ACCEPT=1 writes what is printed
anew. Blocks marked `serve` or `served` are run by tests/clients/test_pages.py.
"""

import contextlib
import io
import os
import re
import shlex
from pathlib import Path

import pytest
from pages import alike, blocks, run_python

from composer.cli import main
from composer.cli.verbs import VERBS
from composer.diagnostics import draw
from composer.methods.table import BUILT_IN
from composer.recipe import Mistakes, Recipe
from composer.steps import STEPS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MEMBERS = 'use "zoo.ens" (A, B, C, D, general, general_2, maths, text, other, large)\n'
EXPECTED = {"E510", "W202", "W501"}
"""Also what needs a package of an extra: it may not be installed here."""
TIMES = re.compile(r"\b\d+\.\d+(?= s\b)|\b[\d,]+(?= a second\b)")
MEASURED = re.compile(r"[-+]?(?:\d+\.\d+|\d{1,3}(?:,\d{3})+)")


ALL = [block for page in PAGES for block in blocks(page)]
RECIPES = [block for block in ALL if block.kind == "ens" or block.file]


@pytest.mark.parametrize("block", RECIPES, ids=str)
def test_recipe_is_as_the_page_says(block, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MY_MODEL", "org/name")
    own = re.search(r"^(use|model)[ :]", block.text, re.MULTILINE)
    file = tmp_path / f"recipe.{block.kind}"
    file.write_text(block.text if own else MEMBERS + block.text, encoding="utf-8")
    found = diagnostics(file)
    codes = {each.code for each in found}
    said = "\n".join(map(draw, found))
    assert block.code in codes if block.code else codes <= EXPECTED, f"{block}:\n{said}"


def diagnostics(file):
    try:
        return Recipe.load(file).check()
    except Mistakes as mistakes:
        return mistakes.diagnostics


RUNNING = [
    pytest.param(page, marks=[pytest.mark.slow] if page.name == "walk.md" else []) for page in PAGES
]
"""The walk tunes and fits on hundreds of rows; other pages run the verbs that it shows."""


@pytest.mark.parametrize("page", RUNNING, ids=lambda page: page.name)
def test_page_runs(page, monkeypatch, tmp_path):
    for name in ("recipes", "composer"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    names = {}
    for block in blocks(page):
        if block.served:
            continue
        if block.file:
            Path(block.file).write_text(block.text, encoding="utf-8")
        elif block.kind == "python":
            run_python(block.text, f"{block.page.name}:{block.line + 1}", names)
        elif block.kind == "console":
            run_console(block, tmp_path)


def test_readme_tells_every_step_and_verb():
    rows = re.findall(r"^\| (`.*?) \|", PAGES[0].read_text(encoding="utf-8"), re.MULTILINE)
    told = {word for row in rows for word in re.findall(r"`(?:compose )?(\w+)`", row)}
    steps = {name for name, step in STEPS.items() if not step.sign}
    assert told >= steps | set(VERBS)


def run_console(block, folder):
    """Run the commands of a block and hold what they print against what the page shows."""
    shown = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    for each in shown:
        command, _, expected = each.partition("\n")
        actual = run_command(command).replace(f"{folder}/", "").replace(f"{ROOT}/", "")
        same = alike(measured(expected), measured(actual))
        if os.environ.get("COMPOSER_ACCEPT") and not same:
            accept(block.page, f"$ {each}", f"$ {command}\n{TIMES.sub('...', actual)}")
        else:
            assert same, f"{block}: $ {command}\n{actual}"


def accept(page, old, new):
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace(old, new), encoding="utf-8")


def measured(text):
    """Leave measured numbers out of a comparison: they differ a little from machine to machine."""
    return re.sub(r" +", " ", MEASURED.sub("#", text))


def run_command(line):
    """Return what `compose ...` prints, warnings and all."""
    program, *arguments = shlex.split(line, comments=True)
    assert program == "compose", f"only compose is run here, not {line!r}"
    printed = io.StringIO()
    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        contextlib.suppress(SystemExit),
    ):
        main(arguments)
    return printed.getvalue()


def test_design_has_the_floors_that_are_held():
    layers = re.search(r"layers =\n((?: .*\n)+)", (ROOT / ".importlinter").read_text())[1]
    held = [set(re.findall(r"composer\.([\w.]+)", line)) for line in layers.splitlines()]
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \d+ \| (.*?) \|", page, re.MULTILINE)
    told = [set(re.findall(r"`composer/([\w/]+?)(?:/|\.py)`", row)) for row in reversed(rows)]
    assert [{name.replace("/", ".") for name in floor} for floor in told] == held[1:]


def test_design_names_files_and_folders_that_exist():
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    tops = (ROOT, ROOT / "composer", ROOT / "composer" / "methods")
    sources = [
        path for name in ("composer", "docs", "tests") for path in (ROOT / name).rglob("*.[jp][sy]")
    ]
    files = {
        path.relative_to(top).as_posix()
        for path in sources
        for top in tops
        if path.is_relative_to(top)
    }
    names = {name.rpartition("/")[2] for name in files}
    folders = {f"{parent.as_posix()}/" for name in files for parent in Path(name).parents}
    named = set(re.findall(r"[\w/]+\.py", page)) - {"NAME_.py"}
    assert len(named) > 60
    assert sorted(named - files - names) == []
    assert sorted(set(re.findall(r"`((?:[a-z]\w*/)+)`", page)) - folders) == []


def test_the_language_lists_all_parts_of_a_kind():
    page = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) \| ((?:`\w+` ?)+)\|", page, re.MULTILINE)
    listed = {kind: set(re.findall(r"\w+", parts)) for kind, parts in rows if kind in BUILT_IN}
    assert len(listed) > 20
    assert listed == {kind: set(BUILT_IN[kind]) for kind in listed}
