"""What a user sees today, kept so that it stays: only the command and the public face are used."""

import contextlib
import io
import json
import math
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
CLOSE = 2e-4
"""Numbers that differ by less are the same: another processor adds up in another order."""

CLOCK = ("seconds", "start")
"""What a clock says of a step or a run."""

NUMBER = re.compile(r"(-?\d+\.\d+)")


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Several test processes on one machine wait for each other's threads."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def compose():
    """Run the command in this process; return its status, its output and what it says besides."""
    from composer.cli import main

    def call(*arguments):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main([str(each) for each in arguments])
            except SystemExit as end:
                status = end.code
        return status, out.getvalue(), err.getvalue()

    return call


@pytest.fixture
def portable(tmp_path):
    """Leave out of a text what the machine decides: devices, and where files lie."""

    def strip(text):
        text = re.sub(r"cuda:\d+", "cpu", text)
        text = re.sub(r'(\\?")/.*?\1', r"\1PATH\1", text)
        return text.replace(str(tmp_path), "HERE").replace(str(ROOT), "ROOT")

    return strip


@pytest.fixture(scope="session")
def pinned(golden):
    """Hold values against the kept ones, a JSON line each, without times.

    Numbers may differ a little.
    """

    def check(path, values):
        now = [
            json.dumps(_plain(each), ensure_ascii=False, default=lambda value: type(value).__name__)
            for each in values
        ]
        kept = [] if os.environ.get("COMPOSER_ACCEPT") else _lines(path)
        same = len(now) == len(kept)
        golden(path, "\n".join(map(_close, now, kept) if same else now))

    return check


def _lines(path):
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _plain(value):
    """Stop the clock, and round to four digits behind the point, or four that count."""
    match value:
        case float() if value and math.isfinite(value):
            return float(f"{value:.4g}") if abs(value) < 0.01 else round(value, 4)
        case dict():
            return {name: 0 if name in CLOCK else _plain(each) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case _:
            return value


def _close(now, kept):
    """Return the kept text where what is now differs from it in digits of no weight only."""
    mine, theirs = NUMBER.split(now), NUMBER.split(kept)
    if len(mine) != len(theirs):
        return now
    return "".join(
        b if at % 2 and math.isclose(float(a), float(b), abs_tol=CLOSE, rel_tol=CLOSE) else a
        for at, (a, b) in enumerate(zip(mine, theirs, strict=True))
    )
