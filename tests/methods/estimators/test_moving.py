"""Moving averages of outcomes by tag, and a learned router for other queries."""

import numpy as np
import pytest

from composer.methods.estimators.means import Constant
from composer.methods.estimators.moving import Ema
from composer.methods.estimators.values import Labels

NAMES = ("A", "B")


def labels(*rows):
    """Make labels of rows: the tags, and the quality of A and B."""
    quality = np.array([row[1:] for row in rows], dtype=float)
    unknown = np.full(quality.shape, np.nan)
    queries = tuple(f"Question {at}" for at in range(len(rows)))
    return Labels(queries, tuple(row[0] for row in rows), NAMES, quality, unknown, unknown)


ROWS = labels((("x",), 1, 0), (("x",), 0, 0), ((), 0, 1))


def test_averages_follow_the_order_of_the_rows():
    part = Ema(slow=0.5, fast=1.0, share=0.25, least=0, otherwise=Constant())
    state = part.fit(ROWS, 0)
    # All rows of A have mean 1/3: on `x` the slow average is 1/3, 2/3, 1/3; the fast one ends at 0.
    (mean,) = part.predict(state, [("Why?", ("x",))]).mean
    assert mean[0] == pytest.approx(0.25 / 3)
    assert mean[1] == pytest.approx(0.25 * (1 / 3) / 4)


@pytest.mark.parametrize(("tags", "least"), [((), 0.0), (("new",), 0.0), (("x",), 0.99)])
def test_other_queries_go_to_the_router(tags, least):
    part = Ema(least=least, otherwise=Constant())
    state = part.fit(ROWS, 0)
    assert part.predict(state, [("Why?", tags)]).mean[0] == pytest.approx([1 / 3, 1 / 3])


def test_an_update_moves_one_choice_and_begins_a_new_tag():
    part = Ema(slow=0.5, fast=0.5, least=0)
    state = part.update(part.start(NAMES, 0), ("Why?", ("x",)), 1, 1.0)
    mean = part.predict(state, [("Why?", ("x",)), ("Why?", ())]).mean
    assert mean.tolist() == [[0.5, 0.75], [0.5, 0.75]]
    again = part.update(state, ("Why?", ("y",)), 0, 0.0)
    assert part.predict(again, [("Why?", ("x",)), ("Why?", ("y",))]).mean.tolist() == [
        [0.5, 0.75], [0.25, 0.75],
    ]  # fmt: skip


def test_several_tags_have_their_mean():
    part = Ema(slow=1.0, fast=1.0, least=0, otherwise=Constant())
    state = part.fit(labels((("x",), 1, 0), (("y",), 0, 0)), 0)
    assert part.predict(state, [("Why?", ("x", "y"))]).mean[0] == pytest.approx([0.5, 0])
