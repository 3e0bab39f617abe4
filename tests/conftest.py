"""Fixtures that all tests share."""

import importlib.util
from pathlib import Path

import pytest


def _beside(name):
    """Load a helper of this folder, which is on no import path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def golden():
    """Compare a text with an expected one: `golden(path, actual)`."""
    return _beside("golden").check
