"""Plots are drawn without a display, and hold what was measured."""

import logging
import warnings
from dataclasses import replace
from functools import cache
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest

from composer import load
from composer.evaluate import EvaluationRow, decide_only, draw_plot, evaluate, plot
from composer.evaluate.plot import figure_of
from composer.run import Failure

pytestmark = pytest.mark.usefixtures("few_draws")

PRICED = 'model A = fake("1", price = [1000, 0])\nmodel B = fake("2", price = [1, 0])\n'
ROWS = [EvaluationRow("0", "q <&> 1", ("1",)), EvaluationRow("1", "q", ("2",))]


def routed(by, costs, name="recipe"):
    """Decisions among as many models as there are costs, on sixteen judged rows."""
    return replace(_routed(by, tuple(costs)), recipe=name)


@cache
def _routed(by, costs):
    names = [f"M{at}" for at in range(len(costs))]
    rows = [
        EvaluationRow(
            str(i),
            "q" * i,
            recorded={
                name: {"correct": i % (2 + at) > 0, "cost": cost}
                for at, (name, cost) in enumerate(zip(names, costs, strict=True))
            },
        )
        for i in range(1, 17)
    ]
    models = "".join(f'model {each} = fake("1")\n' for each in names)
    return decide_only(load(f"{models}route(by = {by}) -> [{', '.join(names)}]"), rows)


@pytest.fixture(scope="module")
def report():
    return evaluate(load(PRICED + "[A, B] -> vote()"), ROWS)


@pytest.fixture(scope="module")
def decided():
    return routed("length(threshold = 4)", (0, 0))


def legend(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_a_curve_is_drawn_with_its_baselines(decided):
    figure = figure_of([decided])

    assert legend(figure) == [
        "recipe, curve",
        "recipe, as it decides",
        "M0",
        "M1",
        "oracle",
        "zero-router",
        "prompt length",
    ]
    assert figure.axes[0].get_title() == "Accuracy and cost over 16 queries"
    assert figure.axes[0].get_xlabel() == "Queries that the stronger model answers (%)"


def test_a_recipe_without_a_route_is_a_point_beside_its_members(report):
    figure = figure_of([report])
    axes = figure.axes[0]
    points = [mark.lines[0].get_xydata()[0].tolist() for mark in axes.containers]

    assert legend(figure) == ["recipe", "A", "B"]
    assert axes.get_xlabel() == "Cost per 1,000 queries ($)"
    assert points == [
        pytest.approx([1000 * one.cost / 2, 100 * one.accuracy])
        for one in (report, *report.members.values())
    ]


def test_points_have_their_intervals(report):
    bars = figure_of([report]).axes[0].containers[0].lines[2][0].get_segments()[0]

    assert bars[:, 1].tolist() == pytest.approx(
        [100 * report.interval.low, 100 * report.interval.high]
    )


def test_several_recipes_share_their_members():
    first, second = (routed("random()", (0.001, 0.002, 0.003), name) for name in ("a", "b"))

    names = legend(figure_of([first, second]))

    assert [each for each in names if each in {"M0", "M1", "M2", "oracle"}] == [
        "M0",
        "M1",
        "M2",
        "oracle",
    ]
    assert names[:4] == ["a, curve", "a, as it decides", "b, curve", "b, as it decides"]


@pytest.mark.parametrize(
    ("costs", "scale"), [((0.001, 0.2), "log"), ((0.001, 0.002), "linear"), ((0, 0.2), "linear")]
)
def test_costs_far_apart_have_a_logarithmic_axis(costs, scale):
    assert figure_of([routed("length()", costs)]).axes[0].get_xscale() == scale


def test_mixtures_lie_on_curves_of_a_logarithmic_axis():
    axes = figure_of([routed("length()", (0.001, 0.2))]).axes[0]
    lines = dict(zip(legend(axes.figure), axes.containers, strict=True))
    cost, quality = lines["zero-router"].lines[0].get_data()
    steps = [
        (quality[at + 1] - quality[at]) / (cost[at + 1] - cost[at]) for at in range(len(cost) - 1)
    ]

    assert len(cost) == 200
    assert steps == pytest.approx([steps[0]] * len(steps))


@pytest.mark.parametrize("count", [2, 10])
def test_no_label_lies_over_the_axes_or_outside_of_the_picture(count, tmp_path):
    name = "a_name_" * 20 + ".ens"
    figure = figure_of([routed("random()", [0.001 * 2**at for at in range(count)], name)])
    figure.draw_without_rendering()
    axes, box = figure.axes[0], figure.get_tightbbox().transformed(figure.dpi_scale_trans)

    for text in axes.get_legend().get_texts():
        extent = text.get_window_extent()
        assert extent.x0 > axes.get_window_extent().x1
        assert box.x0 <= extent.x0 < extent.x1 <= box.x1
        assert box.y0 <= extent.y0 < extent.y1 <= box.y1


def test_long_names_are_cut_in_the_middle():
    first = legend(figure_of([routed("random()", (0.001, 0.002), "a_name_" * 20 + "end.ens")]))[0]

    assert "…" in first
    assert first.replace("\n", "").endswith("end.ens, curve")
    assert max(map(len, first.splitlines())) <= 32


@pytest.mark.parametrize("name", ["$x^2$.ens", "_hidden.ens", "a$b", "<&>.ens"])
def test_names_are_shown_as_they_are(name, tmp_path):
    draw_plot(tmp_path / "curve.svg", [routed("random()", (0.001, 0.002), name)])

    assert (
        f"<!-- {name}, curve -->".replace("<&>", "&lt;&amp;&gt;")
        in (tmp_path / "curve.svg").read_text()
    )


@pytest.mark.parametrize(
    ("ending", "start"), [(".png", b"\x89PNG"), (".SVG", b"<?xml"), (".pdf", b"%PDF")]
)
def test_the_name_says_the_format_and_the_same_input_gives_the_same_file(
    decided, ending, start, tmp_path
):
    paths = [tmp_path / f"{at}{ending}" for at in "ab"]
    for path in paths:
        draw_plot(path, [decided])

    first, second = (path.read_bytes() for path in paths)
    assert first.startswith(start)
    assert first == second


def test_an_svg_is_well_formed(decided, tmp_path):
    draw_plot(tmp_path / "curve.svg", [decided])

    assert ET.parse(tmp_path / "curve.svg").getroot().tag.endswith("svg")


def test_other_formats_are_refused(decided, tmp_path):
    with pytest.raises(Failure, match=r"\.png, \.svg, \.pdf file, not `curve.jpg`"):
        draw_plot(tmp_path / "curve.jpg", [decided])


def test_without_matplotlib_it_says_what_to_install(decided, tmp_path, monkeypatch):
    monkeypatch.setattr(plot, "find_spec", lambda _: None)

    with pytest.raises(Failure, match=r"ensemble-composer\[plot\]"):
        draw_plot(tmp_path / "curve.png", [decided])


def test_settings_of_matplotlib_stay_as_they_were_and_change_nothing(decided, tmp_path):
    draw_plot(tmp_path / "plain.png", [decided])
    with mpl.rc_context({"axes.facecolor": "black", "font.size": 30}):
        before = dict(mpl.rcParams)
        draw_plot(tmp_path / "styled.png", [decided])
        assert dict(mpl.rcParams) == before

    assert (tmp_path / "styled.png").read_bytes() == (tmp_path / "plain.png").read_bytes()
    assert not logging.getLogger("matplotlib.font_manager").disabled


@pytest.mark.usefixtures("silencing")
def test_letters_without_a_font_are_no_reason_for_warnings(tmp_path, caplog):
    named = routed("random()", (0.001, 0.002), "路由器.ens")
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        for ending in ("png", "svg", "pdf"):
            draw_plot(tmp_path / f"curve.{ending}", [named])

    assert not heard
    assert not caplog.records


def test_what_costs_nothing_cannot_be_plotted():
    free = evaluate(load('model A = fake("1")\nA'), ROWS)

    with pytest.raises(Failure, match="E712"):
        figure_of([free])


def test_what_was_not_judged_cannot_be_plotted():
    unknown = [EvaluationRow("0", "q")]

    with pytest.raises(Failure, match="no row was judged"):
        figure_of([evaluate(load(PRICED + "[A, B] -> vote()"), unknown)])


def test_dollars_and_calls_are_not_drawn_together(report, decided):
    with pytest.raises(Failure, match="different kinds"):
        figure_of([report, decided])


def test_a_file_that_cannot_be_written_is_told(decided, tmp_path):
    with pytest.raises(Failure, match="E718"):
        draw_plot(tmp_path / "no" / "curve.svg", [decided])


def test_baselines_that_differ_are_named_with_their_recipe():
    both = routed("length(threshold = 4)", (1, 2)), routed("random()", (1, 2, 3), "other")
    names = [name.replace("\n", " ") for name in legend(figure_of(both))]
    assert len(set(names)) == len(names)
    assert "oracle of other" in names
