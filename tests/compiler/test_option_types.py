"""Types in words, as messages and pages say them."""

import pytest

from composer.compiler.graph.option_types import type_text


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (tuple[str, ...], "a list of texts"),
        (tuple[float, float], "a list of numbers"),
        (tuple[tuple[str, str], ...], "a list of lists of texts"),
        (tuple[int | str, ...], "a list of whole numbers or texts"),
        (
            tuple[tuple[int | str, float], ...],
            "a list of pairs: a whole number or a text, and a number",
        ),
    ],
)
def test_a_list_says_what_it_holds(hint, words):
    assert type_text(hint) == words
