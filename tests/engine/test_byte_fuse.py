"""Agreement on bytes: against a plain search over pairs of tokens, without caches."""

import itertools
import operator
from functools import cache

import pytest
from few_tokens import VOCABULARIES, tiny
from fusing import Job, TokenFuse

from composer.specs import ByteFuse
from composer.values import ModelError

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
    from composer.values import Sampling

    fuse = ByteFuse(pair, ("a", "b"))
    jobs = [
        Job(fuse, ((("user", text),),), Sampling(max_tokens=12))
        for text in (TEXT, "The dog", "Lily saw a big")
    ]
    together = [each.result(60).text for each in [engine.generate(job) for job in jobs]]
    assert together == [engine.generate(job).result(60).text for job in jobs]


def test_agreed_bytes_are_no_distribution(pair, write):
    with pytest.raises(ModelError, match="cannot be members"):
        write(TokenFuse((ByteFuse(pair, ("a", "b")), pair[0]), ("x", "y")), TEXT)


@pytest.fixture(scope="module", params=range(3))
def few(request, tmp_path_factory):
    folder, seed = tmp_path_factory.mktemp("few"), request.param
    return [tiny(folder / name, *parts, seed) for name, parts in VOCABULARIES.items()]


def every_answer(plain, members, weights, most):
    """All that members can write together, by plain arithmetic: score, bytes, log-probabilities."""
    loaded = [plain(m) for m in members]
    pieces = [[m.local.vocabulary.piece(i) for i in range(m.local.width)] for m in loaded]
    known = cache(lambda n, ids: loaded[n].after(list(ids)).tolist())
    todo = [([(tuple(m.prompt("ab")), b"", 0.0, 0) for m in loaded], b"", 0)]
    while todo:
        states, said, count = todo.pop()
        late = [n for n, each in enumerate(states) if each[1]] or list(range(len(loaded)))
        options = []
        for n in late:
            ids, behind, _, _ = states[n]
            own = [(i, p) for i, p in enumerate(pieces[n]) if p and compatible(p, behind)]
            ends = [] if behind else [(i, None) for i in loaded[n].local.ends]
            options.append([(i, p, known(n, ids)[i]) for i, p in [*own, *ends]])
        for each in itertools.product(*options):
            pairs = zip(late, each, strict=True)
            adds = [p if p is None else p[len(states[n][1]) :] for n, (_, p, _) in pairs]
            if any((p is None) != (adds[0] is None) for p in adds):
                continue
            more = max(adds, key=len) if adds[0] is not None else None
            if more is not None and not all(more.startswith(p) for p in adds):
                continue
            after = [(ids, behind + (more or b""), own, k) for ids, behind, own, k in states]
            for n, (i, p, logprob) in zip(late, each, strict=True):
                ids, behind, own, k = after[n]
                after[n] = (*ids, i), behind[len(p or b"") :], own + logprob, k + 1
            now = count + (more != b"")
            if more is None or now == most:
                means = [own / k if k else 0.0 for _, _, own, k in after]
                yield sum(map(operator.mul, weights, means)), said + (more or b"")
            else:
                todo.append((after, said + more, now))


@pytest.mark.parametrize("names", [(0, 1), (1, 2), (0, 1, 2)])
def test_a_wide_beam_finds_the_likeliest_of_all_answers(few, plain, write, names):
    members = [few[n] for n in names]
    weights = [(n + 1) / sum(range(1, len(names) + 1)) for n in range(len(names))]
    most = 3 if len(names) == 2 else 2
    best = max(every_answer(plain, members, weights, most))
    fuse = ByteFuse(tuple(members), tuple("abc"[: len(names)]), tuple(weights), 64, 10**4)
    assert write(fuse, "ab", max_tokens=most).text.encode() == best[1]


def test_a_beam_streams_what_it_answers_repeats_it_and_gives_all_rows_back(few, engine, write):
    fuse = ByteFuse(tuple(few), tuple("abc"), None, 64, 5)
    pieces = []
    made = write(fuse, "ab", max_tokens=8, on_text=pieces.append)
    assert "".join(pieces) == made.text
    assert made.text == write(fuse, "ab", max_tokens=8).text
    assert all(runner.idle for runner in engine._pool.runners())


def test_a_beam_ends_at_a_stop_string_and_holds_back_none_of_the_text(pair, write):
    fuse = ByteFuse(pair, ("a", "b"), None, 64, 3)
    whole = write(fuse, TEXT, max_tokens=12)
    stop = whole.text.strip()[4:7]
    made = write(fuse, TEXT, max_tokens=12, stop=(stop,))
    assert stop not in made.text
    assert made.finish == "stop"


@pytest.mark.parametrize("top", [1, 2])
def test_where_few_tokens_agree_more_are_weighed_up(few, write, top):
    made = write(ByteFuse(tuple(few), tuple("abc"), None, top), "ab", max_tokens=10)
    assert made.tokens


def test_words_that_never_agree_are_an_error_with_advice_that_can_help(tmp_path, write):
    members = [tiny(tmp_path / name, [name], [], 0, end=None) for name in "xy"]
    with pytest.raises(ModelError, match="same bytes") as error:
        write(ByteFuse(tuple(members), ("x", "y")), "", max_tokens=3)
    assert error.value.code == "E705"
