import math

import pytest
from fusing import Job, Part, SpanFuse, TokenFuse

from composer.specs import ByteFuse
from composer.values import ModelError, Sampling

TEXT = "Once upon a time"


def proposal(one, ids, words=1):
    """The shortest greedy continuation that ends where a word begins: its tokens."""
    vocabulary, span = one.local.vocabulary, []
    while True:
        token = int(one.after(ids + span).argmax())
        piece = vocabulary.piece(token)
        if piece[:1].isspace() and len(vocabulary.bytes_of(span).split()) >= words:
            return span
        span.append(token)


def mean(one, ids, tokens):
    total = sum(float(one.after(ids + tokens[:n])[token]) for n, token in enumerate(tokens))
    return total / len(tokens)


def rounds_by_hand(plain, members, weights, how_many, words=1):
    models = [plain(m) for m in members]
    ids = [m.prompt(TEXT) for m in models]
    found = []
    for _ in range(how_many):
        spans = [proposal(m, i, words) for m, i in zip(models, ids, strict=True)]
        texts = [m.local.vocabulary.bytes_of(s) for m, s in zip(models, spans, strict=True)]
        totals, tokens = [], []
        for text in texts:
            own = [
                spans[n] if text == texts[n] else list(m.local.vocabulary.extend(text))
                for n, m in enumerate(models)
            ]
            scores = [mean(m, i, t) for m, i, t in zip(models, ids, own, strict=True)]
            totals.append(sum(w * s for w, s in zip(weights, scores, strict=True)) / sum(weights))
            tokens.append(own)
        best = max(range(len(texts)), key=lambda n: totals[n])
        found.append((texts[best].decode(), totals[best]))
        ids = [i + t for i, t in zip(ids, tokens[best], strict=True)]
    return found


@pytest.mark.parametrize(
    ("names", "weights", "words"),
    [
        (("stories", "shakespeare"), (1.0, 1.0), 1),
        (("stories", "shakespeare", "maths"), (0.2, 0.5, 0.3), 2),
        pytest.param(("stories", "rwkv"), (1.0, 2.0), 1, marks=pytest.mark.slow),
    ],
)
def test_winners_and_scores_equal_by_hand(whole, plain, write, names, weights, words):  # noqa: PLR0913
    members = tuple(whole(name) for name in names)
    made = write(SpanFuse(members, names, weights, words=words), TEXT, max_tokens=30)
    expected = rounds_by_hand(plain, members, weights, 3, words)
    assert [span.text for span in made.spans[:3]] == [text for text, _ in expected]
    for span, (_, total) in zip(made.spans, expected, strict=False):
        got = [w * span.scores[n][span.winner] for n, w in zip(names, weights, strict=True)]
        assert sum(got) / sum(weights) == pytest.approx(total, abs=1e-4)


def test_one_member_writes_what_it_would_alone(model, write):
    for name in ("stories", "rwkv"):
        alone = write(model(name), TEXT, max_tokens=30)
        made = write(SpanFuse((model(name),), ("a",)), TEXT, max_tokens=30)
        assert made.text == alone.text
        assert made.confidence == pytest.approx(alone.confidence, rel=1e-3)


def test_spans_join_to_the_text_and_are_streamed(model, write):
    pieces = []
    fuse = SpanFuse((model("stories"), model("rwkv")), ("a", "r"))
    made = write(fuse, TEXT, max_tokens=40, on_text=pieces.append)
    assert "".join(span.text for span in made.spans) == made.text == "".join(pieces)
    assert set(made.usage) == {"a", "r"}


def test_batch_equals_single(engine, model, write):
    fuse = SpanFuse((model("stories"), model("shakespeare")), ("a", "b"))
    prompts = [TEXT, "Lily", "Tom said:"]
    jobs = [Job(fuse, ((("user", p),),), Sampling(max_tokens=24)) for p in prompts]
    made = [future.result(60).text for future in [engine.generate(job) for job in jobs]]
    assert made == [write(fuse, p, max_tokens=24).text for p in prompts]


def test_a_token_fuse_proposes_and_judges(model, write):
    inner = TokenFuse((model("stories"), model("shakespeare")), ("a", "b"), (1.0, 3.0))
    alone = write(inner, TEXT, max_tokens=20)
    made = write(SpanFuse((inner,), ("ab",)), TEXT, max_tokens=20)
    assert made.text == alone.text
    both = write(SpanFuse((inner, model("rwkv")), ("ab", "r")), TEXT, max_tokens=20)
    assert set(both.spans[0].scores) == {"ab", "r"}


def test_weight_zero_neither_proposes_nor_judges(model, write):
    fuse = SpanFuse((model("stories"), model("rwkv")), ("a", "r"))
    made = write(fuse, TEXT, weights=(1.0, 0.0), max_tokens=20)
    assert made.text == write(model("stories"), TEXT, max_tokens=20).text
    assert set(made.usage) == {"a"}


def test_the_end_is_proposed_and_judged(zoo, write):
    fuse = SpanFuse((zoo("maths"), zoo("general-1")), ("m", "g"))
    made = write(fuse, "What is 12 plus 30?")
    assert made.finish == "stop"
    assert made.tokens[-1] == ""
    assert all(math.isfinite(s) for row in made.spans[-1].scores.values() for s in row.values())


def test_stop_strings_and_limits_hold(model, write):
    fuse = SpanFuse((model("stories"), model("shakespeare")), ("a", "b"))
    whole = write(fuse, TEXT, max_tokens=30)
    assert len(whole.tokens) <= 30
    stop = whole.text[7:10]
    assert (
        write(fuse, TEXT, max_tokens=30, stop=(stop,)).text == whole.text[: whole.text.index(stop)]
    )
    assert write(fuse, "dog " * 240, max_tokens=600).finish == "context"


def test_rows_are_given_back(engine, model, write):
    fuse = SpanFuse((model("stories"), model("rwkv")), ("a", "r"))
    write(fuse, TEXT, max_tokens=12)
    assert all(runner.idle for runner in engine._pool.runners())


def test_earlier_tokens_are_cut_back_where_the_text_is_tokenized_anew(engine, model, write):
    from composer.engine.sequence import SequenceState

    group = engine._group(model("stories"))
    words = group.slots[0].runner.model.vocabulary
    before, after = words.extend(b" th"), words.extend(b" there")
    assert after[: len(before)] != before
    sequence = SequenceState.open(group, (1.0,), {0: [1]})
    for token in before:
        sequence.append(token)
    stay, entries = sequence.continuation(b" th", b"ere")
    assert tuple(entries) == after
    assert len(sequence.entries) == len(before)
    sequence.truncate(stay)
    assert sequence.states[0].ids == [1]
    sequence.close()


@pytest.mark.parametrize("outer", [SpanFuse, ByteFuse])
def test_what_is_weighed_as_text_has_no_gate(model, outer):
    pair = model("stories"), model("shakespeare")
    gated = TokenFuse(pair, ("a", "b"), gate=Part("gate.unsure"))
    with pytest.raises(ModelError, match="cannot have a `gate`") as error:
        outer((gated, model("rwkv")), ("ab", "r"))
    assert error.value.code == "E402"
