"""Random recipes through all that reads them without a model: our words, quickly, or nothing.

pytest -m slow tests/compiler/test_wandering.py      # SWEEP=100000 for the long run
"""

import contextlib
import os
import random
import re
import resource
import time
from pathlib import Path

import pytest
from wandering import Wanderer

from composer.compiler.graph import compile_recipe
from composer.compiler.pictures import FORMATS, sketch
from composer.compiler.plan import describe_steps, lock_of
from composer.diagnostics import CODES, Mistakes, Source, draw
from composer.recipe import Recipe
from composer.run import Failure
from composer.syntax import parse
from composer.syntax.formatting import formatted, same

ROOT = Path(__file__).parents[2]
HEAD = """use "zoo.ens" (A, B, C, D, other)
model F = fake(says = "4", confidence = 0.9, price = [1, 2])
model G = fake(price = [0.1, 0.2])
"""
SHIPPED = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "recipes").rglob("*.ens"))]
MODELS = ("A", "B", "C", "D", "other", "F", "G")
PIECES = ("->", "|", "[", "]", "(", ")", ",", "=", ":", '"', '"""', "#", "\n", " ", "\t", "\x00")
FOREIGN = re.compile(
    r"pydantic|Input should|\blark\b|Expecting|yaml\.|Traceback|object at 0x|<class|\w+Error\b"
    r"|Value error|validation error|__\w+__|NoneType|model_construct"
)
SLOWEST, MEMORY = 1.0, 500 << 20


def swept(luck):
    """A recipe and the notation of it: written at random, converted, shipped, and often spoilt."""
    text = HEAD + Wanderer(luck, MODELS).recipe() if luck.random() < 0.7 else luck.choice(SHIPPED)
    name = "swept.ens"
    if luck.random() < 0.25:
        with contextlib.suppress(Mistakes):
            text, name = formatted(parse(Source(name, text)), "yaml"), "swept.yaml"
    for _ in range(luck.choice((0, 0, 0, 1, 1, 2, 4))):
        text = _spoilt(text, luck)
    return name, text


def _spoilt(text, luck):
    at = luck.randrange(len(text) + 1)
    end = min(len(text), at + luck.choice((1, 1, 3, 10, 60)))
    bits = luck.randbytes(3).decode("utf-8", errors="replace")
    return luck.choice(
        (
            text[:at] + luck.choice(PIECES) + text[at:],
            text[:at] + text[end:],
            text[:at] + text[at:end] * 2 + text[end:],
            text[:at] + bits + text[at:],
        )
    )


def exercised(name, text):
    """Take a recipe through every reader; the codes of its mistakes, none if it is sound."""
    source, path = Source(name, text), ROOT / "recipes" / name
    try:
        file = parse(source)
        for to in ("ens", "yaml"):
            assert same(file, parse(Source(f"swept.{to}", formatted(file, to))))
        recipe = Recipe(compile_recipe(path, source, root=ROOT))
        in_our_words(recipe.check())
        if recipe.compiled.answer is None:
            return ["none"]
        recipe.plan().model_dump_json()
        for plain in (recipe.compiled.answer, recipe.optimized.root):
            picture = sketch(recipe.compiled, plain)
            assert all(made(picture) for made in FORMATS.values())
            assert describe_steps(recipe.compiled, plain)
        lock_of(recipe.optimized.root, path.parent)
        assert recipe.fingerprint
    except Mistakes as mistakes:
        in_our_words(mistakes.diagnostics)
        return [each.code for each in mistakes.diagnostics]
    return []


def in_our_words(diagnostics):
    """Every mistake is drawn, has a known code, and says nothing of a library."""
    for each in diagnostics:
        assert draw(each)
        assert each.code in CODES
        said = " ".join([each.message, each.help or "", each.label or ""])
        assert not FOREIGN.search(said), said


def sweep(count, seed):
    """Take so many recipes through; how many were sound, and what raised or took too long."""
    sound, wrong = 0, []
    for n in range(seed, seed + count):
        name, text = swept(random.Random(n))
        began = time.process_time()
        try:
            sound += not exercised(name, text)
        except Exception as error:  # noqa: BLE001 - all of them are told at once
            wrong.append((n, f"{type(error).__name__}: {error}"[:300]))
        if (took := time.process_time() - began) > SLOWEST:
            wrong.append((n, f"{took:.1f} s"))
    return sound, wrong


def test_a_hundred_random_recipes_are_read_or_refused_in_our_words():
    sound, wrong = sweep(100, 0)
    assert not wrong
    assert sound > 5


@pytest.mark.slow
def test_many_random_recipes_are_read_or_refused_in_our_words():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _, wrong = sweep(int(os.environ.get("SWEEP", "5000")), int(os.environ.get("SEED", "1000")))
    assert not wrong
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10 < MEMORY


FAKES = """model A = fake(says = "4", confidence = 0.9)
model B = fake(says = "it is 5", confidence = 0.4)
model C = fake()
"""
SAID = {"E701", "E705", "E708", "E716", "E509"}
"""What fakes may end with: no verdict of a judge, no answer that votes, a template for more answers
than there are, too few answers; nothing learnt."""


def run(seed):
    """Run a random recipe over fakes, if it is sound; what ended it, if anything did."""
    text = FAKES + Wanderer(random.Random(seed), "ABC", odd=0.0).recipe()
    try:
        recipe = Recipe(
            compile_recipe(ROOT / "recipes" / "r.ens", Source("r.ens", text), root=ROOT)
        )
    except Mistakes:
        return None
    if recipe.compiled.answer is None:
        return None
    try:
        with recipe.ready() as ensemble:
            ensemble("What is 2 plus 2?")
    except Mistakes as mistakes:
        return mistakes.diagnostics[0].code, str(mistakes)
    except Failure as error:
        return error.code, str(error)
    return "", ""


def test_what_check_passes_runs_over_fakes():
    ended = [found for seed in range(150) if (found := run(seed))]
    assert len(ended) > 10
    assert not [each for each in ended if each[0] not in {"", *SAID} or FOREIGN.search(each[1])]


@pytest.mark.slow
def test_much_that_check_passes_runs_over_fakes():
    ended = [found for seed in range(1000, 5000) if (found := run(seed))]
    assert not [each for each in ended if each[0] not in {"", *SAID} or FOREIGN.search(each[1])]


@pytest.mark.parametrize(
    "answer",
    [
        "handoff(byte_fuse(A, other), B)",
        "handoff(A, span_fuse(A, other))",
        "[handoff(handoff(A, B), B), C] -> vote()",
        "merge(handoff(D, B, B), C)",
        "merge(merge(A, B, weights = [1]), C) -> cascade(D)",
        "token_fuse(merge(A, token_fuse(B, C, weights = [0, 0])), D)",
    ],
)
def test_a_model_of_a_member_that_cannot_be_is_refused_once(answer):
    assert exercised("refused.ens", HEAD + answer)
