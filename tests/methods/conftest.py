"""An asker that answers from a script, and short ways to make values."""

import math
import random

import pytest

from composer.values import Candidates, Query, Score, Text


class Script:
    """Answers `generate` with `reply(model, prompt)` and scores with fixed numbers."""

    def __init__(self, reply=None, scores=None):
        self.rng = random.Random(7)
        self.reply = reply or (lambda _model, _prompt: "")
        self.scores = scores or {}
        self.notes = {}
        self.asked = []
        self.computed = 0

    async def generate(self, model, query, sampling):
        self.asked.append((model.name, query, sampling))
        return Text(query, self.reply(model.name, query.text), model.name)

    async def score(self, model, query, text):
        del query
        return self.scores[model.name, text]

    async def perplexity(self, model, query):
        return self.scores[model.name, query.text]

    def note(self, **facts):
        self.notes |= facts

    async def together(self, work, item, part=""):
        del part
        self.computed += 1
        return work([item])[0]

    async def compute(self, function):
        self.computed += 1
        return function()


@pytest.fixture
def script():
    return Script


@pytest.fixture
def several():
    def make(*texts, question="Which?"):
        query = Query.of(question)
        return Candidates(query, tuple(Text(query, text, name) for name, text in named(texts)))

    def named(texts):
        return zip("ABCDEFGH", texts, strict=False)

    return make


@pytest.fixture
def logs():
    """A score of as many tokens as probabilities."""
    return lambda *p: Score(("t",) * len(p), tuple(math.log(x) for x in p))
