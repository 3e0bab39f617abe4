"""Options as a plan writes them."""

import pytest

from composer.compiler.plan.option_text import option_text


@pytest.mark.parametrize(
    ("value", "text"),
    [("\n", r'"\n"'), ("\n\n", r'"\n\n"'), (" \t", r'" \t"'), ("", '""'), ("a\nb", '"a b"')],
)
def test_white_space_alone_is_written_as_the_language_has_it(value, text):
    assert option_text(value) == text
