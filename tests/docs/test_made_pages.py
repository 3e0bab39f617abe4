"""The pages that are made from the code say what the code says now."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def make():
    spec = importlib.util.spec_from_file_location("make", DOCS / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["reference", "errors"])
def test_the_page_is_fresh(make, page):
    kept = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    assert kept == getattr(make, page)(), "run `python docs/make.py`"
