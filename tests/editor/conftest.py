"""Buffers with a cursor in them."""

from pathlib import Path

import pytest

from composer.editor.buffer import Buffer

ROOT = Path(__file__).parents[2]
USED = 'use "zoo.ens" (A, B, C, D)\n'


@pytest.fixture
def put():
    """Make a buffer of a text that shows the cursor as `‸`; return it with the offset."""

    def make(text, path=ROOT / "recipes" / "open.ens"):
        offset = text.index("‸") if "‸" in text else 0
        return Buffer(path, text.replace("‸", "")), offset

    return make


@pytest.fixture
def used(put):
    """Make a buffer that takes the zoo's models first."""
    return lambda text: put(USED + text)
