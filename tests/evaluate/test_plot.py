"""Plots are drawn without a display, and hold what was measured."""

import struct
import zlib
from itertools import pairwise
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from composer import load
from composer.evaluate import EvaluationRow, decide_only, draw_plot, evaluate
from composer.evaluate.plot import chart_of, lay_out
from composer.evaluate.plot.chart import Chart, Series
from composer.evaluate.plot.layout import HEIGHT, WIDTH, Dot, Label, Line
from composer.evaluate.plot.letters import written
from composer.evaluate.plot.png import png
from composer.run import Failure

SVG = "{http://www.w3.org/2000/svg}"
PRICED = 'model A = fake("1", price = [1000, 0])\nmodel B = fake("2", price = [1, 0])\n'
ROWS = [EvaluationRow("0", "q <&> 1", ("1",)), EvaluationRow("1", "q", ("2",))]


@pytest.fixture
def report():
    return evaluate(load(PRICED + "[A, B] -> vote()"), ROWS)


@pytest.fixture
def decided():
    rows = [
        EvaluationRow(str(i), "q" * i, recorded={"A": {"correct": i > 3}, "B": {"correct": True}})
        for i in range(1, 9)
    ]
    return decide_only(load(PRICED + "route(by = length(threshold = 4)) -> [A, B]"), rows)


def test_a_curve_is_drawn_with_its_baselines(decided, tmp_path):
    path = tmp_path / "curve.svg"
    draw_plot(path, [decided])

    drawn = ET.parse(path)
    texts = {each.text for each in drawn.iter(f"{SVG}text")}

    assert {"A", "B", "oracle", "as it decides", "zero-router", "prompt length"} <= texts
    assert "share of calls to the strong model" in texts
    assert len(list(drawn.iter(f"{SVG}circle"))) == 4


def test_a_recipe_without_a_route_is_a_point_beside_its_members(report):
    (chart,) = [chart_of([report])]

    assert chart.across == "mean cost of a question in dollars"
    assert [each.labels for each in chart.series] == [("recipe",), ("A", "B")]


def test_what_costs_nothing_cannot_be_plotted():
    free = evaluate(load('model A = fake("1")\nA'), ROWS)

    with pytest.raises(Failure, match="E712"):
        chart_of([free])


def test_dollars_and_calls_are_not_drawn_together(report, decided):
    with pytest.raises(Failure, match="different kinds"):
        chart_of([report, decided])


def test_a_file_that_cannot_be_written_is_told(decided, tmp_path):
    with pytest.raises(Failure, match="E503"):
        draw_plot(tmp_path / "no" / "curve.svg", [decided])


LINE = Series("line", ((0.0, 0.2), (1.0, 0.8)), "#ff0000")


def test_greater_values_lie_further_right_and_up():
    marks = lay_out(Chart("cost", "accuracy", (LINE,)))

    (line,) = [
        each
        for each in marks
        if isinstance(each, Line) and each.points[0][0] != each.points[1][0] and each.width == 2.2
    ]
    (left, low), (right, high) = line.points
    assert left < right
    assert low > high


def test_ticks_are_round_and_in_order():
    marks = lay_out(Chart("cost", "accuracy", (LINE,)))

    shares = [float(m.text[:-2]) for m in marks if isinstance(m, Label) and m.text.endswith(" %")]

    assert shares == sorted(shares)
    assert {round(b - a, 6) for a, b in pairwise(shares)} == {20.0}


def test_one_point_has_room_around_it():
    marks = lay_out(Chart("cost", "accuracy", (Series("", ((0.5, 0.5),), "#000000", ("A",)),)))

    (dot,) = [each for each in marks if isinstance(each, Dot)]
    assert 0 < dot.at[0] < WIDTH
    assert 0 < dot.at[1] < HEIGHT


def pixels(content):
    """Read a PNG as this module writes it: one block, no filter."""
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    at, found = 8, {}
    while at < len(content):
        (size,) = struct.unpack(">I", content[at : at + 4])
        kind, body = content[at + 4 : at + 8], content[at + 8 : at + 8 + size]
        (check,) = struct.unpack(">I", content[at + 8 + size : at + 12 + size])
        assert check == zlib.crc32(kind + body)
        found[kind] = body
        at += 12 + size
    wide, high = struct.unpack(">II", found[b"IHDR"][:8])
    rows = np.frombuffer(zlib.decompress(found[b"IDAT"]), np.uint8).reshape(high, 1 + 3 * wide)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(high, wide, 3)


def test_a_png_holds_the_marks():
    paper = pixels(png([Line(((100, 100), (200, 100)), "#ff0000", 2), Dot((50, 50), "#0000ff", 5)]))

    assert paper.shape == (2 * HEIGHT, 2 * WIDTH, 3)
    assert paper[200, 300].tolist() == [255, 0, 0]
    assert paper[100, 100].tolist() == [0, 0, 255]
    assert paper[300, 300].tolist() == [255, 255, 255]


def test_dashes_leave_gaps():
    row = pixels(png([Line(((100, 100), (200, 100)), "#000000", 2, dashed=True)]))[200, 200:400, 0]

    dark = (row < 128).mean()

    assert dark == pytest.approx(0.6, abs=0.05)


def test_marks_at_the_edge_are_cut():
    far = [
        Label("a long label", (-20.0, 5.0)),
        Dot((-30.0, -30.0), "#000000"),
        Dot((0, 0), "#000000"),
    ]

    assert pixels(png(far)).shape[0] == 2 * HEIGHT


def test_letters_stand_upright():
    shown = ["".join(".#"[int(dot)] for dot in row) for row in written("L")]

    assert shown[:7] == ["#....."] * 6 + ["#####."]
    assert np.array_equal(written("é"), written("?"))


def test_upright_text_is_turned():
    across = pixels(png([Label("IIII", (360, 220))]))[..., 0] < 128
    turned = pixels(png([Label("IIII", (360, 220), upright=True)]))[..., 0] < 128

    assert across.any(axis=0).sum() > across.any(axis=1).sum()
    assert turned.any(axis=1).sum() > turned.any(axis=0).sum()
