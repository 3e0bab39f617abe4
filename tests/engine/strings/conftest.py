"""Views of tiny models, driven step by step without an engine's thread."""

import pytest
import torch
from few_tokens import VOCABULARIES, Strings, tiny
from fusing import Job

from composer.engine.sessions.generate import open_sequence
from composer.engine.sessions.prefixes.view import PrefixView
from composer.engine.step import engine_step
from composer.values import Sampling

SAMPLE = Sampling(temperature=1.0)


def run(session):
    """Run a session to its end by engine steps of its own."""
    with torch.inference_mode():
        reply = None
        while True:
            try:
                batch = session.send(reply)
            except StopIteration as end:
                return end.value
            replies = engine_step(batch)
            reply = [replies[request] for request in batch]


@pytest.fixture(scope="session")
def few(tmp_path_factory):
    """Tiny models over vocabularies of two bytes, by name."""
    folder = tmp_path_factory.mktemp("strings")
    return {
        name: tiny(folder / name, *parts, seed, sharp=40.0)
        for seed, (name, parts) in enumerate(VOCABULARIES.items(), 3)
    }


@pytest.fixture(scope="session")
def strings(plain, few):
    """What a tiny model gives to strings after the prompt `ab`, by name."""
    return lambda name: Strings(plain(few[name]), "ab")


@pytest.fixture
def view(engine, few):
    """Open a view of a model after a prompt."""
    made = []

    def opened(model, beam=64, prune=0.0, prompt="ab", sampling=SAMPLE):
        model = few.get(model, model)
        group = engine._group(model)
        with torch.inference_mode():
            sequence = open_sequence(group, Job(model, ((("user", prompt),),), sampling), (1.0,))
        made.append(PrefixView(sequence, sampling, beam, prune))
        return made[-1]

    yield opened
    with torch.inference_mode():
        for each in made:
            each.close()


@pytest.fixture
def session():
    """Run a session to its end."""
    return run


def read(view, text):
    """Follow a text byte by byte; return it as the member sees it."""
    prefix = run(view.start())
    for byte in text:
        (prefix,) = run(view.extended([(prefix, byte)]))
        with torch.inference_mode():
            view.retain([prefix])
    return prefix


@pytest.fixture
def follow():
    """Follow a text byte by byte."""
    return read
