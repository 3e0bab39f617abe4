"""Gates that were taught: what they see, where they open, and that nobody else notices."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from fusing import LOGS, UNION, FittedState, Job, Part, TokenFuse

from composer.engine.distribution import Distributions
from composer.engine.requests.draw import Draw
from composer.engine.rows.row import Feed
from composer.engine.rows.separate import SeparateCaches
from composer.engine.sequence import SequenceState
from composer.engine.step import engine_step
from composer.values import ModelError, Sampling, State

TEXT = "Once upon a time"
NAMES = ("a", "b")


@pytest.fixture(scope="module")
def pair(model):
    return model("stories"), model("shakespeare")


def network(sizes, seed=0, bias=0.0):
    """A perceptron of random weights, as a trainer saves it."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for n, (wide, narrow) in enumerate(pairwise(sizes)):
        arrays[f"w{n}"] = rng.normal(size=(wide, narrow)).astype(np.float32)
        arrays[f"b{n}"] = np.full(narrow, bias if n == len(sizes) - 2 else 0.1, np.float32)
    return arrays


def taught(part, arrays, sees="hidden"):
    state = State(arrays, {"part": part, "sees": sees})
    return FittedState(f"{part}{hash(arrays['w0'].tobytes())}", lambda: state)


def gate(part, what, **options):
    return Part(f"gate.{part}", (*options.items(), ("taught", what)))


def run_network(arrays, x):
    for n in range(len(arrays) // 2):
        x = x @ arrays[f"w{n}"] + arrays[f"b{n}"]
        x = np.maximum(x, 0) if n < len(arrays) // 2 - 1 else x
    return 1 / (1 + np.exp(-x[..., 0]))


class Side:
    name = "a"
    model = object()


def test_routed_opens_where_trust_is_low_by_hand():
    arrays = {"w0": np.array([[1.0], [-1.0]], np.float32), "b0": np.array([0.5], np.float32)}
    opens = gate("routed", taught("routed", arrays), below=0.8).prepare([Side()])
    hidden = torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 1.0]])  # trust .924, .378, .622
    said = Distributions(torch.zeros(3, 4))
    assert opens.opens(said, hidden).tolist() == [False, True, True]
    assert opens.reads_hidden
    assert not opens.takes_likeliest


def test_critical_opens_where_its_classifier_says_so_by_hand():
    arrays = {"w0": np.array([[1.0], [-4.0], [0.0]], np.float32), "b0": np.zeros(1, np.float32)}
    opens = gate("critical", taught("critical", arrays, sees="distribution")).prepare([Side()])
    said = Distributions(torch.tensor([[0.25] * 4, [0.97, 0.01, 0.01, 0.01]]), linear=True)
    assert opens.opens(said, None).tolist() == [True, False]  # 1.386 - 1; .168 - 3.88
    assert opens.takes_likeliest
    assert not opens.reads_hidden


@torch.inference_mode()
@pytest.mark.parametrize("name", ["stories", "rwkv"])
@pytest.mark.parametrize("alone", [False, True])
def test_hidden_states_go_through_the_head_to_the_logits(engine, model, monkeypatch, name, alone):
    (runner,) = engine._pool.get([model(name)])
    if alone:
        if name == "rwkv":
            pytest.skip("a recurrent model has a table of states of its own")
        monkeypatch.setattr(runner, "rows", SeparateCaches(runner.model))
    rows = [runner.rows.allocate() for _ in range(3)]
    texts = [[5, 6, 7, 8], [9], [4, 3, 2, 9, 8, 7, 6, 5, 4]]
    keeps = [[1, 3], [0], [8]]
    feeds = [Feed(row, t, k) for row, t, k in zip(rows, texts, keeps, strict=True)]
    both = runner.forward(feeds, hidden=True)
    width = runner.model.width
    logits, hidden = both[:, :width], both[:, width:]
    again = runner.model.module.get_output_embeddings()(hidden)[:, :width]
    assert torch.allclose(again, logits, atol=1e-4)
    more = [Feed(row, [11], [0]) for row in reversed(rows)]
    assert runner.forward(more, hidden=True).shape == (3, both.shape[1])
    assert runner.forward([Feed(rows[0], [12], [0])]).shape == (1, width)
    for row in rows:
        runner.rows.free(row)
    assert not runner.model.module.get_output_embeddings()._forward_hooks


@torch.inference_mode()
def test_a_model_that_gives_none_says_so(engine, model, monkeypatch):
    (runner,) = engine._pool.get([model("stories")])
    monkeypatch.setattr(runner.model.module, "get_output_embeddings", lambda: None)
    row = runner.rows.allocate()
    with pytest.raises(ModelError, match="does not give hidden states") as error:
        runner.forward([Feed(row, [5, 6], [1])], hidden=True)
    assert error.value.code == "E302"
    assert row.length == 0
    runner.rows.free(row)


@pytest.fixture
def by_trust(pair, plain):
    """Greedy ids where a network routes each token, without cache: trust, ids and who was asked."""
    lead, other = (plain(m) for m in pair)

    @torch.inference_mode()
    def run(arrays, below, text, count):
        ids, written, asked = lead.prompt(text), [], 0
        for _ in range(count):
            out = lead.local.module(torch.tensor([ids + written]), output_hidden_states=True)
            trust = run_network(arrays, out.hidden_states[-1][0, -1].numpy().astype(np.float64))
            asked += trust < below
            said = other.after(ids + written) if trust < below else lead.after(ids + written)
            written.append(int(said.argmax()))
        return written, asked

    return run


@pytest.fixture(scope="module")
def size(pair, plain):
    return plain(pair[0]).local.config.hidden_size


def test_routed_writes_what_an_uncached_loop_does(pair, write, by_trust, plain, size):
    arrays = network((size, 8, 1), seed=3)
    fuse = TokenFuse(
        pair, NAMES, (0.0, 1.0), gate=gate("routed", taught("routed", arrays), below=0.5), lazy=True
    )
    made = write(fuse, TEXT, max_tokens=16)
    ids, asked = by_trust(arrays, 0.5, TEXT, 16)
    assert 0 < asked < 16
    assert made.text == plain(pair[0]).local.vocabulary.bytes_of(ids).decode()
    assert made.usage["b"].calls == asked


def test_who_trusts_everything_asks_nobody(pair, write, size):
    arrays = network((size, 1), bias=1e6)
    fuse = TokenFuse(
        pair, NAMES, (0.0, 1.0), gate=gate("routed", taught("routed", arrays)), lazy=True
    )
    made = write(fuse, TEXT)
    assert made.text == write(pair[0], TEXT).text
    assert made.usage["b"].calls == 0


def test_a_critical_token_is_the_likeliest_of_the_other_and_the_rest_are_drawn(pair, write, plain):
    always = {"w0": np.zeros((3, 1), np.float32), "b0": np.ones(1, np.float32)}
    part = taught("critical", always, sees="distribution")
    fuse = TokenFuse(pair, NAMES, (0.0, 1.0), gate=gate("critical", part), lazy=True)
    hot = write(fuse, TEXT, temperature=2.0, seed=5)
    assert hot.text == write(pair[1], TEXT).text
    drawing = TokenFuse(
        pair, NAMES, (0.0, 1.0), gate=gate("critical", part, greedy=False), lazy=True
    )
    assert write(drawing, TEXT, temperature=2.0, seed=5).text != hot.text


def trained(part, sees, sizes):
    return taught(part, network(sizes, seed=3), sees)


@pytest.mark.parametrize("lazy", [True, False])
@pytest.mark.parametrize("kind", ["routed", "critical"])
def test_batch_equals_single_and_streamed_equals_whole(  # noqa: PLR0913
    engine, pair, write, size, kind, lazy
):
    what = {
        "routed": lambda: gate("routed", trained("routed", "hidden", (size, 8, 1)), below=0.5),
        "critical": lambda: gate("critical", trained("critical", "distribution", (3, 4, 1))),
    }[kind]()
    fuse = TokenFuse(pair, NAMES, gate=what, lazy=lazy)
    plain = TokenFuse(pair, NAMES, gate=Part("gate.unsure"), lazy=True)
    texts = [TEXT, "Tom was sad.", "The sun", "Lily"]
    jobs = [Job(fuse, ((("user", text),),), Sampling(max_tokens=12)) for text in texts]
    others = [Job(plain, ((("user", text),),), Sampling(max_tokens=12)) for text in texts]
    futures = [engine.generate(job) for pair_ in zip(jobs, others, strict=True) for job in pair_]
    made = [future.result(60) for future in futures]
    for n, text in enumerate(texts):
        pieces = []
        alone = write(fuse, text, max_tokens=12, on_text=pieces.append)
        assert made[2 * n].text == alone.text == "".join(pieces)
        assert made[2 * n].logprobs == pytest.approx(alone.logprobs, abs=1e-4)
        assert made[2 * n + 1].text == write(plain, text, max_tokens=12).text


def test_a_recurrent_lead_can_be_routed(whole, write):
    lead, other = whole("rwkv"), whole("stories")
    arrays = network((lead_size(lead), 8, 1), seed=1)
    part = gate("routed", taught("routed", arrays), below=0.5)
    fuse = TokenFuse((lead, other), NAMES, gate=part, lazy=True)
    made = write(fuse, TEXT, max_tokens=12)
    assert 0 < made.usage["b"].calls < 12


def lead_size(solo):
    import json
    from pathlib import Path

    return json.loads((Path(solo.weights.location) / "config.json").read_text())["hidden_size"]


def test_what_does_not_fit_is_said_in_words(pair, write, size):
    wrong = gate("routed", taught("routed", network((size + 1, 1))))
    with pytest.raises(
        ModelError, match=f"fitted on {size + 1} numbers for each token, but the first member"
    ):
        write(TokenFuse(pair, NAMES, gate=wrong), TEXT)
    inner = TokenFuse(pair, NAMES)
    right = gate("routed", taught("routed", network((size, 1))))
    with pytest.raises(ModelError, match="is a fuse"):
        write(TokenFuse((inner, pair[0]), ("ab", "c"), gate=right), TEXT)
    with pytest.raises(ModelError, match="`critical` is not fitted yet"):
        write(TokenFuse(pair, NAMES, gate=Part("gate.critical")), TEXT)


def test_a_failed_pass_is_made_again_for_routed_and_plain_rows_alike(
    engine, pair, write, monkeypatch, size
):
    arrays = network((size, 8, 1), seed=3)
    part = gate("routed", taught("routed", arrays), below=0.5)
    fuse = TokenFuse(pair, NAMES, (0.0, 1.0), gate=part, lazy=True)
    members = fuse, pair[0], fuse, pair[0]
    alone = {member: write(member, TEXT, max_tokens=8).text for member in members}
    (runner,) = engine._pool.get([pair[0]])
    whole = runner.rows.forward

    def step(feeds):
        if len(feeds) > 1:
            raise RuntimeError("no room on the device")
        return whole(feeds)

    monkeypatch.setattr(runner.rows, "forward", step)
    jobs = [Job(member, ((("user", TEXT),),), Sampling(max_tokens=8)) for member in members]
    made = [future.result(60).text for future in [engine.generate(job) for job in jobs]]
    assert made == [alone[member] for member in members]


def test_what_goes_wrong_after_a_pass_is_not_the_engines_end(engine, pair, write, monkeypatch):
    def fail(*_):
        raise MemoryError

    text = write(pair[0], TEXT, max_tokens=4).text
    with monkeypatch.context() as patch:
        patch.setattr("composer.engine.step._forward", fail)
        with pytest.raises(ModelError, match="no memory left for an answer"):
            write(pair[0], TEXT)
    assert write(pair[0], TEXT, max_tokens=4).text == text


@torch.inference_mode()
def test_rows_are_read_rightly_beside_one_that_is_refused_hidden_states(
    engine, pair, monkeypatch, size
):
    part = gate("routed", taught("routed", network((size, 1))))
    fuse = TokenFuse(pair, NAMES, (0.0, 1.0), gate=part, lazy=True)
    asked = [(member, engine._group(member)) for member in (pair[0], fuse, pair[0])]
    ids = {0: [1, 5, 7, 9]}
    sequences = [
        SequenceState.open(group, group.weights(member), dict(ids)) for member, group in asked
    ]
    alone, refused, beside = [Draw(each, Sampling(), 0.5) for each in sequences]
    wanted = engine_step([alone])[alone]
    (runner,) = engine._pool.get([pair[0]])
    monkeypatch.setattr(runner.model.config, "final_logit_softcapping", 30.0, raising=False)
    found = engine_step([refused, beside])
    assert found.errors[refused].code == "E302"
    assert found[beside].entry == wanted.entry
    assert found[beside].logprob == pytest.approx(wanted.logprob, abs=1e-4)
    assert [each.states[0].row.length for each in sequences] == [4, 0, 4]
    for each in sequences:
        each.close()


@pytest.mark.parametrize("weights", [None, (0.0, 1.0)])
def test_over_logarithms_it_is_all_one_whether_the_others_read_along(model, write, weights):
    members = model("stories"), model("rwkv")
    unsure = Part("gate.unsure", (("below", 0.5),))
    made = [
        write(
            TokenFuse(members, NAMES, weights, LOGS, align=UNION, gate=unsure, lazy=lazy),
            TEXT,
            max_tokens=12,
        )
        for lazy in (True, False)
    ]
    assert made[0].text == made[1].text
    assert made[0].logprobs == pytest.approx(made[1].logprobs, abs=1e-4)
