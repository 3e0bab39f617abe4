"""Arithmetic of queries that come together is done together, and one query cannot fail others."""

import asyncio

import pytest

from composer.methods.estimators.means import Constant
from composer.recipe import Recipe
from composer.values.gathering import Gathering

ROWS = '{"query": "%s", "recorded": {"A": {"correct": true}, "B": {"correct": false}}}\n'
RECIPE = """\
model A = fake("a")
model B = fake("b")
route(by = constant("rows.jsonl")) -> [A, B]
"""


def run(work, items):
    async def all_of_them():
        gathering = Gathering(work)
        outcomes = [gathering.outcome(item) for item in items]
        return await asyncio.gather(*outcomes, return_exceptions=True)

    return asyncio.run(all_of_them())


def test_what_waits_is_worked_on_together():
    sizes = []

    def doubled(items):
        sizes.append(len(items))
        return [2 * item for item in items]

    assert run(doubled, range(10)) == [2 * item for item in range(10)]
    assert sizes == [10]


def test_an_item_that_fails_fails_alone():
    def halves(items):
        return [1 / item for item in items]

    first, none, last = run(halves, [1, 0, 4])
    assert (first, last) == (1.0, 0.25)
    assert isinstance(none, ZeroDivisionError)


def test_a_query_that_is_given_up_does_not_stop_the_others():
    async def given_up():
        gathering = Gathering(list)
        gone, kept = (asyncio.ensure_future(gathering.outcome(at)) for at in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert await kept == 1
        return await gathering.outcome(2)

    assert asyncio.run(given_up()) == 2


def test_queries_under_way_are_decided_together(tmp_path, monkeypatch):
    (tmp_path / "rows.jsonl").write_text("".join(ROWS % at for at in range(6)))
    (tmp_path / "r.ens").write_text(RECIPE)
    sizes, predict = [], Constant.predict

    def counted(self, state, queries):
        sizes.append(len(queries))
        return predict(self, state, queries)

    monkeypatch.setattr(Constant, "predict", counted)
    with Recipe.load(tmp_path / "r.ens").ready() as ensemble:
        ensemble("warm up")
        sizes.clear()
        results = list(ensemble.map([f"q {at}" for at in range(40)]))
    assert [result.answer for result in results] == ["a"] * 40
    assert sum(sizes) == 40
    assert len(sizes) < 20
