"""Byte fusion by probabilities of bytes: against a plain search over sums of tokenizations."""

import math

import pytest
from few_tokens import tiny

from composer.specs import ByteFuse
from composer.values import ModelError

TEXT = "Once upon a time"


def fuse_of(members, weights=None, beam=1, tokenizations=64):
    """Return a byte fuse that sums over tokenizations."""
    return ByteFuse(tuple(members), ("a", "b"), weights, 64, beam, tokenizations)


def every_text(wholes, weights, most):
    """Score each text of at most so many bytes by the mean log-probability of a byte."""
    todo = [b""]
    for text in todo:
        values = [math.log(each.writes(text)) for each in wholes]
        yield sum(map(math.prod, zip(weights, values, strict=True))) / (len(text) + 1), text
        for byte in b"ab":
            longer = text + bytes([byte])
            if len(longer) < most:
                todo.append(longer)
            else:
                values = [math.log(each.begins(longer)) for each in wholes]
                yield sum(map(math.prod, zip(weights, values, strict=True))) / most, longer


@pytest.mark.parametrize("names", [("letters", "pairs"), ("pairs", "triples")])
def test_a_wide_beam_finds_the_likeliest_of_all_texts(write, few, strings, names, monkeypatch):
    monkeypatch.setattr("composer.engine.sessions.byte_search._PRUNE", 0.0)
    weights = (0.25, 0.75)
    score, text = max(every_text([strings(name) for name in names], weights, 4))
    made = write(fuse_of([few[name] for name in names], weights, beam=64), "ab", max_tokens=4)
    assert made.text.encode() == text
    assert sum(made.logprobs) / len(made.logprobs) == pytest.approx(score, abs=1e-4)


def test_one_member_with_whole_letters_writes_as_it_does_alone(write, few):
    alone = write(few["letters"], "ab", max_tokens=6)
    fuse = ByteFuse((few["letters"],), ("a",), None, 64, 1, 5)
    made = write(fuse, "ab", max_tokens=6)
    assert made.text == alone.text


def test_real_members_stream_one_text_and_give_all_rows_back(model, write, engine):
    pieces = []
    fuse = fuse_of([model("stories"), model("rwkv")], beam=3, tokenizations=5)
    made = write(fuse, TEXT, max_tokens=12, on_text=pieces.append)
    assert "".join(pieces) == made.text
    assert len(made.tokens) == 12
    assert all(runner.idle for runner in engine._pool.runners())


def test_a_seed_repeats_a_draw_and_others_differ(model, write):
    fuse = fuse_of([model("stories"), model("rwkv")], tokenizations=5)
    seeds = (1, 1, 2, 3)
    texts = [write(fuse, TEXT, temperature=1.5, seed=seed, max_tokens=8).text for seed in seeds]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1


def test_members_without_a_common_text_are_an_error(tmp_path, write):
    members = [tiny(tmp_path / name, [name], [], 0, end=None) for name in "xy"]
    with pytest.raises(ModelError, match="under all members") as error:
        write(fuse_of(members), "", max_tokens=3)
    assert error.value.code == "E705"
