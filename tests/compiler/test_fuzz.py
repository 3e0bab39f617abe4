"""Recipes spoilt byte by byte: whatever comes out is read, or refused in our words, and quickly.

pytest -m slow tests/compiler/test_fuzz.py      # FUZZ=100000 for the long run
"""

import os
import random
import resource
import time
from pathlib import Path

import pytest

from composer.compiler.graph import compile_recipe
from composer.diagnostics import Mistakes, Source

ROOT = Path(__file__).parents[2]
SEEDS = [
    path.read_text(encoding="utf-8")
    for folder in ("recipes", "tests/syntax/golden", "tests/compiler/golden")
    for path in sorted((ROOT / folder).rglob("*.ens"))
]
PIECES = [
    "->", "|", "[", "]", "(", ")", ",", "=", ":", '"', '"""', "#", "\n", " ", "\t", "\x00", "{{",
    "}}", "use", "model", "let", "def", "param", "default", "example", "not", "and", "0", "-1",
    "1e9", "vote()", "route", "token_fuse(A, B)", "\u2192", "\u201c", "\r", "<<<<<<<",
]  # fmt: skip
SLOWEST = 1.0
MEMORY = 500 << 20


def spoilt(text, luck):
    """Return a text with a few random edits: pieces put in, cut out, doubled, moved."""
    for _ in range(luck.randint(1, 4)):
        at, end = sorted(luck.randrange(len(text) + 1) for _ in range(2))
        end = min(end, at + luck.choice((1, 1, 3, 10, 80)))
        match luck.randrange(5):
            case 0:
                text = text[:at] + luck.choice(PIECES) + text[at:]
            case 1:
                text = text[:at] + text[end:]
            case 2:
                text = text[:at] + text[at:end] * luck.choice((2, 2, 50)) + text[end:]
            case 3:
                text = text[:at] + chr(luck.randrange(1, 0x2FF)) + text[at + 1 :]
            case 4:
                other = luck.choice(SEEDS)
                start = luck.randrange(len(other))
                text = text[:at] + other[start : start + 40] + text[at:]
    return text


def read(text):
    try:
        compile_recipe(ROOT / "recipes" / "spoilt.ens", Source("spoilt.ens", text), root=ROOT)
    except Mistakes as mistakes:
        assert str(mistakes)  # noqa: PT017 - drawing it must not fail either


def run(count):
    luck = random.Random(7)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    slow = []
    for _ in range(count):
        text = spoilt(luck.choice(SEEDS), luck)
        began = time.process_time()
        read(text)
        if (took := time.process_time() - began) > SLOWEST:
            slow.append((took, text))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    return slow, grown


def test_a_few_hundred_spoilt_recipes():
    slow, _ = run(300)
    assert not slow


@pytest.mark.slow
def test_many_spoilt_recipes():
    slow, grown = run(int(os.environ.get("FUZZ", "20000")))
    assert not slow
    assert grown < MEMORY
