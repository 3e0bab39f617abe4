"""The parts of a span fuse on real models."""

import math
from dataclasses import replace
from itertools import accumulate

import pytest
import regex
from fusing import Job, SpanFuse
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from composer.checkpoints.vocabulary import Vocabulary
from composer.engine.sessions.span_parts import SpanText
from composer.methods.spans.adaptive import Margin
from composer.methods.spans.boundaries import Punctuation, Sentence, Tokens, Words
from composer.methods.spans.branchings import Branches
from composer.methods.spans.common import Common
from composer.methods.spans.filters import Outliers
from composer.methods.spans.measures import Share
from composer.values import Sampling
from composer.values.details import TokenDetail

TEXT = "Once upon a time"
BOUNDARIES = [
    Words(),
    Words(n=4),
    Common(),
    Common(n=2),
    Sentence(),
    Tokens(n=1),
    Tokens(n=7),
    Punctuation(),
    Margin(),
]


@pytest.mark.parametrize("boundary", BOUNDARIES, ids=str)
@pytest.mark.parametrize("name", ["stories", "rwkv"])
def test_one_member_writes_what_it_would_alone(model, write, name, boundary):
    alone = write(model(name), TEXT, max_tokens=30)
    made = write(
        SpanFuse((model(name),), ("a",), span=boundary, max_span_tokens=12), TEXT, max_tokens=30
    )
    assert made.text == alone.text
    assert made.tokens == alone.tokens
    assert "".join(span.text for span in made.spans) == made.text


@pytest.mark.parametrize("boundary", BOUNDARIES, ids=str)
def test_unlike_tokenizers_share_every_boundary(model, write, boundary):
    members = model("stories"), model("rwkv"), model("shakespeare")
    made = write(SpanFuse(members, ("a", "r", "s"), span=boundary), TEXT, max_tokens=20)
    assert "".join(span.text for span in made.spans) == made.text
    assert all(len(span.candidates) == 3 for span in made.spans)


def test_a_common_piece_of_one_vocabulary_is_a_token(model, write):
    members = model("stories"), model("shakespeare")
    made = write(SpanFuse(members, ("a", "b"), span=Common()), TEXT, max_tokens=12)
    assert len(made.spans) == len(made.tokens)


def test_a_common_piece_of_bytes_and_longer_tokens_is_longer_than_a_byte(model, write):
    members = model("stories"), model("rwkv")
    made = write(SpanFuse(members, ("a", "r"), span=Common()), TEXT, max_tokens=24)
    written = [text for span in made.spans for text in span.candidates.values()]
    assert len(made.spans) > 4
    assert sum(len(text) > 1 for text in written) > len(written) / 2


def test_a_span_that_never_ends_is_ended_after_most_tokens(model, write):
    class Never(Words):
        name = "never"

        def end(self, span):
            del span

    made = write(
        SpanFuse((model("rwkv"),), ("r",), span=Never(), max_span_tokens=5), TEXT, max_tokens=12
    )
    assert [len(span.text) for span in made.spans] == [5, 5, 2]


def test_a_character_is_not_cut_where_a_span_is_ended(model, write):
    prefix = "\u4e16\u754c" * 8
    made = write(
        SpanFuse((model("rwkv"),), ("r",), span=Words(n=9), max_span_tokens=4),
        prefix,
        temperature=1.5,
        seed=3,
        max_tokens=30,
    )
    assert "".join(span.text for span in made.spans) == made.text


def test_a_member_that_is_unsure_proposes_several_spans(model, write):
    fuse = SpanFuse(
        (model("stories"), model("rwkv")), ("a", "r"), explore=Branches(width=2, below=1)
    )
    made = write(fuse, TEXT, max_tokens=16)
    assert set(made.spans[0].candidates) == {"a", "a#2", "r", "r#2"}
    firsts = [text.split()[0] for text in made.spans[0].candidates.values()]
    assert len(set(firsts)) > 2
    sure = SpanFuse(fuse.members, fuse.names, explore=Branches(below=1e-9))
    assert (
        write(sure, TEXT, max_tokens=16).text
        == write(SpanFuse(fuse.members, fuse.names), TEXT, max_tokens=16).text
    )


def test_branches_are_scored_as_by_hand(plain, whole, write):
    one, vocabulary = plain(whole("stories")), plain(whole("stories")).local.vocabulary
    fuse = SpanFuse((whole("stories"),), ("a",), explore=Branches(width=3, below=1))
    (span, *_) = write(fuse, TEXT, max_tokens=10).spans
    ids = one.prompt(TEXT)
    best = one.after(ids).topk(3).indices.tolist()
    for (label, text), first in zip(span.candidates.items(), best, strict=True):
        tokens = [first, *vocabulary.extend(text.encode()[len(vocabulary.piece(first)) :])]
        logprobs = [float(one.after(ids + tokens[:n])[t]) for n, t in enumerate(tokens)]
        assert text.encode().startswith(vocabulary.piece(first))
        assert span.scores["a"][label] == pytest.approx(sum(logprobs) / len(logprobs), abs=1e-4)


@pytest.mark.parametrize("parts", [{"span": Margin()}, {"explore": Branches(width=5, below=1)}])
def test_details_are_those_that_were_wanted(engine, model, parts):

    fuse = SpanFuse((model("stories"), model("shakespeare")), ("a", "b"), **parts)

    job = replace(
        Job(fuse, ((("user", TEXT),),), Sampling(max_tokens=12)),
        detail=TokenDetail(top=1, ids=(7,)),
    )
    made = engine.generate(job).result(60)
    assert len(made.choices) == len(made.tokens)
    assert all(1 <= len(choice.top) <= 2 for choice in made.choices)
    assert all(choice.top[-1].id == 7 for choice in made.choices)


def test_scores_that_a_filter_leaves_out_are_not_told(model, write):
    members, names = (model("stories"), model("shakespeare"), model("rwkv")), ("a", "b", "r")
    (all_, *_) = write(SpanFuse(members, names), TEXT, max_tokens=16).spans
    scores = [[all_.scores[name][label] for label in names] for name in names]
    kept = Outliers(deviations=1).kept(scores)
    fuse = SpanFuse(members, names, filter=Outliers(deviations=1))
    (span, *_) = write(fuse, TEXT, max_tokens=16).spans
    assert not all(map(all, kept))
    for name, row in zip(names, kept, strict=True):
        assert list(span.scores[name]) == [
            n for n, counts in zip(names, row, strict=True) if counts
        ]


def test_shares_of_each_member_sum_to_one(model, write):
    fuse = SpanFuse((model("stories"), model("rwkv")), ("a", "r"), score=Share())
    for span in write(fuse, TEXT, max_tokens=16).spans:
        texts = {text: span.scores["a"][label] for label, text in span.candidates.items()}
        assert sum(texts.values()) == pytest.approx(1.0)
        assert all(math.isfinite(score) for score in texts.values())


@pytest.fixture(scope="module")
def vocabularies(data):
    files = (data / "tokenizers" / name / "tokenizer.json" for name in ("gpt2", "llama2"))
    return [Vocabulary(Tokenizer.from_file(str(file))) for file in files]


REAL = (
    "def f(x):\n    return 3.14  # naïve caffe\u0300\n\u4f60\u597d\uff0c\u4e16\u754c\u3002 "
    "na\u0131\u0308ve \U0001f468\u200d\U0001f469\u200d\U0001f467 ok"
)


@settings(max_examples=25, deadline=None)
@given(st.permutations(REAL.split(" ")), st.sampled_from(BOUNDARIES), st.booleans())
def test_real_tokens_are_cut_where_characters_end(vocabularies, words, boundary, swap):
    writer, other = reversed(vocabularies) if swap else vocabularies
    text = "".join(f" {word}" for word in words)
    left, spans = [writer.piece(token) for token in writer.extend(text.encode())], []
    while left:
        span, kept = SpanText("".join(spans), [other]), None
        for token in left:
            span.add(token, 0.5)
            kept = kept or span.cut(boundary)
        kept = kept or len(left)
        spans.append(b"".join(left[:kept]).decode())
        left = left[kept:]
    assert "".join(spans) == text
    assert graphemes(text) == [each for span in spans for each in graphemes(span)]
    if boundary == Common():
        for n, span in enumerate(spans):
            assert len(span.encode()) in token_ends(other, "".join(spans[n:]))


def token_ends(vocabulary, text):
    return set(accumulate(len(vocabulary.piece(t)) for t in vocabulary.extend(text.encode())))


def graphemes(text):
    return regex.findall(r"\X", text)
