"""FusionRoute's weights: the router and the one expert that its hidden state picks."""

import numpy as np
import pytest
import torch
from fusing import LOGS, SHARED, FittedState, Job, Part, TokenFuse, ask_score

from composer.engine.distribution import Aligned, Distributions, MemberWeight
from composer.specs import SpecError
from composer.values import ModelError, Sampling, State

TEXT = "Once upon a time"
NAMES = ("router", "x", "y")


def expert(head, names=NAMES[1:]):
    arrays = {"head": np.asarray(head, np.float32)}
    state = State(arrays, {"part": "expert", "names": list(names)})
    digest = f"expert{arrays['head'].tobytes()!r}"
    return Part("weigh.expert", {"taught": FittedState(digest, lambda: state)})


class Side:
    def __init__(self, name, *, model=True):
        self.name, self.model = name, object() if model else None


def prepared(head, names=NAMES):
    return expert(head).prepare([Side(name) for name in names])


def fused(part, logits, hidden, weights=(1 / 3, 1 / 3, 1 / 3)):
    """Combine members' logits [member][row][entry] by the sum of their logarithms."""
    members = [Distributions(torch.tensor(each).float()) for each in logits]
    aligned = Aligned(members, len(logits[0][0]))
    aligned.hidden = torch.tensor(hidden)
    rows = len(logits[0])
    given = [MemberWeight([w] * rows, torch.device("cpu"), n) for n, w in enumerate(weights)]
    return LOGS.combine(aligned, part.weights(aligned, given)).probabilities()


ROUTER = [[0.5, 1.0, -1.0]] * 2
X, Y = [[2.0, 0.0, 0.0]] * 2, [[0.0, 0.0, 3.0]] * 2
HEAD = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.5]]  # x by the first number, y by the second and 0.5


def test_the_router_and_the_picked_expert_are_added_as_logarithms_by_hand():
    hidden = [[2.0, 1.0], [0.0, 0.0]]  # x: 2 against 1.5; y: 0.5 against 0
    found = fused(prepared(HEAD), [ROUTER, X, Y], hidden)
    first = torch.tensor([2.5, 1.0, -1.0]).softmax(-1)
    second = torch.tensor([0.5, 1.0, 2.0]).softmax(-1)
    assert torch.allclose(found, torch.stack([first, second]))


def test_a_uniform_router_gives_the_expert():
    found = fused(prepared(HEAD), [[[0.0] * 3] * 2, X, Y], [[2.0, 1.0], [0.0, 0.0]])
    assert torch.allclose(found, torch.stack([torch.tensor(X[0]), torch.tensor(Y[0])]).softmax(-1))


def test_weights_stay_those_of_the_fuse_times_the_members():
    found = fused(prepared(HEAD), [ROUTER, X, Y], [[2.0, 1.0]] * 2, weights=(0.2, 0.4, 0.4))
    one = torch.tensor([0.6 * r + 1.2 * x for r, x in zip(ROUTER[0], X[0], strict=True)])
    assert torch.allclose(found[0], one.softmax(-1))


def test_an_expert_without_a_weight_is_not_picked():
    found = fused(prepared(HEAD), [ROUTER, X, Y], [[9.0, 0.0]] * 2, weights=(0.5, 0.0, 0.5))
    assert torch.allclose(found[0], torch.tensor([0.5, 1.0, 2.0]).softmax(-1))


def test_experts_are_known_by_name():
    swapped = expert(HEAD).prepare([Side(name) for name in ("router", "y", "x")])
    found = fused(swapped, [ROUTER, Y, X], [[2.0, 1.0]] * 2)
    assert torch.allclose(found[0], torch.tensor([2.5, 1.0, -1.0]).softmax(-1))
    with pytest.raises(ModelError, match="but now there is z"):
        expert(HEAD).prepare([Side(name) for name in ("router", "x", "z")])


def test_the_first_member_is_a_single_model_of_the_fitted_size():
    with pytest.raises(ModelError, match="router is a fuse and has none"):
        expert(HEAD).prepare([Side("router", model=False), Side("x"), Side("y")])
    with pytest.raises(ModelError, match=r"fitted on 2 numbers .* gives 3"):
        fused(prepared(HEAD), [ROUTER, X, Y], [[1.0, 2.0, 3.0]] * 2)


@pytest.fixture(scope="module")
def three(model):
    return model("stories"), model("shakespeare"), model("maths")


@pytest.fixture(scope="module")
def size(three, plain):
    return plain(three[0]).local.config.hidden_size


def fuse_of(three, head, **options):
    return TokenFuse(three, NAMES, combine=LOGS, align=SHARED, weigh=expert(head), **options)


def test_a_head_of_zeros_is_the_product_with_the_first_expert(three, size, write):
    product = TokenFuse(three[:2], NAMES[:2], (1.0, 1.0), LOGS, False, align=SHARED)  # noqa: FBT003
    made = write(fuse_of(three, np.zeros((2, size + 1))), TEXT)
    assert made.text == write(product, TEXT).text


@pytest.fixture(scope="module")
def head(size):
    """A head that picks now this expert, now that one."""
    return np.random.default_rng(1).normal(size=(2, size + 1))


@torch.inference_mode()
def test_writes_what_an_uncached_loop_does(three, head, write, plain, greedy):
    router, *experts = map(plain, three)
    picks = []

    def step(written):
        ids = router.prompt(TEXT) + written
        out = router.local.module(torch.tensor([ids]), output_hidden_states=True)
        hidden = out.hidden_states[-1][0, -1].double().numpy()
        picks.append(int(np.argmax(head[:, :-1] @ hidden + head[:, -1])))
        return (router.after(ids) + experts[picks[-1]].after(ids)).log_softmax(-1)

    ids = greedy(step, 16, router.local.ends)
    text = router.local.vocabulary.bytes_of(ids).decode()
    assert set(picks) == {0, 1}
    assert write(fuse_of(three, head), TEXT, max_tokens=16).text.startswith(text)


def test_batch_equals_single_and_a_text_is_scored_as_it_is_written(engine, three, head, write):
    fuse = fuse_of(three, head)
    texts = [TEXT, "Tom was sad.", "Q: 2 + 2"]
    jobs = [Job(fuse, ((("user", text),),), Sampling(max_tokens=10)) for text in texts]
    made = [future.result(60) for future in [engine.generate(job) for job in jobs]]
    for text, one in zip(texts, made, strict=True):
        alone = write(fuse, text, max_tokens=10)
        assert one.text == alone.text
        assert one.logprobs == pytest.approx(alone.logprobs, abs=1e-4)
    score = ask_score(engine, fuse, ((("user", TEXT),),), made[0].text).result(60)
    assert sum(score.logprobs) == pytest.approx(
        sum(made[0].logprobs[: len(score.logprobs)]), abs=1e-3
    )


def test_behind_a_gate_it_weighs_where_the_gate_opens(three, head, write):
    closed = Part("gate.unsure", {"below": 1e-9})
    assert (
        write(fuse_of(three, head, gate=closed, lazy=True), TEXT).text == write(three[0], TEXT).text
    )
    opened = Part("gate.unsure", {"below": 1.0})
    for lazy in (True, False):
        gated = write(fuse_of(three, head, gate=opened, lazy=lazy), TEXT)
        assert gated.text == write(fuse_of(three, head), TEXT).text


def test_a_draft_is_refused(three, head):
    with pytest.raises(SpecError, match="`draft` and `weigh` cannot be used together"):
        fuse_of(three, head, draft=Part("draft.speculative"))
