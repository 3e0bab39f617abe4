"""A condition that the limits of its signals settle decides nothing."""

import pytest

from composer import load
from composer.methods.rule_range import settled


def accept(rule):
    recipe = load(f'use "zoo.ens" (A, D)\n[A, A] -> vote() -> cascade(D, accept = {rule})')
    return settled(recipe.compiled.answer.get("accept"))


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("confidence >= 1.5", False),
        ("confidence > 1", False),
        ("confidence >= 1", None),
        ("confidence >= 0", True),
        ("confidence > 0", None),
        ("confidence < 0", False),
        ("confidence <= 1", True),
        ("0.5 > confidence", None),
        ("1.5 > confidence", True),
        ("agreement == 2", False),
        ("agreement != -1", True),
        ("min_logprob > 0.1", False),
        ("mean_logprob * 2 <= 0", True),
        ("-entropy > 0", False),
        ("confidence + agreement >= 2.5", False),
        ("confidence - agreement >= 0.5", None),
        ("length / 10 >= 0", True),
        ("1 / confidence >= 0", None),
        ("confidence >= 2 or agreement >= 0.5", None),
        ("confidence >= 2 or agreement >= 2", False),
        ("confidence >= 0 and agreement >= 0", True),
        ("not confidence >= 2", True),
        ("true", None),
    ],
)
def test_limits_settle_what_is_outside_of_them(rule, holds):
    assert accept(rule) is holds
