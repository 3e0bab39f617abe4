"""Every causal architecture of the installed transformers against its own `generate`."""

import os
from pathlib import Path

import pytest
import torch
import transformers
from architectures import KINDS, page, row_of, rows_of

PAGE = Path(__file__).parents[2] / "docs" / "architectures.md"
PARTS = 8


def kept():
    """What the page says, by architecture."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    return {row.kind: row for row in rows_of(text)}


def is_of_this_version():
    return f"transformers {transformers.__version__}:" in PAGE.read_text(encoding="utf-8")


def test_the_page_counts_what_its_table_says():
    if not is_of_this_version():
        pytest.skip("the page is of another transformers")
    assert page(kept().values()) == PAGE.read_text(encoding="utf-8")
    assert sorted(kept()) == KINDS


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [pytest.param(kind, id=f"part{n % PARTS}-{kind}") for n, kind in enumerate(KINDS)]
)
def test_an_architecture_is_read_as_the_page_says(kind):
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    row = row_of(kind)
    if os.environ.get("COMPOSER_ACCEPT"):
        PAGE.write_text(page((kept() | {kind: row}).values()), encoding="utf-8")
    elif is_of_this_version():
        assert row == kept()[kind]
    elif kept().get(kind, row).equal == "yes":
        assert row.equal in {"yes", ""}
