from collections import Counter
from dataclasses import replace

import pytest
import torch
from fusing import LOGS, Job, Part, Prompted, TokenFuse

from composer.engine.distribution import Distributions
from composer.engine.sample import draw_column, filtered, sampling_probabilities
from composer.values import ModelError, Sampling

TEXT = "Once upon a time"
CHANCE = 1e-3  # a test that draws at random fails so rarely with other seeds


def drafted(tokens=3, **options):
    return Part("draft.speculative", (("tokens", tokens), *options.items()))


def fused(members, draft=None, **options):
    return TokenFuse(members, ("a", "b", "c")[: len(members)], draft=draft, **options)


@pytest.fixture(scope="module")
def pair(model):
    return model("stories"), model("shakespeare")


@pytest.fixture(scope="module")
def three(model):
    return model("stories"), model("shakespeare"), model("maths")


@pytest.mark.parametrize("tokens", [1, 3, 8])
@pytest.mark.parametrize("count", [2, 3])
def test_a_greedy_draft_writes_what_the_fuse_writes(three, write, tokens, count):
    plain = write(fused(three[:count]), TEXT, max_tokens=32)
    made = write(fused(three[:count], drafted(tokens)), TEXT, max_tokens=32)
    assert made.tokens == plain.tokens
    assert made.logprobs == pytest.approx(plain.logprobs, abs=1e-4)
    assert made.finish == plain.finish
    for name, usage in made.usage.items():
        assert usage.completion_tokens == plain.usage[name].completion_tokens
    assert made.usage["b"].calls < plain.usage["b"].calls


def test_a_formula_with_a_minus_is_drafted_for(three, write):
    fuse = {"weights": (1.0, 0.8, -0.8), "combine": LOGS, "normalize": False}
    plain = write(fused(three, **fuse), TEXT)
    assert write(fused(three, drafted(), **fuse), TEXT).tokens == plain.tokens


def test_the_first_member_may_lead(pair, write):
    first = write(fused(pair, drafted(4, lead="first")), TEXT)
    assert first.tokens == write(fused(pair), TEXT).tokens
    assert first.usage["a"].calls > first.usage["b"].calls


def test_the_cheapest_member_leads(zoo, write):
    members = zoo("large"), zoo("general-1")
    made = write(fused(members, drafted(4)), "What is 12 plus 30?", max_tokens=12)
    assert made.tokens == write(fused(members), "What is 12 plus 30?", max_tokens=12).tokens
    assert made.usage["b"].calls > made.usage["a"].calls


def test_recurrent_members_come_back_to_where_a_round_began(model, write):

    rwkv = model("rwkv")
    members = rwkv, Prompted(rwkv, 1)
    texts = "Once upon a time", "The king said"
    plain = write(fused(members), *texts, max_tokens=20)
    made = write(fused(members, drafted()), *texts, max_tokens=20)
    assert made.text == plain.text
    assert made.logprobs == pytest.approx(plain.logprobs, abs=1e-3)


def test_a_member_of_weight_zero_leaves_nobody_to_draft_for(pair, write):
    made = write(fused(pair, drafted(), weights=(1.0, 0.0)), TEXT)
    assert made.text == write(pair[0], TEXT).text
    assert set(made.usage) == {"a"}


@pytest.mark.parametrize("limit", range(1, 9))
def test_writes_exactly_as_many_tokens_as_it_may(pair, write, limit):
    made = write(fused(pair, drafted()), TEXT, max_tokens=limit)
    assert len(made.tokens) == limit
    assert made.finish == "length"
    assert made.usage["a"].completion_tokens == limit


@pytest.mark.parametrize("stop", ["girl", "tle g", "park"])
def test_stops_where_the_fuse_stops_and_streams_the_whole(whole, write, stop):
    pair, pieces = (whole("stories"), whole("shakespeare")), []
    plain = write(fused(pair), TEXT, stop=(stop,), max_tokens=48)
    made = write(fused(pair, drafted()), TEXT, stop=(stop,), max_tokens=48, on_text=pieces.append)
    assert (made.text, made.tokens, made.finish) == (plain.text, plain.tokens, plain.finish)
    assert made.finish == "stop"
    assert "".join(pieces) == made.text
    assert len(pieces) > 1


def test_ends_where_the_fuse_ends(zoo, write):
    members = zoo("general-1"), zoo("general-2")
    plain = write(fused(members), "Add 17 and 25.", max_tokens=32)
    for tokens in (1, 2, 5):
        made = write(fused(members, drafted(tokens)), "Add 17 and 25.", max_tokens=32)
        assert made.tokens == plain.tokens
        assert made.finish == plain.finish == "stop"
        assert made.usage["a"].completion_tokens == plain.usage["a"].completion_tokens


def test_a_full_context_ends_the_answer_where_it_ends_that_of_the_fuse(pair, write):
    long = "word " * 160
    plain = write(fused(pair), long, max_tokens=600)
    made = write(fused(pair, drafted()), long, max_tokens=600)
    assert plain.finish == made.finish == "context"
    assert len(made.tokens) == len(plain.tokens)


@pytest.mark.parametrize("temperature", [0.0, pytest.param(0.8, marks=pytest.mark.slow)])
def test_a_batch_writes_what_each_row_writes_alone(engine, pair, write, temperature):
    fuse = fused(pair, drafted())
    texts = [TEXT, "Tom was sad.", "The king", "Lily saw a big dog and"]
    how = {"temperature": temperature, "max_tokens": 20}
    jobs = [
        Job(fuse, ((("user", text),),), Sampling(seed=n, **how)) for n, text in enumerate(texts)
    ]
    made = [future.result(60) for future in [engine.generate(job) for job in jobs]]
    alone = [write(fuse, text, seed=n, **how) for n, text in enumerate(texts)]
    assert [m.text for m in made] == [m.text for m in alone]


def test_rows_of_one_cycle_take_their_turns_together(engine, pair, monkeypatch):
    from composer.engine.rows.runner import Runner

    widths = []
    step = Runner.forward

    def count(runner, feeds, *rest, **more):
        widths.append(len(feeds))
        return step(runner, feeds, *rest, **more)

    monkeypatch.setattr(Runner, "forward", count)
    fuse = fused(pair, drafted(1))
    texts = [TEXT, "Tom was sad.", "The king", "Lily saw a big dog and"]
    jobs = [Job(fuse, ((("user", text),),), Sampling(max_tokens=24)) for text in texts]
    made = [future.result(60) for future in [engine.generate(job) for job in jobs]]
    fewest = max(sum(u.calls for u in each.usage.values()) for each in made)
    assert len(widths) <= fewest + 8


def joint(plain, members, how, length):
    """The probability of every text of some tokens, by models without cache."""
    models = [plain(member) for member in members]
    prompts = [m.prompt(TEXT) for m in models]
    found = {(): 1.0}
    for _ in range(length):
        longer = {}
        for ids, chance in found.items():
            p = sum(m.after([*g, *ids]).exp() for m, g in zip(models, prompts, strict=True))
            ranked, order = (p.log() / how.temperature).log_softmax(-1).sort(descending=True)
            kept = filtered(ranked[None], [how])[0].softmax(-1)
            for n in range(int((kept > 0).sum())):
                longer[(*ids, int(order[n]))] = chance * float(kept[n])
        found = longer
    words = models[0].local.vocabulary
    return {words.bytes_of(ids).decode(errors="replace"): p for ids, p in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        pytest.param((2, 1, Sampling(temperature=1.0, top_k=4)), marks=pytest.mark.slow),
        pytest.param((2, 3, Sampling(temperature=0.7, top_k=4)), marks=pytest.mark.slow),
        (3, 2, Sampling(temperature=1.3, top_k=8, top_p=0.9, min_p=0.05)),
    ],
)
def test_what_is_drawn_is_distributed_as_the_fuse(engine, three, plain, case):
    from scipy.stats import chisquare

    (count, tokens, how), length, draws = case, 3, 600
    members = three[:count]
    expected = joint(plain, members, how, length)
    how = replace(how, max_tokens=length)
    fuse = fused(members, drafted(tokens))
    jobs = [Job(fuse, ((("user", TEXT),),), replace(how, seed=seed)) for seed in range(draws)]
    seen = Counter(f.result(120).text for f in [engine.generate(job) for job in jobs])
    assert set(seen) <= set(expected)
    common = sorted(text for text, p in expected.items() if p * draws >= 5)
    rest = max(1.0 - sum(expected[text] for text in common), 1e-9)
    counts = [*(seen[text] for text in common), draws - sum(seen[text] for text in common)]
    wanted = [*(expected[text] * draws for text in common), rest * draws]
    scale = draws / sum(wanted)
    assert len(common) > 8
    assert chisquare(counts, [w * scale for w in wanted]).pvalue > CHANCE


def test_the_rule_of_acceptance_gives_exactly_the_target():
    dice = torch.Generator().manual_seed(0)
    p, q = torch.rand(2, 5, generator=dice, dtype=torch.float64).softmax(-1)
    grid = [(n + 0.5) / 400 for n in range(400)]
    total = torch.zeros(5, dtype=torch.float64)
    rest = (p - q).clamp(min=0)
    redrawn = torch.bincount(draw_column(rest.expand(400, 5), grid), minlength=5) / 400
    for entry in range(5):
        kept = min(1.0, float(p[entry] / q[entry]))
        total[entry] += q[entry] * kept
        total += q[entry] * (1 - kept) * redrawn
    assert total.tolist() == pytest.approx(p.tolist(), abs=5e-3)


def test_processed_is_what_a_draw_goes_by():
    dice = torch.Generator().manual_seed(1)
    said = Distributions(torch.randn(3, 40, generator=dice))
    hows = [
        Sampling(temperature=1.0),
        Sampling(temperature=0.5, top_k=5),
        Sampling(temperature=1.2, top_p=0.6, min_p=0.02),
    ]
    found = sampling_probabilities(said, [0, 1, 2], hows)
    for row, how in enumerate(hows):
        ranked, order = (said.scores[row] / how.temperature).log_softmax(-1).sort(descending=True)
        kept = filtered(ranked[None], [how])[0].double().softmax(-1)
        expected = torch.zeros(40, dtype=torch.float64).index_put((order,), kept)
        assert torch.allclose(found[row], expected, atol=1e-6)


def test_unlike_vocabularies_are_not_drafted_for(model, write):
    members = model("stories"), model("rwkv")
    with pytest.raises(ModelError, match="have different vocabularies"):
        write(fused(members, drafted()), TEXT)


def test_a_draft_stands_outermost_and_without_a_gate(pair):
    inner = fused(pair, drafted())
    with pytest.raises(ModelError, match="inside another fuse"):
        TokenFuse((inner, pair[0]), ("ab", "c"))
    with pytest.raises(ModelError, match="cannot be used together"):
        fused(pair, drafted(), gate=Part("gate.unsure"))


def test_numbers_that_are_none_name_their_member(engine, pair, monkeypatch):
    from composer.engine.rows.runner import Runner

    step = Runner.forward

    def broken(runner, feeds, *rest, **more):
        out = step(runner, feeds, *rest, **more)
        logits = out if isinstance(out, torch.Tensor) else out[0]
        if runner.model.name == "shakespeare" and len(logits):
            logits[:] = torch.nan
        return out

    monkeypatch.setattr(Runner, "forward", broken)
    job = Job(fused(pair, drafted()), ((("user", TEXT),),), Sampling(max_tokens=8))
    with pytest.raises(ModelError, match="b gave logits that are not numbers"):
        engine.generate(job).result(60)


@pytest.mark.parametrize("tokens", [1, 3])
def test_the_log_probabilities_are_those_of_the_fuse(pair, plain, write, tokens):
    made = write(fused(pair, drafted(tokens)), TEXT, temperature=1.0, seed=4)
    models = [plain(member) for member in pair]
    ids = [models[0].local.vocabulary.ids[token.encode()] for token in made.tokens]
    prompt = models[0].prompt(TEXT)
    expected = [
        (sum(m.after(prompt + ids[:n]).exp() for m in models) / 2).log()[entry].item()
        for n, entry in enumerate(ids)
    ]
    assert made.logprobs == pytest.approx(expected, abs=1e-4)


def test_a_draft_is_as_long_as_the_lead_is_smaller(zoo, write):
    small, large = zoo("general-1"), zoo("large")
    question = "What is 12 plus 30?"
    equals = write(fused((small, zoo("general-2")), drafted(None)), question, max_tokens=12)
    turns = write(fused((small, zoo("general-2")), drafted(1)), question, max_tokens=12)
    assert equals.usage == turns.usage
    unequal = write(fused((large, small), drafted(None)), question, max_tokens=12)
    assert unequal.usage["b"].calls > unequal.usage["a"].calls


@pytest.mark.parametrize(
    "options",
    [
        {"combine": Part("combine.maximum")},
        {"combine": LOGS, "weights": (3.0, 1.0)},
        {"weigh": Part("weigh.entropy")},
    ],
)
def test_any_way_to_weigh_and_combine_is_drafted_for(pair, write, options):
    plain = write(fused(pair, **options), TEXT)
    assert write(fused(pair, drafted(2), **options), TEXT).tokens == plain.tokens


def test_a_fuse_within_the_fuse_drafts_or_judges_as_one(three, write):
    inner = TokenFuse(three[:2], ("a", "b"))
    nested = TokenFuse((inner, three[2]), ("ab", "c"))
    plain = write(nested, TEXT)
    for lead in ("cheapest", "first"):
        assert write(replace(nested, draft=drafted(lead=lead)), TEXT).tokens == plain.tokens


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_fuses_of_candidates_within_the_fuse_are_drafted_for(three, write, temperature):
    align = Part("align.topk")
    inner = [TokenFuse(three[:2], ("x", "y"), weights, align=align) for weights in ((1, 1), (1, 3))]
    nested = TokenFuse(tuple(inner), ("a", "b"))
    made = write(replace(nested, draft=drafted(2)), TEXT, temperature=temperature, seed=1)
    assert len(made.tokens) == 24
    if not temperature:
        assert made.tokens == write(nested, TEXT).tokens


def test_drafted_and_plain_answers_share_their_passes(engine, pair, write):
    alone = {draft: write(fused(pair, draft), TEXT).text for draft in (None, drafted(), drafted(1))}
    jobs = [
        Job(fused(pair, draft), ((("user", TEXT),),), Sampling(max_tokens=24)) for draft in alone
    ]
    made = [future.result(60).text for future in [engine.generate(job) for job in jobs]]
    assert made == list(alone.values())
