"""Raw texts and token ids: what models read of them, and the scores of their own tokens."""

import math
from dataclasses import replace

import pytest
import torch
from fusing import LOGS, Part, Prompted, TokenFuse

from composer.engine.weights.local import load
from composer.run.cache import answer_key, score_key
from composer.values import Generate, ModelError, Query, Sampling, ScoreTexts
from composer.values.details import TokenDetail

TEXT = "What is 17 plus 25? 4"
PAD = 0
RAW = replace(Query.of(TEXT), raw=True)


@pytest.fixture(scope="module")
def pair(zoo):
    return zoo("general-1"), zoo("maths")


@pytest.fixture(scope="module")
def tokens(pair):
    return load(pair[0])


@pytest.fixture
def answer(engine):
    def run(member, query, prefix="", **how):
        job = Generate(member, query, Sampling(**{"max_tokens": 5, **how}), prefix)
        return engine.generate(job).result(60)

    return run


@pytest.fixture
def echo(engine):
    def run(member, query, detail=None):
        return engine.perplexity(ScoreTexts(member, query, None, detail=detail)).result(60)

    return run


def test_a_raw_text_is_read_without_a_template(pair, plain, greedy, answer):
    model = plain(pair[0])
    ids = greedy(lambda written: model.after(model.local.raw(TEXT) + written), 5, model.local.ends)
    made = answer(pair[0], RAW)
    assert made.text.encode() == model.local.vocabulary.bytes_of(ids)
    assert made.logprobs != answer(pair[0], Query.of(TEXT)).logprobs
    parted = answer(pair[0], replace(Query.of(TEXT[:-2]), raw=True), prefix=TEXT[-2:])
    assert (parted.text, parted.tokens) == (made.text, made.tokens)


def test_ids_are_read_as_they_are(pair, tokens, answer):
    letters = [tokens.vocabulary.ids[bytes([byte])] for byte in TEXT.encode()]
    query = tokens.raw_query(letters)
    assert query.text == TEXT
    assert answer(pair[0], query).usage["general-1"].prompt_tokens == len(letters)
    assert letters != tokens.raw(TEXT)
    canonical = tokens.raw_query(tokens.raw(TEXT))
    assert answer(pair[0], canonical) == answer(pair[0], RAW)
    fuse = TokenFuse(pair, ("A", "B"), (0.3, 0.7))
    assert answer(fuse, canonical) == answer(fuse, RAW)


def test_models_of_other_tokenizers_read_the_text_of_ids(pair, zoo, tokens, answer):
    query = tokens.raw_query(tokens.raw(TEXT))
    other = zoo("other")
    assert answer(other, query) == answer(other, RAW)
    fuse = TokenFuse((pair[0], other), ("A", "o"))
    assert answer(fuse, query) == answer(fuse, RAW)


def test_special_tokens_stay_special_or_are_refused(pair, zoo, tokens, answer, echo):
    (end,) = tokens.ends
    query = tokens.raw_query([*tokens.raw(TEXT), end, *tokens.raw("2")])
    assert query.text == f"{TEXT}2"
    assert query.special == ((len(TEXT), "<eos>", True),)
    assert tokens.read(query) == list(query.ids)
    fuse, other = TokenFuse((pair[0], zoo("other")), ("A", "o")), load(zoo("other"))
    assert answer(fuse, query).tokens
    assert other.read(query) == [*other.raw(TEXT), *other.ends, *other.vocabulary.extend(b"2")]
    padded = tokens.raw_query([PAD, *query.ids])
    with pytest.raises(ModelError, match="the special token `<pad>`, and `other` has none"):
        answer(fuse, padded)
    with pytest.raises(ModelError, match="the special token `<pad>`, and `other` has none"):
        echo(fuse, padded)
    spelt = replace(Query.of(f"{TEXT}<eos>2"), raw=True)
    assert end not in tokens.read(spelt)
    assert end in tokens.read(spelt, parse_special=True)


def test_half_a_character_is_for_its_own_tokenizer_alone(pair, zoo, tokens, answer):
    half = [tokens.vocabulary.ids[bytes([byte])] for byte in "é".encode()[:1]]
    query = tokens.raw_query([*tokens.raw(TEXT), *half])
    assert answer(pair[0], query).tokens
    with pytest.raises(ModelError, match="no whole characters"):
        answer(zoo("other"), query)


@pytest.mark.parametrize("ids", [[100000], [-1]])
def test_ids_that_are_none_are_refused(tokens, pair, answer, ids):
    for ask in (tokens.raw_query, lambda ids: answer(pair[0], replace(RAW, ids=tuple(ids)))):
        with pytest.raises(ModelError, match=f"no token with the id {ids[0]}") as error:
            ask(ids)
        assert error.value.code == "E402"


def test_a_prompt_of_a_members_own_is_read_raw(pair, answer):
    template = Part.__globals__["Template"](text="Add. {{ query }}")
    member = replace(Prompted(pair[0], 1), template=template)
    assert answer(member, RAW) == answer(pair[0], replace(Query.of(f"Add. {TEXT}"), raw=True))


def by_hand(plain, members, ids, combine):
    """Log-probabilities of all ids but the first, and the likeliest there."""
    models = [plain(member) for member in members]
    for n in range(1, len(ids)):
        fused = combine([model.after(list(ids[:n])) for model in models])
        yield fused[ids[n]].item(), fused.topk(3)


@pytest.mark.parametrize(
    ("combine", "arithmetic"),
    [
        ("mean", lambda own: (0.3 * own[0].exp() + 0.7 * own[1].exp()).log()),
        ("logs", lambda own: (0.3 * own[0] + 0.7 * own[1]).log_softmax(-1)),
    ],
)
def test_the_tokens_of_a_prompt_are_scored_as_by_hand(  # noqa: PLR0913 - who reads, and how
    pair, tokens, plain, echo, combine, arithmetic
):
    fuse = TokenFuse(pair, ("A", "B"), (0.3, 0.7), combine=Part(f"combine.{combine}"))
    query = tokens.raw_query(tokens.raw(TEXT))
    score = echo(fuse, query, TokenDetail(top=3, members=1))
    truth = list(by_hand(plain, pair, query.ids, arithmetic))
    assert score.logprobs == pytest.approx([logprob for logprob, _ in truth], abs=2e-4)
    for choice, logprob, (_, best) in zip(score.choices, score.logprobs, truth, strict=True):
        assert choice.chosen.logprob == logprob
        assert [token.id for token in choice.top] == best.indices.tolist()
        assert (choice.top[0].logprob == logprob) == (choice.top[0].id == choice.chosen.id)
        assert [member.weight for member in choice.members] == [0.3, 0.7]
    (first,) = score.before
    assert (first.id, first.piece) == (query.ids[0], tokens.vocabulary.piece(query.ids[0]))
    assert math.isnan(first.logprob)
    assert [choice.chosen.id for choice in score.choices] == list(query.ids[1:])
    bare = echo(fuse, query)
    assert (bare.tokens, bare.logprobs, bare.choices) == (score.tokens, score.logprobs, ())
    assert echo(fuse, RAW).logprobs == score.logprobs  # a model without BOS reads the same


def test_a_continuation_in_a_prompt_scores_as_a_text_behind_it(pair, tokens, engine, echo):
    start, end = tokens.raw("What is 17 plus 25?"), list(tokens.vocabulary.extend(b" 42"))
    fuse = TokenFuse(pair, ("A", "B"), (0.3, 0.7), combine=LOGS)
    whole = echo(fuse, tokens.raw_query([*start, *end]))
    query = replace(Query.of("What is 17 plus 25?"), raw=True)
    apart = engine.score(ScoreTexts(fuse, query, (" 42",)), " 42").result(60)
    assert whole.tokens[-len(end) :] == apart.tokens
    assert whole.logprobs[-len(end) :] == pytest.approx(apart.logprobs, abs=1e-5)


def test_a_long_prompt_is_scored_in_chunks(pair, tokens, plain, echo):
    ids = tokens.raw("The sum of 1 and 2 is 3. " * 30)[:400]
    score = echo(pair[0], tokens.raw_query(ids))
    with torch.inference_mode():
        logits = load(pair[0]).module(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    expected = logits[range(len(ids) - 1), ids[1:]].tolist()
    assert score.logprobs == pytest.approx(expected, abs=1e-3)


def test_unlike_tokenizers_are_scored_along_the_firsts_tokens(pair, zoo, tokens, engine, echo):
    fuse = TokenFuse((pair[0], zoo("other")), ("A", "o"))
    query = tokens.raw_query(tokens.raw(TEXT))
    score = echo(fuse, query, TokenDetail(top=2))
    texts = [tokens.vocabulary.piece(token).decode() for token in query.ids]
    assert [*(t.piece.decode() for t in score.before), *score.tokens] == texts
    raw = replace(Query.of(texts[0]), raw=True)
    rest = "".join(texts[1:])
    apart = engine.score(ScoreTexts(fuse, raw, (rest,)), rest).result(60)
    assert score.logprobs == pytest.approx(apart.logprobs, abs=1e-4)
    with pytest.raises(ModelError, match="cannot all write the token '<pad>'") as error:
        echo(fuse, tokens.raw_query([*query.ids, PAD]))
    assert error.value.code == "E711"
    foreign = load(zoo("other")).raw_query(load(zoo("other")).raw(TEXT))
    with pytest.raises(ModelError, match="not of the tokenizer of `general-1`") as error:
        echo(fuse, foreign)
    assert error.value.code == "E305"


def test_weights_of_the_prompt_hold_for_its_own_tokens(pair, tokens, echo):
    fuse = TokenFuse(pair, ("A", "B"), weigh=Part("weigh.perplexity"))
    query = tokens.raw_query(tokens.raw(TEXT))
    weights = {
        m.weight for c in echo(fuse, query, TokenDetail(members=1)).choices for m in c.members
    }
    assert len(weights) == 2
    assert sum(weights) == pytest.approx(1)
    assert 0.5 not in weights


def test_kept_answers_tell_raw_from_rendered(pair, tokens):
    letters = tuple(tokens.vocabulary.ids[bytes([byte])] for byte in TEXT.encode())
    queries = [Query.of(TEXT), RAW, tokens.raw_query(letters)]
    keys = {answer_key(Generate(pair[0], query, seeds=(0,))) for query in queries}
    keys |= {score_key(ScoreTexts(pair[0], query, None), None) for query in queries}
    keys |= {score_key(ScoreTexts(pair[0], query, ("x",)), "x") for query in queries}
    assert len(keys) == 9
