"""Agreement on bytes: against a plain search over pairs of tokens, without caches."""

import itertools

import pytest
from fusing import Job, TokenFuse

from composer.ports import ModelError
from composer.specs import ByteFuse

TEXT = "Once upon a time"


@pytest.fixture(scope="module")
def pair(model):
    return model("stories"), model("rwkv")


def compatible(one, other):
    return one.startswith(other) or other.startswith(one)


def by_hand(plain, members, steps, top=40):
    """Greedy agreement of two models: the best pair of tokens whose bytes agree, step by step."""
    models = [plain(m) for m in members]
    ids = [m.prompt(TEXT) for m in models]
    starts = [len(each) for each in ids]
    behind = [b"", b""]
    said = b""
    for _ in range(steps):
        late = [n for n in range(2) if behind[n]] or [0, 1]
        options = []
        for n in late:
            logprobs = models[n].after(ids[n])
            pieces = [models[n].local.vocabulary.piece(i) for i in range(len(logprobs))]
            fits = [i for i, p in enumerate(pieces) if p and compatible(p, behind[n])]
            best = sorted(fits, key=lambda i: -logprobs[i])[:top]
            options.append([(float(logprobs[i]), i, pieces[i][len(behind[n]) :]) for i in best])
        fitting = [
            each
            for each in itertools.product(*options)
            if all(compatible(a[2], b[2]) for a, b in itertools.combinations(each, 2))
        ]
        chosen = max(fitting, key=lambda each: sum(option[0] for option in each))
        more = max((option[2] for option in chosen), key=len)
        for n, (_, token, _) in zip(late, chosen, strict=True):
            piece = models[n].local.vocabulary.piece(token)
            behind[n] = (behind[n] + more)[len(piece) :]
            ids[n].append(token)
        for n in {0, 1} - set(late):
            behind[n] += more
        said += more
    own = [
        m.local.vocabulary.bytes_of(each[start:])
        for m, each, start in zip(models, ids, starts, strict=True)
    ]
    return said, own


def test_agreement_equals_a_plain_search(pair, plain, write):
    said, own = by_hand(plain, pair, 24)
    assert all(said.startswith(each) for each in own)
    made = write(ByteFuse(pair, ("a", "b")), TEXT, max_tokens=24)
    size = min(len(said), len(made.text.encode()))
    assert size > 15
    assert made.text.encode()[:size] == said[:size]


def test_one_member_agrees_with_itself(model, write):
    alone = write(model("stories"), TEXT)
    made = write(ByteFuse((model("stories"),), ("a",)), TEXT)
    assert made.text == alone.text
    assert made.logprobs == pytest.approx(alone.logprobs, abs=1e-4)


def test_a_seed_repeats_a_draw_and_others_differ(pair, write):
    fuse = ByteFuse(pair, ("a", "b"))
    texts = [write(fuse, TEXT, temperature=1.0, seed=seed).text for seed in (1, 1, 2, 3)]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1


def test_streamed_equals_whole_and_usage_is_each_ones_own(pair, write):
    pieces = []
    made = write(ByteFuse(pair, ("a", "b")), TEXT, on_text=pieces.append)
    assert "".join(pieces) == made.text
    assert made.usage["b"].completion_tokens > made.usage["a"].completion_tokens > 0


def test_weights_decide(pair, model, write):
    fuse = ByteFuse(pair, ("a", "b"), (1.0, 0.0))
    assert write(fuse, TEXT).text == write(model("stories"), TEXT).text


def test_several_at_once_equal_one_at_a_time(engine, pair):
    from composer.ports import Sampling

    fuse = ByteFuse(pair, ("a", "b"))
    jobs = [
        Job(fuse, ((("user", text),),), Sampling(max_tokens=12))
        for text in (TEXT, "The dog", "Lily saw a big")
    ]
    together = [each.result(60).text for each in [engine.generate(job) for job in jobs]]
    assert together == [engine.generate(job).result(60).text for job in jobs]


def test_agreed_bytes_are_no_distribution(pair, write):
    with pytest.raises(ModelError, match="text"):
        write(TokenFuse((ByteFuse(pair, ("a", "b")), pair[0]), ("x", "y")), TEXT)
