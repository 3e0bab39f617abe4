"""Large merges, and mergekit's beside ours: what the tables of `benchmarks/building.py` measure."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))

from building_tables import mergekit, streaming

GB = 10**9


@pytest.mark.slow
def test_a_merge_of_4_gb_needs_little_memory(tmp_path):
    _, first, again = streaming.figures(tmp_path, 4 * GB).values()
    assert max(first.megabytes, again.megabytes) < 1500


@pytest.mark.slow
@pytest.mark.skipif(mergekit.program() is None, reason="mergekit is not installed")
@pytest.mark.parametrize("name", mergekit.CASES)
def test_merges_are_those_of_mergekit(name, tmp_path):
    case = mergekit.CASES[name]
    distance, (ours, theirs) = mergekit.compared(case, mergekit.small_checkpoints(tmp_path))
    if name == "dare":  # both draw at random
        assert ours == pytest.approx(theirs, abs=0.02)
        assert ours == pytest.approx(1 - 0.7**2, abs=0.02)
    else:
        assert distance < 1e-5
