"""Stages that begin ahead: who runs with whom, and what is cancelled."""

import asyncio
from dataclasses import dataclass

import pytest

from composer.methods import Constant, Rule
from composer.steps.cascading import cascade
from composer.values import ModelError
from composer.values.gather import FINAL

FINAL_CODE = min(FINAL)


@dataclass
class Slow:
    """A branch that takes its time, and logs when it begins and ends."""

    name: str
    value: object
    log: list[str]
    waits: float = 0.0

    async def __call__(self):
        self.log.append(f"{self.name} begins")
        try:
            await asyncio.sleep(self.waits)
        except asyncio.CancelledError:
            self.log.append(f"{self.name} is cancelled")
            raise
        self.log.append(f"{self.name} answers")
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


def stages(text, *values):
    log = []
    made = [
        Slow("ABC"[at], text(v, "ABC"[at]) if isinstance(v, str) else v, log, waits=0.01 * (at + 1))
        for at, v in enumerate(values)
    ]
    return made, log


def takes(*, answer):
    return Rule(Constant(answer))


def test_what_is_not_needed_is_cancelled(run, ask, query, text):
    branches, log = stages(text, "a", "b", "c")
    answer = run(cascade(query, *branches, accept=takes(answer=True), ahead=True, ask=ask))
    assert answer.text == "a"
    assert log == ["A begins", "B begins", "A answers", "B is cancelled"]


def test_what_is_needed_has_begun_and_runs_once(run, ask, query, text):
    branches, log = stages(text, "a", "b", "c")
    answer = run(cascade(query, *branches, accept=takes(answer=False), ahead=True, ask=ask))
    assert answer.text == "c"
    assert log[:4] == ["A begins", "B begins", "A answers", "C begins"]
    assert sorted(log[4:]) == ["B answers", "C answers"]


def test_a_stage_that_fails_is_followed_by_the_one_that_has_begun(run, ask, query, text):
    branches, log = stages(text, ValueError("no"), "b", "c")
    answer = run(cascade(query, *branches, accept=takes(answer=True), ahead=True, ask=ask))
    assert answer.text == "b"
    assert log[-1] == "C is cancelled"


def test_after_an_answer_the_first_stage_begins_at_once(run, ask, text):
    branches, log = stages(text, "b")
    answer = run(cascade(text("a"), *branches, accept=takes(answer=True), ahead=True, ask=ask))
    assert answer.text == "a"
    assert set(log) <= {"A begins", "A is cancelled"}


def test_a_rehearsal_lets_it_finish(run, ask, query, text):
    branches, log = stages(text, "a", "b", "c")
    run(cascade(query, *branches, accept=takes(answer=True), ahead=True, finish=True, ask=ask))
    assert log[-1] == "B answers"


def test_an_error_that_ends_all_cancels_the_rest(run, ask, query, text):
    branches, log = stages(text, ModelError(FINAL_CODE, "the budget is spent"), "b")
    with pytest.raises(ModelError):
        run(cascade(query, *branches, accept=takes(answer=True), ahead=True, ask=ask))
    assert log[-1] == "B is cancelled"
