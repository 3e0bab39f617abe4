"""Queries that are decided without a thread of their own are decided as any others."""

import threading

from composer.methods.estimators.learned import FEW, Linear
from composer.recipe import Recipe

QUERIES = ["add sum 3", "word", "sum times 9", "what is it not?", "a longer one: 1 + 2 = 3"]
LINEAR = "linear(features = [tfidf(), shape()])"


def test_few_queries_are_decided_as_many_are_and_in_no_other_thread(desk, monkeypatch):
    path = desk.recipe(by=LINEAR, policy="chance()")
    desk.fit(path, shrink=False, folds=2)
    threads, predict = [], Linear.predict

    def noted(self, state, queries):
        threads.append(threading.current_thread().name)
        return predict(self, state, queries)

    with Recipe.load(path).ready() as ensemble:
        together = ensemble.decide(QUERIES)
        monkeypatch.setattr(Linear, "predict", noted)
        assert ensemble.decide(QUERIES[:FEW]) == together[:FEW]
        assert ensemble.decide(QUERIES[:1]) == together[:1]
        assert ensemble.decide(QUERIES) == together
    assert threads[:2] == ["compose", "compose"]
    assert threads[2] != "compose"
