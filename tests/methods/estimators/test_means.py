"""Means and their shrinkage, by hand."""

import numpy as np
import pytest

from composer.methods.estimators.means import Constant, Tagged, dollars, error, prior

NAN = np.nan


def test_a_constant_is_the_mean_with_its_standard_error(labels):
    table = labels(
        "abcd",
        [(1, 0), (1, 0), (0, 0), (0, NAN)],
        cost=[(1, 2), (3, 4), (NAN, 6)] * 1 + [(NAN, NAN)],
    )
    found = Constant().predict(Constant().fit(table, 0), [("x", ()), ("y", ())])
    assert found.mean.tolist() == [[0.5, 0.0]] * 2
    assert found.spread[0] == pytest.approx([0.25, 0.0])
    assert found.cost.tolist() == [[2.0, 4.0]] * 2


def test_a_choice_without_labels_has_the_mean_of_all_and_a_wide_spread(labels):
    table = labels("ab", [(1, NAN, 0), (1, NAN, 1)])
    assert prior(table.quality).tolist() == [1.0, 0.75, 0.5]
    assert error(table.quality)[1] == 0.5
    assert prior(np.full((2, 1), NAN)).tolist() == [0.5]
    assert np.isnan(dollars(table)).all()


def test_a_tag_is_shrunk_towards_everything(labels):
    """Two labels of 1 on `x`, overall 1/2, weight 2: (2 + 2 x 1/2) / 4."""
    table = labels("abcd", [(1,), (1,), (0,), (0,)], tags=[("x",), ("x",), ("y",), ()])
    part = Tagged(weight=2)
    queries = [("q", ("x",)), ("q", ("y",)), ("q", ("x", "y")), ("q", ("z",)), ("q", ())]
    found = part.predict(part.fit(table, 0), queries).mean[:, 0]
    assert found == pytest.approx([0.75, 1 / 3, (0.75 + 1 / 3) / 2, 0.5, 0.5])


def test_without_shrinkage_a_tag_without_labels_is_the_overall_mean(labels):
    table = labels("ab", [(1, 1), (NAN, 0)], tags=[("x",), ("y",)])
    part = Tagged(weight=0)
    found = part.predict(part.fit(table, 0), [("q", ("y",))]).mean[0]
    assert found.tolist() == [1.0, 0.0]
