"""Pools grow while requests wait and shrink while replicas are idle, within their bounds."""

import pytest

from composer.cluster.scaling import Load, wanted


@pytest.mark.parametrize(
    ("load", "count"),
    [
        (Load(0, 0, None, 0.0), 2),  # the lower bound
        (Load(2, 0, 0.5, 0.0), 2),  # nobody waits for long
        (Load(2, 0, 1.5, 0.0), 3),  # one more
        (Load(2, 1, 9.0, 0.0), 3),  # the one that starts may do
        (Load(4, 0, 9.0, 0.0), 4),  # the upper bound
        (Load(4, 0, None, 29.0), 4),  # not idle for long
        (Load(4, 0, None, 31.0), 3),  # one less
        (Load(2, 0, None, 99.0), 2),  # the lower bound
        (Load(1, 0, None, 99.0), 2),  # one has died
    ],
)
def test_replicas_that_are_wanted(load, count):
    assert wanted(load, 2, 4) == count
