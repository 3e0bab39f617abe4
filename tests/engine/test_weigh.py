"""Ways to weigh, on distributions worked out by hand, in batches and by their papers' own code."""

import math

import numpy as np
import pytest
import torch
from fusing import LOGS, MEAN, UNION, FittedState, Job, Part, TokenFuse, weighing

from composer.engine.distribution import Aligned, Distributions, MemberWeight
from composer.engine.features import features
from composer.engine.plausible import plausible
from composer.methods.fitted import read, save
from composer.methods.weigh.consistent import SCORES
from composer.values import ModelError, Sampling, State

entropy, agreeing, consistent, learned = map(
    weighing, ("entropy", "agreeing", "consistent", "learned")
)
mean, logs = MEAN.combine, LOGS.combine
maximum, minimum = (Part(f"combine.{name}").combine for name in ("maximum", "minimum"))


CPU = torch.device("cpu")
TEXT = "Once upon a time"


def lined(*members):
    """Members' probabilities, each a list of rows, over the same columns."""
    said = [Distributions(torch.tensor(rows), linear=True) for rows in members]
    return Aligned(said, said[0].scores.shape[1])


def shares(*weights):
    """Each member's weights, a list of one a row."""
    return [MemberWeight(each, CPU, n) for n, each in enumerate(weights)]


def fused(way, members, weights, combine=mean):
    """Fused probabilities, rows of lists."""
    over = lined(*members)
    return combine(over, way(over, shares(*weights))).probabilities()


def ruled_out(combine, over, weights, alpha):
    return plausible(combine(over, weights), over, weights, alpha)


def random_rows(rows, columns, seed=0):
    drawn = torch.distributions.Dirichlet(torch.full((columns,), 0.3))
    torch.manual_seed(seed)
    return drawn.sample((rows,)).tolist()


ONE, TWO, THREE = [[0.5, 0.25, 0.25, 0.0]], [[0.0, 0.5, 0.5, 0.0]], [[0.0, 0.0, 0.1, 0.9]]


def test_entropy_weighs_by_one_over_nats():
    found = fused(entropy([]), (ONE, TWO), ([1.0], [1.0]))
    a, b = 1 / (1.5 * math.log(2)), 1 / math.log(2)
    share = a / (a + b)
    assert found[0, 0].item() == pytest.approx(share * 0.5)
    assert found[0, 1].item() == pytest.approx(share * 0.25 + (1 - share) * 0.5)


def test_entropy_multiplies_given_weights_and_power_zero_leaves_them():
    found = fused(entropy([], power=0.0), (ONE, TWO), ([3.0], [1.0]))
    assert found[0].tolist() == pytest.approx([0.375, 0.3125, 0.3125, 0.0])


def test_agreeing_leaves_out_who_is_alone():
    found = fused(agreeing([], top=2), (ONE, [[0.4, 0.6, 0.0, 0.0]], THREE), ([1.0],) * 3)
    assert found[0].tolist() == pytest.approx([0.45, 0.425, 0.125, 0.0])


def test_agreeing_keeps_all_where_nobody_agrees():
    members = [[0.9, 0.1, 0.0]], [[0.0, 0.9, 0.1]], [[0.1, 0.0, 0.9]]
    found = fused(agreeing([], top=1), members, ([2.0], [1.0], [1.0]))
    assert found[0].tolist() == pytest.approx([0.475, 0.275, 0.25])


def test_agreeing_does_not_count_an_impossible_token_among_the_top():
    members = [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]], [[0.6, 0.4, 0.0]]
    found = fused(agreeing([], top=3), members, ([1.0],) * 3)
    assert found[0].tolist() == pytest.approx([0.8, 0.2, 0.0])


def test_agreeing_drops_members_from_logs_and_extremes_too():
    members = [[0.5, 0.5, 0.0]], [[0.5, 0.4, 0.1]], [[0.0, 0.0, 1.0]]
    way = agreeing([], top=2)
    found = fused(way, members, ([1.0],) * 3, logs)
    assert found[0].tolist() == pytest.approx(
        (torch.tensor([0.25, 0.2, 0]).sqrt()).div(0.5 + 0.2**0.5).tolist()
    )
    assert fused(way, members, ([1.0],) * 3, maximum)[0, 2] == pytest.approx(0.1 / 1.1)
    assert fused(way, members, ([1.0],) * 3, minimum)[0].tolist() == pytest.approx(
        [5 / 9, 4 / 9, 0]
    )


def reference_scores(p, kind):
    """CoRE's `compute_consist_score` for generation, of one step [member, token]."""
    gap = np.abs(p - p.mean(0))
    mask = (p + p[0]) > 1e-12
    made = {
        "linear": lambda: 1 - gap,
        "power": lambda: (1 - gap) ** 5,
        "rbf": lambda: (np.exp(-2 * gap) - np.exp(-2)) / (1 - np.exp(-2)),
        "rec": lambda: (
            (1 / (1 + gap) - (1 / (1 + gap)).min())
            / ((1 / (1 + gap)).max() - (1 / (1 + gap)).min() + 1e-8)
        ),
        "sig": lambda: 1 - 1 / (1 + np.exp(-5 * (gap - 0.5))),
    }
    scores = mask * made[kind]()
    total = scores.sum(1, keepdims=True)
    tokens = scores / total * (scores != 0).sum(1, keepdims=True)
    entropies = -(p * np.log(np.clip(p, 1e-12, None))).sum(1)
    return tokens, total[:, 0], entropies


def reference_core(p, kind, *, labels=False):
    """One step of CoRE: the first member is the main one."""
    tokens, total, entropies = reference_scores(p, kind)
    models = (1 if labels else total) / (entropies + 1e-12)
    models[0] = max(models[0], models[1:].sum())
    models = models / models.sum()
    tokens = np.ones_like(tokens) if labels else tokens
    out = models[0] * p[0] + sum(models[n] * tokens[n] * p[n] for n in range(1, len(p)))
    return out / out.sum()


@pytest.mark.parametrize("kind", sorted(SCORES))
@pytest.mark.parametrize("tokens", [True, False])
def test_consistent_is_the_papers_own_code(kind, tokens):
    members = [random_rows(1, 12, seed) for seed in (1, 2, 3)]
    members[1][0][4] += members[1][0].pop(5)
    members[1][0].insert(5, 0.0)
    found = fused(consistent([], score=kind, tokens=tokens), members, ([1.0],) * 3)
    expected = reference_core(np.array(members)[:, 0].astype(np.float64), kind, labels=not tokens)
    assert found[0].tolist() == pytest.approx(expected.tolist(), abs=1e-5)


def test_consistent_by_hand():
    members = [[0.8, 0.2]], [[0.4, 0.6]]
    found = fused(consistent([], score="linear", lead=False), members, ([1.0], [1.0]))
    h = [-sum(p * math.log(p) for p in m[0]) for m in members]
    share = (1 / h[0]) / (1 / h[0] + 1 / h[1])  # all gaps are .2: sums of scores and scores agree
    assert found[0, 0].item() == pytest.approx(share * 0.8 + (1 - share) * 0.4)


def test_consistent_leads_with_half():
    members = [[0.25] * 4], [[0.97, 0.01, 0.01, 0.01]]
    ways = (consistent([], lead=flag, tokens=False) for flag in (True, False))
    led, free = (fused(way, members, ([1.0], [1.0]))[0, 0].item() for way in ways)
    assert led == pytest.approx((0.25 + 0.97) / 2)
    assert free > led


def gate_of(names, gate):
    state = State({"gate": np.array(gate, np.float32)}, {"part": "learned", "names": list(names)})
    return FittedState("x", lambda: state)


class Side:
    def __init__(self, name):
        self.name = name


def test_learned_weighs_by_a_softmax_of_features():
    gate = gate_of("ab", [[0.0, 2.0, 0.0, 0.5], [0.0, 2.0, 0.0, 0.0]])
    way = learned([Side("a"), Side("b")], taught=gate)
    found = fused(way, (ONE, THREE), ([1.0], [1.0]))
    a, b = math.exp(2 * 0.5 + 0.5), math.exp(2 * 0.9)
    assert found[0, 0].item() == pytest.approx(0.5 * a / (a + b))


def test_learned_knows_members_by_name_whatever_their_order():
    gate = gate_of("abc", [[0, 0, 0, math.log(3)], [0, 0, 0, 9.0], [0, 0, 0, 0.0]])
    found = fused(learned([Side("c"), Side("a")], taught=gate), (ONE, TWO), ([1.0], [1.0]))
    assert found[0, 0].item() == pytest.approx(0.25 * 0.5)


def test_features_by_hand():
    found = features(Distributions(torch.tensor(ONE), linear=True))
    assert found[0].tolist() == pytest.approx([1.5 * math.log(2), 0.5, 0.25])


WAYS = {
    "entropy": entropy([]),
    "agreeing": agreeing([], top=2),
    "consistent": consistent([]),
    "rec": consistent([], score="rec"),
    "learned": learned(
        [Side(n) for n in "abc"],
        taught=gate_of("abc", [[-1, 1, 0.5, 0], [-0.5, 2, 0, 1], [0, 0, 1, 0]]),
    ),
}


@pytest.mark.parametrize("name", WAYS)
def test_a_row_is_what_it_is_alone_though_its_neighbours_lack_members(name):
    members = [random_rows(4, 9, seed) for seed in (4, 5, 6)]
    weights = [1.0, 0.0, 1.0, 2.0], [1.0, 1.0, 0.0, 1.0], [0.5, 1.0, 1.0, 0.0]
    members[1][2] = [math.nan] * 9  # garbage: this row does not run the member
    whole = fused(WAYS[name], members, weights)
    for row in range(4):
        heard = [n for n in range(3) if weights[n][row]]
        over = lined(*([members[n][row]] for n in heard))
        voices = [MemberWeight([weights[n][row]], CPU, n) for n in heard]
        alone = mean(over, WAYS[name](over, voices)).probabilities()
        assert whole[row].tolist() == pytest.approx(alone[0].tolist(), abs=1e-6)


def test_a_file_of_what_was_learnt_comes_back(tmp_path):
    path = tmp_path / "gate.safetensors"
    save(path, gate_of("ab", [[0, 0, 0, 1], [0, 0, 0, 2]]).load())
    state = read(path)
    assert state.facts == {"part": "learned", "names": ["a", "b"]}
    assert state.arrays["gate"].tolist() == [[0, 0, 0, 1], [0, 0, 0, 2]]


def test_what_was_not_learnt_is_an_error_in_words(tmp_path):
    sides = [Side("a"), Side("z")]
    with pytest.raises(ModelError, match="is not fitted yet") as untaught:
        learned(sides)
    assert untaught.value.code == "E509"
    with pytest.raises(ModelError, match="was fitted with a, b, but now there is z"):
        learned(sides, taught=gate_of("ab", [[0] * 4] * 2))
    other = State({}, {"part": "routed"})
    with pytest.raises(ModelError, match="was fitted for `routed`"):
        learned(sides, taught=FittedState("x", lambda: other))
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    with pytest.raises(ModelError, match="is not the file of a fitted part"):
        read(tmp_path / "bad.safetensors")


PARTS = {
    "entropy": Part("weigh.entropy"),
    "agreeing": Part("weigh.agreeing", (("top", 2),)),
    "consistent": Part("weigh.consistent"),
}


@pytest.mark.parametrize("name", PARTS)
def test_batch_equals_single_and_streamed_equals_whole(engine, model, write, name):
    members = model("stories"), model("shakespeare"), model("maths")
    fuse = TokenFuse(members, ("a", "b", "c"), weigh=PARTS[name])
    weights = [(1.0, 1.0, 1.0), (0.0, 1.0, 1.0), (2.0, 0.0, 1.0)]
    texts = [TEXT, "Tom was sad.", "The sun"]
    jobs = [
        Job(fuse, ((("user", text),),), Sampling(max_tokens=12), w)
        for text, w in zip(texts, weights, strict=True)
    ]
    made = [future.result(60) for future in [engine.generate(job) for job in jobs]]
    for text, w, together in zip(texts, weights, made, strict=True):
        pieces = []
        alone = write(fuse, text, weights=w, max_tokens=12, on_text=pieces.append)
        assert together.text == alone.text == "".join(pieces)
        assert together.logprobs == pytest.approx(alone.logprobs, abs=1e-4)


@pytest.mark.parametrize("name", PARTS)
def test_weighs_over_unlike_vocabularies(model, write, name):
    fuse = TokenFuse((model("stories"), model("rwkv")), ("a", "b"), align=UNION, weigh=PARTS[name])
    made = write(fuse, TEXT, max_tokens=10)
    assert len(made.tokens) == 10
    assert all(math.isfinite(each) for each in made.logprobs)


def test_consistent_on_models_is_the_papers_own_code(model, write, plain):
    members = [model(name) for name in ("stories", "shakespeare", "maths")]
    made = write(TokenFuse(tuple(members), ("a", "b", "c"), weigh=PARTS["consistent"]), TEXT)
    models = [plain(m) for m in members]
    prompts = [m.prompt(TEXT) for m in models]
    ids = [*models[0].local.vocabulary.extend(made.text.encode())]
    for n, logprob in list(enumerate(made.logprobs))[:8]:
        p = np.stack(
            [m.after(q + ids[:n]).exp().numpy() for m, q in zip(models, prompts, strict=True)]
        )
        assert math.log(reference_core(p, "rbf").max()) == pytest.approx(logprob, abs=1e-3)


@pytest.mark.parametrize("name", ["mean", "logs", "maximum"])
def test_what_the_first_member_finds_implausible_is_ruled_out(name):
    members = [[0.5, 0.3, 0.15, 0.05]], [[0.1, 0.1, 0.1, 0.7]]
    of = {"mean": mean, "logs": logs, "maximum": maximum}[name]
    found = ruled_out(of, lined(*members), shares([1.0], [1.0]), 0.4).probabilities()[0]
    free = of(lined(*members), shares([1.0], [1.0])).probabilities()[0]
    assert found.tolist() == pytest.approx([*(free[:2] / free[:2].sum()).tolist(), 0.0, 0.0])


def test_a_weight_of_zero_in_all_rows_has_no_say_over_logarithms():
    members = [[0.0, 0.5, 0.5]], [[0.2, 0.8, 0.0]]
    for combine in (logs, minimum):
        found = combine(lined(*members), shares([0.0], [1.0])).probabilities()
        assert found[0].tolist() == pytest.approx([0.2, 0.8, 0.0])


def test_a_weight_of_zero_in_all_rows_stays_one_when_it_is_weighed():
    members = [[0.0, 0.5, 0.5]], [[0.2, 0.8, 0.0]]
    found = fused(entropy([]), members, ([0.0], [1.0]), logs)
    assert found[0].tolist() == pytest.approx([0.2, 0.8, 0.0])


def test_a_first_member_that_is_not_heard_finds_nothing_implausible():
    members = [[0.9, 0.1]], [[0.2, 0.8]]
    of = mean
    voices = [MemberWeight([0.5], CPU, place) for place in (1, 2)]
    found = ruled_out(of, lined(*members), voices, 0.5).probabilities()
    assert found[0].tolist() == pytest.approx([0.55, 0.45])


def test_who_does_not_run_finds_nothing_implausible():
    members = [[math.nan, math.nan], [0.9, 0.1]], [[0.2, 0.8], [0.2, 0.8]]
    of = mean
    voices = shares([0.0, 1.0], [1.0, 0.0])
    found = ruled_out(of, lined(*members), voices, 0.5).probabilities()
    assert found.tolist() == [pytest.approx([0.2, 0.8]), pytest.approx([1.0, 0.0])]


@pytest.mark.parametrize("normalize", [True, False])
def test_a_formula_is_not_weighed_at_every_token(model, normalize):
    pair = model("stories"), model("shakespeare")
    by = Part("weigh.entropy")
    with pytest.raises(ModelError, match="weigh") as error:
        TokenFuse(pair, ("a", "b"), (1.8, -0.8), LOGS, normalize=normalize, weigh=by)
    assert error.value.code == "E402"


def test_a_job_gives_no_negative_weights_to_what_weighs_shares(model, write):
    pair = model("stories"), model("shakespeare")
    by = Part("weigh.entropy")
    fuse = TokenFuse(pair, ("a", "b"), combine=LOGS, weigh=by)
    with pytest.raises(ModelError, match="needs weights of zero or more"):
        write(fuse, TEXT, weights=(1.8, -0.8))
