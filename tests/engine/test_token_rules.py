"""Token cascades: their formulas by hand, their ends, and what is drawn with drafts."""

import math
from collections import Counter
from dataclasses import replace

import pytest
import torch
from fusing import SHARED, Job, Part, TokenFuse

from composer.engine.distribution import Aligned, Distributions, MemberWeight
from composer.engine.sample import draw, greedy, sampling_probabilities
from composer.values import ModelError, Sampling

RULES = {
    "chow": {},
    "diff": {},
    "opt": {},
    "V1": {"version": 1},
    "V2": {"version": 2},
    "V3": {"version": 3},
}
TEXT = "Once upon a time"
QUESTION = "What is 12 plus 30?"
CHANCE = 1e-3  # a test that draws at random fails so rarely with other seeds


def rule(name, lenience=0.1):
    """Name a rule: `V2` is `token_rule(version = 2)`."""
    part = "token_rule" if name.startswith("V") else name
    return Part(f"combine.{part}", {"lenience": lenience, **RULES.get(name, {})})


def drafted(tokens=3):
    return Part("draft.speculative", (("tokens", tokens),))


def cascade(members, combine, draft=None):
    return TokenFuse(members, ("a", "b", "c")[: len(members)], combine=combine, draft=draft)


def joined(combine, *members, weights=None):
    """The cascade's distributions of members' probabilities, each a list of rows."""
    rows = [Distributions(torch.tensor(m, dtype=torch.float32), linear=True) for m in members]
    shares = weights or [[1.0] * len(members[0])] * len(members)
    device = torch.device("cpu")
    weighed = [MemberWeight(w, device, n) for n, w in enumerate(shares)]
    return combine.combine(Aligned(rows, rows[0].scores.shape[1]), weighed)


def first_row(combine, *members):
    return joined(combine, *([m] for m in members)).probabilities()[0].tolist()


Q, P = [0.6, 0.3, 0.1, 0.0], [0.3, 0.55, 0.05, 0.1]


@pytest.mark.parametrize(
    ("name", "lenience", "expected"),
    [
        ("chow", 0.5, Q),
        ("chow", 0.3, P),
        ("diff", 0.0, Q),
        ("diff", -0.1, P),
        ("opt", -0.2, P),  # the distance is 0.35
        ("opt", -0.1, Q),
        ("V1", 0.0, [0.6 + 0.4 * 0.3, 0.4 * 0.55, 0.4 * 0.05, 0.4 * 0.1]),
        ("V2", 0.3, [0.6 + 0.1 * 0.3, 0.3 + 0.1 * 0.55, 0.1 * 0.05, 0.1 * 0.1]),
        ("V3", 0.3, [0.7 * 0.3, 0.3 + 0.7 * 0.55, 0.7 * 0.05, 0.7 * 0.1]),
    ],
)
def test_a_rule_is_its_formula(name, lenience, expected):
    assert first_row(rule(name, lenience), Q, P) == pytest.approx(expected, abs=1e-6)


def test_lossy_accepts_by_its_ratio_and_fills_by_a_multiple_of_the_last():
    target = first_row(Part("combine.lossy", {"lenience": 0.25}), Q, P)
    # min(q, p / 0.75) is 0.4, 0.3, 0.0667, 0: a multiple m of p fills tokens 1 and 3
    m = (1 - 0.4 - 0.05 / 0.75) / 0.65
    assert target == pytest.approx([0.4, m * 0.55, 0.05 / 0.75, m * 0.1], abs=1e-6)


@pytest.mark.parametrize("lenience", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_lossy_is_a_distribution_between_its_bounds(lenience):
    torch.manual_seed(3)
    drawn = torch.distributions.Dirichlet(torch.full((40,), 0.1))
    q, p = drawn.sample((50,)), drawn.sample((50,))
    q[0] = p[0]
    combined = joined(Part("combine.lossy", {"lenience": lenience}), q.tolist(), p.tolist()).scores
    assert combined.sum(-1).tolist() == pytest.approx([1.0] * 50, abs=1e-5)
    kept = q if lenience == 1 else torch.minimum(q, p / (1 - lenience))
    filled = combined > kept + 1e-6
    multiple = torch.where(filled, combined / p, 0.0).amax(-1, keepdim=True)
    assert torch.allclose(combined, torch.maximum(kept, multiple * p), atol=1e-5)
    if lenience == 0:
        assert torch.allclose(combined, p, atol=1e-5)


def tempered(probabilities, how):
    """What a member alone draws by, in plain numbers."""
    if not how.temperature:
        best = probabilities.index(max(probabilities))
        return [float(n == best) for n in range(len(probabilities))]
    raised = [p ** (1 / how.temperature) for p in probabilities]
    order = sorted(range(len(raised)), key=lambda n: -raised[n])[: how.top_k or None]
    raised = [p if n in order else 0.0 for n, p in enumerate(raised)]
    return [p / sum(raised) for p in raised]


def reference(name, lenience, how, q, p):
    """The target at some sampling options, as the paper's notebook writes it."""
    drawn_q, drawn_p = tempered(q, how), tempered(p, how)
    distance = sum(max(0.0, a - b) for a, b in zip(drawn_q, drawn_p, strict=True))
    defer = {
        "chow": max(q) < 1 - lenience,
        "diff": max(q) < max(p) - lenience,
        "opt": max(q) < max(p) - lenience * distance,
    }
    if name in defer:
        return drawn_p if defer[name] else drawn_q
    good = {
        "V1": lambda n: q[n] >= max(p) - lenience,
        "V2": lambda n: p[n] >= max(p) - lenience,
        "V3": lambda n: p[n] >= (1 - lenience) * max(p),
    }[name]
    refused = 1 - sum(x for n, x in enumerate(drawn_q) if good(n))
    return [
        x * good(n) + refused * y for n, (x, y) in enumerate(zip(drawn_q, drawn_p, strict=True))
    ]


HOWS = [
    Sampling(temperature=0.0),
    Sampling(temperature=0.5),
    Sampling(temperature=1.0),
    Sampling(temperature=1.7, top_k=3),
]


@pytest.mark.parametrize("name", RULES)
def test_temperature_and_filters_act_on_the_members(name):
    torch.manual_seed(7)
    q, p = torch.distributions.Dirichlet(torch.full((6,), 0.5)).sample((2, 16)).tolist()
    for lenience in (-1.0, 0.05, 0.3):
        made = joined(rule(name, lenience), q, p)
        for how in HOWS:
            found = sampling_probabilities(made, range(16), [how] * 16)
            for row in range(16):
                expected = reference(name, lenience, how, q[row], p[row])
                assert found[row].tolist() == pytest.approx(expected, abs=1e-5)
        best = sampling_probabilities(made, range(16), [HOWS[0]] * 16).argmax(-1).tolist()
        assert greedy(made).tolist() == best
        assert draw(made, range(16), [HOWS[0]] * 16, [0.5] * 16).tolist() == best


@pytest.mark.parametrize("name", [*RULES, "lossy"])
def test_a_row_where_a_member_has_no_weight_is_the_other_s(name):
    torch.manual_seed(1)
    members = torch.distributions.Dirichlet(torch.full((5,), 0.5)).sample((3, 4)).tolist()
    weights = [[1.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0]]
    garbage = [[row[:] for row in member] for member in members]
    garbage[1][1] = garbage[2][1] = garbage[0][2] = garbage[1][2] = [math.nan] * 5
    made = joined(rule(name, 0.2), *garbage, weights=weights).probabilities()
    assert made[1].tolist() == pytest.approx(members[0][1])
    assert made[2].tolist() == pytest.approx(members[2][2])
    pair = first_row(rule(name, 0.2), members[0][3], members[1][3])
    assert made[3].tolist() == pytest.approx(pair, abs=1e-6)
    inner = first_row(rule(name, 0.2), members[1][0], members[2][0])
    assert made[0].tolist() == pytest.approx(
        first_row(rule(name, 0.2), members[0][0], inner), abs=1e-6
    )


@pytest.fixture(scope="module")
def pair(zoo):
    return zoo("general-1"), zoo("large")


@pytest.mark.parametrize(
    ("name", "temperature"),
    [
        ("diff", 0.0),
        ("V3", 1.0),
        *(pytest.param(name, t, marks=pytest.mark.slow) for name in RULES for t in (0.0, 1.0)),
    ],
)
def test_the_ends_of_a_rule_are_the_members_alone(pair, write, name, temperature):
    how = {"max_tokens": 12, "temperature": temperature, "seed": 5}
    for lenience, member in ((-1.0, pair[1]), (1.0, pair[0])):
        alone = write(member, QUESTION, **how)
        made = write(cascade(pair, rule(name, lenience)), QUESTION, **how)
        assert made.tokens == alone.tokens
        assert made.logprobs == pytest.approx(alone.logprobs, abs=1e-4)
        if not temperature:
            ahead = write(cascade(pair, rule(name, lenience), drafted()), QUESTION, **how)
            assert ahead.tokens == alone.tokens


@pytest.mark.parametrize(
    "name",
    ["opt", "V1", *(pytest.param(n, marks=pytest.mark.slow) for n in (*RULES, "lossy"))],
)
def test_a_greedy_draft_writes_what_the_cascade_writes(pair, write, name):
    plain = write(cascade(pair, rule(name)), QUESTION, max_tokens=12)
    made = write(cascade(pair, rule(name), drafted()), QUESTION, max_tokens=12)
    assert made.tokens == plain.tokens
    assert made.logprobs == pytest.approx(plain.logprobs, abs=1e-4)
    assert made.usage["b"].calls < plain.usage["b"].calls


def test_the_first_member_drafts_even_if_it_is_larger(zoo, write):
    members = zoo("large"), zoo("general-1")
    made = write(cascade(members, rule("diff"), drafted()), QUESTION, max_tokens=12)
    assert made.usage["a"].calls > made.usage["b"].calls


def joint(models, combine, how, length):
    """The probability of every text of some tokens, by models without cache."""
    prompts = [m.prompt(TEXT) for m in models]
    found = {(): 1.0}
    for _ in range(length):
        longer = {}
        for ids, chance in found.items():
            rows = [
                m.after([*prompt, *ids]).exp()[None].tolist()
                for m, prompt in zip(models, prompts, strict=True)
            ]
            chances = sampling_probabilities(joined(combine, *rows), [0], [how])[0]
            likely = torch.nonzero(chances > 1e-9)[:, 0].tolist()
            longer |= {(*ids, n): chance * float(chances[n]) for n in likely}
        found = longer
    words = models[0].local.vocabulary
    texts = Counter()
    for ids, p in found.items():
        texts[words.bytes_of(ids).decode(errors="replace")] += p
    return texts


@pytest.mark.parametrize(
    "case",
    [
        ("V3", 1, 2, 100),
        pytest.param(("chow", 2, 3, 600), marks=pytest.mark.slow),
        pytest.param(("diff", 3, 3, 600), marks=pytest.mark.slow),
        pytest.param(("opt", 1, 3, 600), marks=pytest.mark.slow),
        pytest.param(("V1", 2, 3, 600), marks=pytest.mark.slow),
        pytest.param(("V2", 3, 3, 600), marks=pytest.mark.slow),
        pytest.param(("lossy", 2, 3, 600), marks=pytest.mark.slow),
    ],
)
def test_what_is_drawn_with_drafts_is_distributed_as_the_cascade(engine, model, plain, case):
    from scipy.stats import chisquare

    name, tokens, length, draws = case
    members = model("stories"), model("shakespeare")
    how, combine = Sampling(temperature=1.2, top_k=4), rule(name, 0.4)
    expected = joint([plain(member) for member in members], combine, how, length)
    fuse = cascade(members, combine, drafted(tokens))
    how = replace(how, max_tokens=length)
    jobs = [Job(fuse, ((("user", TEXT),),), replace(how, seed=seed)) for seed in range(draws)]
    seen = Counter(f.result(120).text for f in [engine.generate(job) for job in jobs])
    assert set(seen) <= set(expected)
    common = sorted(text for text, p in expected.items() if p * draws >= 5)
    rest = max(1.0 - sum(expected[text] for text in common), 1e-9)
    counts = [*(seen[text] for text in common), draws - sum(seen[text] for text in common)]
    wanted = [*(expected[text] * draws for text in common), rest * draws]
    scale = draws / sum(wanted)
    assert len(common) > 3
    assert chisquare(counts, [w * scale for w in wanted]).pvalue > CHANCE


def test_three_members_are_cascades_within_cascades(zoo, write):
    members = zoo("general-1"), zoo("maths"), zoo("large")
    alone = write(members[2], QUESTION, max_tokens=12)
    for draft in (None, drafted()):
        made = write(cascade(members, rule("diff", -1.0), draft), QUESTION, max_tokens=12)
        assert made.tokens == alone.tokens


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"weights": (1.0, 2.0)}, "weights"),
        ({"plausible": 0.1}, "plausible"),
        ({"weigh": Part("weigh.entropy")}, "weigh"),
        ({"align": Part("align.topk")}, "align"),
    ],
)
def test_what_a_cascade_cannot_heed_is_refused(pair, options, name):
    with pytest.raises(ModelError, match=f"`combine = chow\\(\\)` and `{name}` cannot be used"):
        TokenFuse(pair, ("a", "b"), combine=rule("chow"), **{"align": SHARED, **options})


def test_a_cascade_of_tokens_stands_outermost(pair):
    inner = TokenFuse(pair, ("a", "b"), combine=rule("opt"))
    with pytest.raises(ModelError, match="inside another fuse"):
        TokenFuse((inner, pair[0]), ("ab", "c"))
