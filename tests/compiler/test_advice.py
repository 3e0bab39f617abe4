"""What a mistake's help says, once it is done, does not lead to the same mistake again."""

import random
import re
from pathlib import Path

import pytest
from wandering import MODELLED, Wanderer

from composer.compiler.graph import compile_recipe
from composer.diagnostics import Mistakes, Source
from composer.steps import STEPS

ROOT = Path(__file__).parents[2]
MODELS = ("A", "B", "D", "other", "F", "G")
HEAD = 'use "zoo.ens" (A, B, D, other)\nmodel F = fake(says = "4")\nmodel G = fake()\n'


def mistakes(answer):
    try:
        compile_recipe(
            ROOT / "recipes" / "advice.ens", Source("advice.ens", HEAD + answer), root=ROOT
        )
    except Mistakes as found:
        return found.diagnostics
    return ()


FOLLOWED = [
    ("token_fuse(A, other)", ["token_fuse(A, other, align = union())", "byte_fuse(A, other)"]),
    (
        "token_fuse(A, other, draft = speculative())",
        [
            "token_fuse(A, other, draft = safe(), align = union())",
            "token_fuse(A, other, align = union())",
        ],
    ),
    (
        "token_fuse(A, other, draft = speculative(), align = union())",
        [
            "token_fuse(A, other, align = union())",
            "token_fuse(A, other, draft = safe(), align = union())",
        ],
    ),
    (
        "token_fuse(A, B, draft = speculative(), align = relative())",
        ["token_fuse(A, B, draft = speculative())"],
    ),
    (
        "span_fuse(token_fuse(A, B, draft = safe()), A)",
        ["span_fuse(token_fuse(A, B), A)", "token_fuse(token_fuse(A, B), A)"],
    ),
    ("token_fuse(A, F)", ["[A, F] -> vote()"]),
    ("byte_fuse(A, F)", ["[A, F] -> vote()"]),
    ("span_fuse(A, F)", ["[A, F] -> rank(by = consensus()) -> best()"]),
    (
        "[A, F] -> rank() -> best()",
        ["[A, F] -> rank(by = consensus()) -> best()", "[A, F] -> rank(D, by = judge()) -> best()"],
    ),
    (
        "[A, B, D] -> vote(routed = true)",
        ["route(policy = several(k = 2)) -> [A, B, D] -> vote(routed = true)"],
    ),
    ("route -> [A, F]", ["route(by = uniform()) -> [A, F]"]),
    ("merge(A, F)", ["[A, F] -> vote()"]),
    ("merge(A, other)", ["token_fuse(A, other, align = union())"]),
    ("merge(A, D)", ["token_fuse(A, D, align = union())"]),
]


@pytest.mark.parametrize(("wrong", "mended"), FOLLOWED)
def test_help_that_is_followed_ends_the_mistakes(wrong, mended):
    assert mistakes(wrong)
    for each in mended:
        assert not mistakes(each), each


@pytest.mark.parametrize(("wrong", "mended"), FOLLOWED)
def test_help_names_the_options_that_end_the_mistake(wrong, mended):
    said = " ".join(each.help or "" for each in mistakes(wrong))
    for option, value in re.findall(r"(\w+) = (\w+)", mended[0]):
        assert f"{option} = {value}" in said or f"{option} = {value}" in wrong


def followed(options, advice, allowed):
    """The options after each thing that a help says to do, where it is plain what to do."""
    for one, other in re.findall(r"leave (?:out )?(?:the )?`(\w+)`(?: and `(\w+)`)?", advice):
        if {one, other} & set(options) and " and " not in advice.split("leave")[0]:
            yield {name: value for name, value in options.items() if name not in (one, other)}
    said = {n: v for n, v in re.findall(r"`(\w+) = ([^`.]+)`", advice) if n in allowed}
    if said:
        yield {**options, **said}


@pytest.mark.parametrize("seed", range(60))
def test_help_about_a_random_fuse_does_not_lead_to_its_mistake_again(seed):
    luck = random.Random(seed)
    walk, name = Wanderer(luck, MODELS, odd=0.03), luck.choice(MODELLED)
    members = [luck.choice(MODELS[:4]) for _ in range(luck.choice((2, 2, 3)))]
    allowed = STEPS[name].public_options
    options = dict(each.split(" = ", 1) for each in walk._options(allowed, 1))

    def written(some):
        return f"{name}({', '.join([*members, *(f'{n} = {v}' for n, v in some.items())])})"

    for each in mistakes(written(options)):
        for other in followed(options, each.help or "", allowed):
            again = [(one.code, one.message) for one in mistakes(written(other))]
            assert (each.code, each.message) not in again, each.help
