"""The examples of pages that ask a server do what their pages say, in other programs.

A block `console serve` starts the server, one of `python served` is a program of its own, and in
one of `console served` the lines under each `$ ...` are what the shell prints for it, but for the
measured numbers in it. Pages say `localhost:8000`; the server has a free port.
"""

import contextlib
import re
import shlex
import sys

import pytest
from clients import run_client
from pages import alike, blocks
from serve_process import ROOT, ServeProcess

pytestmark = pytest.mark.slow

ADDRESS = "http://localhost:8000"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ASKING = [page for page in PAGES if any(block.served for block in blocks(page))]
MEASURED = re.compile(r"\d+\.\d+|\b\d{4,}\b|\b[0-9a-f]{12,}\b")
SHOWN = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


@pytest.mark.parametrize("page", ASKING, ids=lambda page: page.name)
def test_page_runs(page, tmp_path):
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    compose = tmp_path / "bin" / "compose"
    compose.parent.mkdir()
    compose.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m composer "$@"\n')
    compose.chmod(0o755)
    with contextlib.ExitStack() as server:
        url = ADDRESS
        for block in blocks(page):
            if block.file:
                (tmp_path / block.file).write_text(block.text, encoding="utf-8")
            elif "serve" in block.marks.split():
                server.close()
                url = server.enter_context(start(block, tmp_path)).address
            elif block.served and block.kind == "python":
                run_program(block, url, tmp_path)
            elif block.served:
                run_shell(block, url, tmp_path)


def start(block, folder):
    """Start the server of a block: variables of the environment, then `compose serve ...`."""
    words = shlex.split(SHOWN.match(block.text)[1])
    at = words.index("compose")
    settings = dict(word.split("=", 1) for word in words[:at])
    assert words[at + 1] == "serve", block
    return ServeProcess(*words[at + 2 :], folder=folder, **settings)


def run_program(block, url, folder):
    """Run a block as a program of the clients' environment."""
    file = folder / f"{block.page.stem}_{block.line}.py"
    file.write_text(block.text.replace(ADDRESS, url), encoding="utf-8")
    run_client("python", ROOT / "tests" / "helpers" / "pages.py", file, folder=folder)


def run_shell(block, url, folder):
    """Run the commands of a block; each prints what the page shows."""
    for command, expected in SHOWN.findall(block.text):
        line = f'PATH="{folder}/bin:$PATH"; {command.replace(ADDRESS, url)}'
        printed = run_client("bash", "-c", line, folder=folder).replace(url, ADDRESS)
        assert alike(measured(expected), measured(printed)), f"{block}: $ {command}\n{printed}"


def measured(text):
    """Leave measured numbers and names that are drawn out of a comparison."""
    return MEASURED.sub("#", text)
