"""A fake Asker, so that steps are called as the plain functions that they are."""

import asyncio
import random
from dataclasses import dataclass, field

import pytest

from composer.backends.fake import Fake
from composer.specs import Declared
from composer.values import Candidates, Query, Score, Text, Usage

QUERY = Query.of("Why?", id="q1")


@dataclass
class Asked:
    """Answers with the model's name and a number, and remembers what it was asked."""

    rng: random.Random = field(default_factory=lambda: random.Random(0))
    notes: dict = field(default_factory=dict)
    calls: list = field(default_factory=list)

    shown = False

    async def generate(self, model, query, sampling, *, draft=False):
        del draft
        self.calls.append((model.name, query.text, sampling))
        said = model.declaration.says or f"{model.name}{len(self.calls)}"
        return Text(query, said, model.name, (said,), (-0.5,), 0.6)

    async def score(self, model, query, text):
        del model, query
        return Score((text,), (-float(len(text)),))

    async def perplexity(self, model, query):
        self.calls.append((model.name, query.text, None))
        return Score(("x",), (-float(len(model.name)),))

    def note(self, **facts):
        self.notes.update(facts)

    def keep(self, value):
        self.kept = value

    def spent(self):
        return Usage(calls=len(self.calls)), 0.0

    async def together(self, work, item, part=""):
        del part
        return work([item])[0]

    async def compute(self, function):
        return function()


@dataclass
class Branch:
    """A branch that gives a value, or raises, and counts how often it ran."""

    value: object
    name: str = "branch"
    runs: int = 0

    async def __call__(self):
        self.runs += 1
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


@pytest.fixture
def ask():
    return Asked()


@pytest.fixture
def branch():
    """Make branches: `branch(value, name)`."""
    return Branch


@pytest.fixture
def run():
    """Run a step that asks to its end."""
    return asyncio.run


@pytest.fixture
def text():
    """Make an answer to `Why?`."""
    return lambda said, source="A", **more: Text(QUERY, said, source, **more)


@pytest.fixture
def answers(text):
    """Make candidates of texts, written by A, B, C, ..."""

    def make(*said):
        names = "ABCDEFGH"[: len(said)]
        return Candidates(
            QUERY, tuple(text(s, n) for s, n in zip(said, names, strict=True)), tuple(names)
        )

    return make


@pytest.fixture
def query():
    return QUERY


@pytest.fixture
def model():
    """Make a model that always says the same, or something new each time."""
    return lambda name, says=None: Declared(name, Fake(says=says))
