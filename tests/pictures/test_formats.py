from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from composer.compiler.pictures import FORMATS, Box, Edge, MemberChip, Picture

GOLDEN = Path(__file__).parent / "golden"
ENDINGS = {"text": "txt", "mermaid": "mmd", "dot": "dot", "svg": "svg"}

RECIPES = {
    "mission": "route -> [span_fuse(A, B, C)] -> cascade(D)",
    "nested": """let crowd = [A, B, C] -> vote(ties = confident())
        [crowd: crowd, careful: cascade(A, B, D), sample(A, 5, temperature = 0.7)]
          -> extract(number()) -> vote()""",
}

ODD = """<b>"&' `x` #3; -->|a| \\ \n]) 日本語\x1b[31m"""


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("format_", FORMATS)
def test_pictures_are_as_they_were(drawn, golden, name, format_):
    golden(GOLDEN / f"{name}.{ENDINGS[format_]}", FORMATS[format_](drawn(RECIPES[name])))


@pytest.fixture
def odd():
    boxes = (
        Box("r0", "query", "query"),
        Box("r1", ODD, "text", (ODD, "x" * 500), (MemberChip(ODD, ODD),), maybe=True, place=ODD),
        Box("r2", "vote", "text"),
    )
    edges = (Edge("r0", "r1", "", maybe=True), Edge("r1", "r2", ODD, maybe=True), Edge("r0", "r2"))
    return Picture(ODD, boxes, edges, "r2", ("query", "text"))


@pytest.mark.parametrize("format_", FORMATS)
def test_no_text_of_a_recipe_breaks_a_picture(odd, golden, format_):
    golden(GOLDEN / f"odd.{ENDINGS[format_]}", FORMATS[format_](odd))


def test_svg_is_xml_whatever_it_says(odd):
    assert ET.fromstring(FORMATS["svg"](odd)).tag.endswith("svg")


@pytest.mark.parametrize("format_", ["text", "svg", "dot", "mermaid"])
def test_control_characters_are_replaced(odd, format_):
    assert "\x1b" not in FORMATS[format_](odd)


def test_a_pointer_over_a_box_tells_all_of_it(odd):
    assert "x" * 500 in FORMATS["svg"](odd)


def test_a_shared_box_has_its_tree_once(made):
    picture = made(5, [(0, 1), (1, 2), (1, 3), (2, 4), (3, 4)])
    text = FORMATS["text"](picture)
    assert text.count("← query") == 1
    assert "r1 above" in text


def test_what_is_too_deep_has_a_tree_of_its_own(made):
    pairs = [(0, 1)] + [pair for n in range(2, 40) for pair in ((n - 1, n), (0, n))]
    text = FORMATS["text"](made(40, pairs))
    assert "as below" in text
    assert max(map(len, text.splitlines())) < 120
    assert all(f"r{n} " in text for n in range(40))
