"""Drawing without the host must draw what drawing with it does."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from composer.engine.distribution import Distributions
from composer.engine.sample import Columns, Kinds, draw, draw_all
from composer.values import Sampling

samplings = st.builds(
    Sampling,
    temperature=st.sampled_from([0.0, 1e-6, 0.5, 1.0, 2.0]),
    top_k=st.sampled_from([0, 1, 3, 50]),
    top_p=st.sampled_from([0.3, 0.9, 1.0]),
    min_p=st.sampled_from([0.0, 0.1]),
)
rows = st.lists(st.tuples(samplings, st.floats(0, 1, exclude_max=True)), min_size=1, max_size=5)


@given(rows, st.integers(0, 99), st.booleans())
def test_every_row_draws_the_same_entry(rows, seed, linear):
    scores = torch.randn(len(rows), 300, generator=torch.Generator().manual_seed(seed))
    said = Distributions(scores.exp() if linear else scores, linear=linear)
    how, uniforms = [each for each, _ in rows], [each for _, each in rows]
    columns = Columns.of(how, torch.device("cpu"))
    points = torch.tensor(uniforms, dtype=torch.float64)[:, None]
    drawn = draw_all(said, columns, points, Kinds.of(how))
    assert drawn.tolist() == draw(said, list(range(len(rows))), how, uniforms).tolist()


def test_kinds_are_those_that_occur():
    greedy, plain, narrow = Sampling(0.0, top_k=5), Sampling(1.0), Sampling(1.0, top_k=5)
    assert Kinds.of([greedy]) == (True, False, False)
    assert Kinds.of([plain, narrow]) == (False, True, True)
    assert Kinds.of([narrow]) == (False, False, True)


def test_columns_of_an_index_are_entries():
    said = Distributions(torch.tensor([[0.2, 0.8], [0.9, 0.1]]), index=torch.tensor([[7, 9]] * 2))
    nothing = torch.zeros(2, 1, dtype=torch.float64)
    columns = Columns(nothing, nothing, nothing, nothing)
    assert draw_all(said, columns, nothing, Kinds(True, False, False)).tolist() == [9, 7]  # noqa: FBT003
