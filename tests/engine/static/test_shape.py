"""The sizes of static steps, worked by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.engine.sample import Kinds
from composer.engine.static.shape import Pass, Shape, rounded_cells, rounded_rows

GREEDY, ALL = Kinds(True, False, False), Kinds(True, True, True)  # noqa: FBT003


@pytest.mark.parametrize(
    ("cells", "room"), [(1, 64), (64, 64), (65, 96), (96, 96), (97, 128), (129, 192), (200, 256)]
)
def test_cells_have_two_sizes_in_each_octave(cells, room):
    assert rounded_cells(cells) == room


@pytest.mark.parametrize(("rows", "room"), [(1, 1), (2, 2), (3, 4), (5, 8), (64, 64)])
def test_rows_are_powers_of_two(rows, room):
    assert rounded_rows(rows) == room


@given(st.integers(1, 1 << 20))
def test_rounding_cells_holds_all_and_adds_at_most_half(cells):
    room = rounded_cells(cells)
    assert cells <= room <= max(64, 1.5 * cells)
    assert room % 32 == 0


def shape(kinds, *, direct):
    return Shape((0, 1), (0.5, 0.5), (Pass(4, 64), Pass(2, 96)), 2, direct, kinds)


def test_the_input_has_tokens_then_rows_then_what_is_drawn_by():
    assert shape(GREEDY, direct=True).parts == [4, 4, 2, 2]
    assert shape(GREEDY, direct=False).parts == [4, 4, 2, 2, 2, 2]
    assert shape(ALL, direct=True).parts == [4, 4, 2, 2, *[2] * 5]
