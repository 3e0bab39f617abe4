"""What recipes answer, token by token, with whom they asked, what it cost and how it came about."""

import json
from pathlib import Path

import pytest

from composer.recipe import Recipe
from composer.run import Failure
from composer.values import Query

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# These have models that are trained, or layers that are searched, before they answer.
UNTRAINED = {"distilled", "searched_stack", "tuned_reward"}
SMALL = [each for each in sorted((HERE / "recipes").glob("*.ens")) if each.stem not in UNTRAINED]
DRAWS = [each for each in SMALL if each.name.startswith("draws") and "bytes" not in each.name]
SHIPPED = (
    "after/best_of_n",
    "mission",
    "nested",
    "span/cool_fusion",
    "token/citer",
    "token/critical_tokens",
    "token/deepen",
    "token/eva",
    "token/prompted",
    "token/purify",
    "token/safe",
)
"""Those with parts that no small recipe has, and those with the most steps."""

ROWS = HERE / "recipes" / "kept.jsonl"
SEED = 3
QUESTION = Query((("user", "Reverse the word star."),), "q3", {"hint": "now"})


def asked():
    """Return the rows that are asked: a sum and a word."""
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()]
    return [rows[0], rows[3]]


def told(result):
    """Return all that is known of an answer: the result, its tokens, and each step."""
    text = result.text
    yield result.as_dict()
    if text is not None:
        yield {"text": text.text, "by": text.source, "value": text.value, "facts": dict(text.facts)}
        yield {"tokens": text.tokens, "logprobs": text.logprobs}
    yield from sorted(result.trace.as_dict()["steps"], key=lambda step: step["step"])


def scored(ensemble, *question):
    """Score a text, or give the code of why that cannot be done."""
    try:
        score = ensemble.score("rats", *question)
    except Failure as failure:
        return {"score": failure.code}
    return {"score": list(zip(score.tokens, score.logprobs, strict=True))}


def streamed(ensemble, question):
    """Return an answer that came in pieces, which make it up; one piece where nothing streams."""
    pieces, stream = [], ensemble.stream(question)
    try:
        while True:
            pieces.append(next(stream))
    except StopIteration as end:
        result = end.value
    assert "".join(pieces) == (result.text.text if ensemble.streams else result.answer)
    return pieces, result.answer


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.stem)
def test_a_small_recipe_answers_as_before(path, pinned):
    with Recipe.load(path, seed=SEED).ready() as ensemble:
        results = list(ensemble.map(asked(), at_once=1))
        if ensemble.streams:
            assert streamed(ensemble, asked()[1])[1] == results[1].answer
        streams = {"streams": ensemble.streams}
        scores = [scored(ensemble), scored(ensemble, QUESTION)]
    lines = [line for result in results for line in told(result)]
    pinned(HERE / "golden" / "runs" / f"{path.stem}.jsonl", [*lines, streams, *scores])


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_answers_as_before(name, pinned):
    recipe = Recipe.load(ROOT / "recipes" / f"{name}.ens")
    with recipe.ready() as ensemble:
        (result,) = ensemble.map([recipe.example])
        if ensemble.streams:
            assert streamed(ensemble, recipe.example)[1] == result.answer
    path = HERE / "golden" / "runs" / "shipped" / f"{name}.jsonl"
    pinned(path, [*told(result), {"streams": ensemble.streams}])


def test_what_does_not_stream_comes_in_one_piece():
    with Recipe.load(HERE / "recipes" / "votes.ens").ready() as ensemble:
        assert not ensemble.streams
        assert streamed(ensemble, "Why?") == (["b"], "b")


@pytest.mark.parametrize("path", DRAWS, ids=lambda path: path.stem)
def test_draws_are_the_same_alone_and_together_and_taken_up_again(path, tmp_path, compose):
    recipe = Recipe.load(path, seed=SEED)
    with recipe.ready() as ensemble:
        together = {each.id: each.answer for each in ensemble.map(asked())}
        alone = {row["id"]: ensemble(row).answer for row in reversed(asked())}
    rows, output = tmp_path / "asked.jsonl", tmp_path / "answers.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in asked()))
    run = ("run", path, "--input", rows, "--output", output, "--seed", SEED, "--no-cache")
    assert [compose(*run, "--limit", 1)[0], compose(*run)[0]] == [0, 0]
    again = map(json.loads, output.read_text().splitlines())
    assert together == alone == {row["id"]: row["answer"] for row in again}


def test_spans_and_bytes_are_fused_side_by_side():
    text = """use "zoo.ens" (text, maths, other)
    default generate(max_tokens = 4)
    [span_fuse(text, maths), byte_fuse(text, other)] -> vote()
    """
    with Recipe.load(text).ready() as ensemble:
        assert [each.error for each in ensemble.map(asked())] == [None, None]
