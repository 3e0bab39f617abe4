"""What a cascade does by what decides: the stages that run, and the answer that is taken."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.methods import One, PartError
from composer.methods.acceptances.base import Acceptance
from composer.methods.cascade_state import Move
from composer.methods.estimators.base import Estimator
from composer.methods.estimators.values import Estimates
from composer.steps.cascading import CASCADE, cascade, every_stage
from composer.values.gather import MissingAnswer, TooFewError


class Told(Estimator):
    """Estimates by what has answered: a quality for each stage before, and another after."""

    before: tuple[float, ...]
    after: tuple[float, ...]

    async def estimate_after(self, cascade, choices, ask):
        del choices, ask
        pairs = enumerate(zip(self.before, self.after, strict=True))
        return Estimates(tuple(a if at in cascade.answers else b for at, (b, a) in pairs))

    async def estimate(self, query, choices, ask):
        raise NotImplementedError


class Second(Acceptance):
    """Begins with the second stage, and goes back to the first one."""

    def move(self, state):
        return Move(1 if 1 not in state.answers and 1 not in state.failed else 0)


def stages_of(branch, text, *said):
    names = "ABCDE"
    return [
        branch(s if isinstance(s, Exception) else text(s, names[at]), names[at])
        for at, s in enumerate(said)
    ]


def by(before, after, costs, cost=0.0):
    names = tuple("ABCDE"[: len(before)])
    return {
        "by": Told(before=before, after=after),
        "policy": One(cost=cost),
        "stage_names": names,
        "recorded_costs": tuple(costs),
    }


def runs(stages):
    return [stage.runs for stage in stages]


def test_estimates_that_answers_do_not_change_make_a_route(run, ask, branch, query, text):
    stages = stages_of(branch, text, "a", "b", "c")
    how = by((0.2, 0.9, 0.5), (0.2, 0.9, 0.5), (0, 0, 0))
    assert run(cascade(query, *stages, **how, ask=ask)).text == "b"
    assert runs(stages) == [0, 1, 0]


def test_an_answer_that_disappoints_is_followed_by_another(run, ask, branch, query, text):
    stages = stages_of(branch, text, "a", "b")
    how = by((0.8, 0.7), (0.3, 0.9), (0, 0))
    assert run(cascade(query, *stages, **how, ask=ask)).text == "b"
    assert [each["next"] for each in ask.notes["stages"]] == ["B", None]


def test_an_answer_that_is_there_costs_nothing_more(run, ask, branch, query, text):
    """One thousand answers of the second stage cost 1,000 dollars, so 0.3 more is not worth it."""
    stages = stages_of(branch, text, "a", "b")
    how = by((0.5, 0.6), (0.4, 0.7), (0.001, 1.0), cost=0.001)
    assert run(cascade(query, *stages, **how, ask=ask)).text == "a"
    assert runs(stages) == [1, 0]


def test_the_best_of_all_answers_is_taken_when_no_stage_is_left(run, ask, branch, query, text):
    stages = stages_of(branch, text, "a", "b")
    how = by((0.8, 0.7), (0.6, 0.1), (0, 0))
    assert run(cascade(query, *stages, **how, ask=ask)).text == "a"
    assert ask.notes["stages"][-1]["took"] == "A"
    assert runs(stages) == [1, 1]


def test_a_stage_that_fails_is_not_chosen_again(run, ask, branch, query, text):
    stages = stages_of(branch, text, ValueError("gone"), "b", "c")
    how = by((0.9, 0.2, 0.5), (0.9, 0.2, 0.5), (0, 0, 0))
    assert run(cascade(query, *stages, **how, ask=ask)).text == "c"
    assert runs(stages) == [1, 0, 1]


def test_an_acceptance_may_ask_in_any_order(run, ask, branch, query, text):
    stages = stages_of(branch, text, "a", "b", "c")
    assert run(cascade(query, *stages, accept=Second(), ask=ask)).text == "a"
    assert runs(stages) == [1, 1, 0]


def test_where_what_decides_fails_the_next_stage_is_asked(run, ask, branch, query, text):
    class Broken(Acceptance):
        def move(self, state):
            raise PartError("E509", f"{len(state.names)} stages are too many", "leave one out")

    stages = stages_of(branch, text, "a", "b")
    assert run(cascade(query, *stages, accept=Broken(), ask=ask)).text == "b"
    assert "accept" in ask.notes["failed"]


def test_an_answer_before_the_stages_is_the_first_of_them(run, ask, branch, text):
    stages = stages_of(branch, text, "a", "b")
    how = by((0.1, 0.2, 0.3), (0.9, 0.2, 0.3), (0, 0, 0))
    assert run(cascade(text("given"), *stages, **how, ask=ask)).text == "given"
    assert runs(stages) == [0, 0]


def test_stages_go_on_where_the_answer_before_them_failed(run, ask, branch, text):
    stages = stages_of(branch, text, "a", "b")
    lost = MissingAnswer("Z", ValueError("no"))
    how = by((0.1, 0.2, 0.3), (0.9, 0.2, 0.3), (0, 0, 0))
    assert run(cascade(lost, *stages, **how, ask=ask)).text == "b"


def test_every_attempt_may_fail(run, ask, branch, query, text):
    stages = stages_of(branch, text, ValueError("1"), ValueError("2"))
    with pytest.raises(TooFewError, match="every attempt failed"):
        run(cascade(query, *stages, **by((1, 2), (1, 2), (0, 0)), ask=ask))


def test_every_stage_is_asked_and_kept_for_a_fit(run, ask, branch, query, text):
    stages = stages_of(branch, text, "a", ValueError("gone"), "c")
    state = run(every_stage(query, *stages, ask=ask)).facts[CASCADE]
    assert {at: each.text.text for at, each in state.answers.items()} == {0: "a", 2: "c"}
    assert (state.names, state.failed, state.open) == (("A", "B", "C"), {1}, ())


QUALITY = st.floats(0, 1)


@given(st.lists(st.tuples(QUALITY, QUALITY, st.floats(0, 2)), min_size=2, max_size=5), QUALITY)
def test_a_cascade_ends_with_an_answer_that_no_open_stage_beats(rows, price):
    """Whatever is estimated: each stage runs once at most, and the answer is worth the most."""
    import asyncio

    from tests.steps.conftest import QUERY, Asked, Branch, Text

    before, after, costs = zip(*rows, strict=True)
    names = "ABCDE"[: len(rows)]
    stages = [Branch(Text(QUERY, name, name), name) for name in names]
    how = by(before, after, [each / 1000 for each in costs], cost=price)
    answer = asyncio.run(cascade(QUERY, *stages, **how, ask=Asked()))
    taken = names.index(answer.text)
    assert max(runs(stages)) == 1
    assert runs(stages)[taken] == 1
    for at, (expected, found, dollars) in enumerate(rows):
        worth = found if stages[at].runs else expected - price * dollars
        assert worth <= after[taken] + 1e-9 or math.isclose(worth, after[taken])
