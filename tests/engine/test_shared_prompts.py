"""Draws of one prompt: it is read once, and each draw is what it would be alone."""

import pytest
from fusing import Job

from composer.engine.engine import Engine
from composer.engine.rows.runner import Runner
from composer.values import Sampling

PROMPT = "Once upon a time there was a girl who had a red ball. " * 4
LONG = PROMPT * 3
"""More tokens than a row reads in one step."""


@pytest.fixture
def read(monkeypatch):
    """The number of tokens of each row in each forward pass."""
    passes = []
    forward = Runner.forward

    def counted(runner, feeds, **how):
        passes.append([len(feed.ids) for feed in feeds])
        return forward(runner, feeds, **how)

    monkeypatch.setattr(Runner, "forward", counted)
    return passes


def draws(model, seeds, prompt=PROMPT, tokens=6):
    """Draw answers that begin together."""
    asked = ((("user", prompt),),)
    hows = [Sampling(temperature=1.0, max_tokens=tokens, seed=seed) for seed in seeds]
    with Engine() as engine:
        tasks = [engine.task(Job(model, asked, how), None) for how in hows]
        engine.begin(tasks)
        return [task.future.result(60).text for task in tasks]


@pytest.mark.parametrize(("name", "prompt"), [("stories", PROMPT), ("rwkv", LONG)])
def test_a_prompt_is_read_once_however_many_draws(model, read, name, prompt):
    one = draws(model(name), [0], prompt)
    alone = sum(map(sum, read))
    read.clear()
    several = draws(model(name), range(6), prompt)
    assert several[0] == one[0]
    assert sum(map(sum, read)) <= alone + 6 * (6 + 1)


@pytest.mark.slow
def test_a_draw_that_begins_later_copies_a_prompt_that_was_read(model, read):
    stories, asked = model("stories"), ((("user", PROMPT),),)
    pieces = []
    with Engine() as engine:
        second = engine.task(Job(stories, asked, Sampling(temperature=1.0, seed=1)), None)

        def begin(piece):
            if not pieces:
                engine.begin([second])
            pieces.append(piece)

        first = engine.generate(Job(stories, asked, Sampling(max_tokens=200)), begin)
        late = second.future.result(60).text
        first.result(60)
    assert max(map(max, read[1:])) == 1
    assert [late] == draws(stories, [1], tokens=512)
