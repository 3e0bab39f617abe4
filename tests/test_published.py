"""Figures that were measured elsewhere on real models, reached through a recipe."""

import json
from pathlib import Path

import pytest

import composer

DATA = Path(__file__).parents[2] / "shared" / "data"
QUESTIONS = DATA / "evaldata" / "gsm8k" / "test.jsonl"

pytestmark = pytest.mark.skipif(
    not QUESTIONS.exists(), reason="needs the folder shared/data beside the checkout"
)

MODELS = f"""
model base = hf("{DATA}/models/stories260K")
model bard = hf("{DATA}/models/stories260K-ft-shakespeare")
model maths = hf("{DATA}/models/stories260K-ft-gsm8k")
model rwkv = hf("{DATA}/models/rwkv4-660K-bytes")
"""


def bits_per_byte(answer):
    """Return the bits a byte of the first 100 questions under a recipe's answer."""
    lines = QUESTIONS.read_text(encoding="utf-8").splitlines()[:100]
    questions = [json.loads(line)["question"] for line in lines]
    with composer.load(MODELS + answer).ready() as ensemble:
        scores = [(ensemble.score(text), text) for text in questions]
    total = sum(score.bits_per_byte(text) * len(text.encode()) for score, text in scores)
    return total / sum(len(text.encode()) for text in questions)


@pytest.mark.parametrize(
    ("answer", "published"),
    [
        ("maths", 1.8294),
        pytest.param("token_fuse(base, bard, maths)", 2.0514, marks=pytest.mark.slow),
        # the engine's own tests hold the rest
        pytest.param("base", 2.9312, marks=pytest.mark.slow),
        pytest.param("bard", 3.4856, marks=pytest.mark.slow),
        pytest.param("token_fuse(base, bard)", 2.7804, marks=pytest.mark.slow),
        pytest.param(
            "token_fuse(base, bard, maths, combine = logs)", 2.2244, marks=pytest.mark.slow
        ),
    ],
)
def test_bits_per_byte_are_the_published_ones(answer, published):
    assert bits_per_byte(answer) == pytest.approx(published, abs=1e-3)


@pytest.mark.parametrize(
    "answer", ["token_fuse(base, rwkv, align = union())", "span_fuse(base, rwkv)", "rwkv"]
)
def test_a_recurrent_model_is_a_member_like_any_other(answer):
    recipe = MODELS + f"{answer} -> extract(whole())\ndefault generate(max_tokens = 12)"
    result = composer.load(recipe)("Once upon a time")
    assert result.error is None
    assert result.answer
    assert "rwkv" in result.members
