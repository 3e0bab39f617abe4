import random
import time
from itertools import pairwise

import pytest

from composer.compiler.pictures import FORMATS
from composer.compiler.pictures.coordinates import _rising
from composer.compiler.pictures.layers import assign_layers
from composer.compiler.pictures.layout import Layout
from composer.compiler.pictures.order import _crossings, _inversions, order_layers
from composer.compiler.pictures.text_width import mono_clipped, mono_width, sans_clipped, sans_width


def scattered(count, reach, seed=0):
    draw = random.Random(seed)
    pairs = [(m, n) for n in range(1, count) for m in draw.sample(range(max(0, n - reach), n), 1)]
    used = {m for m, _ in pairs}
    return pairs + [(n, count - 1) for n in range(count - 1) if n not in used]


def test_a_box_lies_as_late_as_its_users_allow(made):
    layers = made(5, [(0, 1), (1, 2), (2, 4), (0, 3), (3, 4)]).layers()
    assert layers == {"r0": 0, "r1": 1, "r2": 2, "r3": 2, "r4": 3}


def test_lines_lead_from_layer_to_next_layer(made):
    layers = assign_layers(made(40, scattered(40, 20)))
    assert all(layers.layer[b] == layers.layer[a] + 1 for a, b in layers.hops)


def test_all_lines_of_a_box_share_one_trunk(made):
    pairs = [(n, n + 1) for n in range(9)] + [(0, n) for n in range(2, 10)]
    layers = assign_layers(made(10, pairs))
    assert len(layers.layer) == 10 + 8


def test_ordering_unties_what_crosses(made):
    pairs = [(0, 1), (0, 2), (0, 3), (1, 6), (2, 5), (3, 4), (4, 7), (5, 7), (6, 7)]
    layers = assign_layers(made(8, pairs))
    _, after = layers.neighbours()
    assert _crossings(layers.rows, after) == 3
    assert _crossings(order_layers(layers), after) == 0


@pytest.mark.parametrize("seed", range(5))
def test_ordering_never_makes_more_crossings(made, seed):
    layers = assign_layers(made(60, scattered(60, 8, seed)))
    _, after = layers.neighbours()
    assert _crossings(order_layers(layers), after) <= _crossings(layers.rows, after)


def test_inversions_are_pairs_in_the_wrong_order():
    assert _inversions([3, 1, 2, 2, 0]) == 7


def test_rising_numbers_stay_and_others_are_pooled():
    assert _rising([1, 2, 5], [1, 1, 1]) == [1, 2, 5]
    assert _rising([1, 6, 2], [1, 1, 3]) == [1, 3, 3]


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_no_two_boxes_overlap(made, seed, down):
    placed = Layout(made(50, scattered(50, 12, seed)), down).boxes()
    areas = [(p.x, p.y, p.x + p.width, p.y + p.sized_box.height) for p in placed]
    for at, (left, top, right, bottom) in enumerate(areas):
        assert not any(
            left < r and x < right and top < b and y < bottom for x, y, r, b in areas[:at]
        )


@pytest.mark.parametrize("down", [False, True])
def test_everything_lies_within_the_picture(made, down):
    layout = Layout(made(50, scattered(50, 12)), down)
    ends = (layout.breadth, layout.length) if down else (layout.length, layout.breadth)
    for placed in layout.boxes():
        assert -0.01 <= placed.x <= placed.x + placed.width <= ends[0] + 0.01
        assert -0.01 <= placed.y <= placed.y + placed.sized_box.height <= ends[1] + 0.01


def test_a_chain_is_a_straight_line(made):
    layout = Layout(made(6, list(pairwise(range(6)))), down=False)
    assert len({round(each, 3) for each in layout.middle}) == 1


def test_deep_pictures_go_downwards(made):
    assert made(20, list(pairwise(range(20)))).deep
    assert not made(4, list(pairwise(range(4)))).deep


@pytest.mark.parametrize("text", ["short", "a rather long text that does not fit", "日本語" * 9])
def test_clipped_texts_fit(text):
    assert sans_width(sans_clipped(text, 10, 80), 10) <= 80
    assert mono_width(mono_clipped(text, 10, 80), 10) <= 80


@pytest.mark.slow
@pytest.mark.parametrize(
    "pairs",
    [
        list(pairwise(range(2000))),
        [(0, n) for n in range(1, 1999)] + [(n, 1999) for n in range(1, 1999)],
        [*pairwise(range(2000)), *((n, 1999) for n in range(1998))],
        scattered(2000, 60),
    ],
    ids=["chain", "wide", "far", "scattered"],
)
@pytest.mark.parametrize("format_", FORMATS)
def test_thousands_of_boxes_take_seconds(made, pairs, format_):
    picture = made(2000, pairs)
    began = time.process_time()
    assert FORMATS[format_](picture)
    assert time.process_time() - began < 10
