"""Fixtures that all tests share."""

import gc
import importlib.util
import os
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from sharing import share

from composer import quiet

# The same examples in every run: what a new one finds is found when it is looked for. How long one
# takes says more of the machine than of the code.
EXAMPLES = int(os.environ.get("COMPOSER_EXAMPLES", "40"))
settings.register_profile("repeatable", derandomize=True, max_examples=EXAMPLES, deadline=None)
settings.load_profile("repeatable")

# A look through all objects of torch and transformers takes long, and finds little.
gc.set_threshold(50_000, 20, 50)

# Each test process computes on one core: several of them would wait for each other's threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Tests keep no answers where a user keeps them, and meet none that a user kept.
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="composer-tests-")

# What a shell runs in the background ignores Ctrl-C, and so would each command a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# What a library warns of while it works for us is kept from users, and an error here.
SILENT = quiet._Inside.match
quiet._Inside.match = lambda *_: False


@pytest.fixture
def silencing(monkeypatch):
    """Let warnings inside be ignored, as for users."""
    monkeypatch.setattr(quiet._Inside, "match", SILENT)


@pytest.fixture(autouse=True)
def _models_of_the_zoo_are_loaded_once(monkeypatch):
    """Load and try each model of the zoo once a process, and give tests copies of it."""
    share(monkeypatch)


def _beside(name):
    """Load a helper of this folder, which is on no import path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests():
    """Forget what `env(...)` gave: it stays a secret of its process, and stars in all messages."""
    from composer.diagnostics import secrets

    secrets._GIVEN.clear()


@pytest.fixture(scope="session")
def golden():
    """Compare a text with an expected one: `golden(path, actual)`."""
    return _beside("golden").check
