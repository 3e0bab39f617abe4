"""What gates and weights learn from answers that are read to the members."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fusing import UNION, FittedState, Job, Part, TokenFuse, checkpoint

from composer.diagnostics import Mistakes
from composer.engine.distribution import Distributions
from composer.engine.engine import Engine
from composer.engine.sessions.teacher_forcing import MemberReadings
from composer.engine.weights.local import load
from composer.fit.tokens import (
    read_members,
    train_critical,
    train_expert,
    train_learned,
    train_routed,
)
from composer.values import Sampling

ZOO = Path(__file__).parents[2] / "composer" / "zoo"


def zoo(name):
    folder = ZOO / "models" / name
    if not (folder / "model.safetensors").is_file():
        pytest.skip(f"the zoo has no model {name}")
    return checkpoint(name, folder)


@pytest.fixture(scope="module")
def engine():
    torch.set_num_threads(1)
    with Engine() as made:
        yield made


@pytest.fixture(scope="module")
def texts():
    lines = (ZOO / "items" / "validation.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines][::19]
    return [(row["query"], " " + row["reference"]) for row in rows]


@pytest.fixture(scope="module")
def fuse():
    return TokenFuse((zoo("general-1"), zoo("large")), ("general", "large"), (0.0, 1.0))


@pytest.fixture(scope="module")
def heard(engine, fuse, texts):
    return read_members(engine, fuse, texts, hidden=True)


@torch.inference_mode()
def test_hears_what_uncached_models_say(engine, fuse, texts):
    question, answer = texts[0]
    found = read_members(engine, fuse, [(question, answer)], hidden=True)
    for n, member in enumerate(fuse.members):
        local = load(member)
        prompt = local.render((("user", question),))
        ids = [*local.vocabulary.extend(answer.encode()), min(local.ends)]
        out = local.module(torch.tensor([prompt + ids]), output_hidden_states=True)
        said = out.logits[0, len(prompt) - 1 : -1, : local.width].log_softmax(-1)
        came = said[range(len(ids)), ids]
        assert found.logprobs[:, n].tolist() == pytest.approx(came.tolist(), abs=1e-3)
        assert found.correct[:, n].tolist() == (said.argmax(-1) == torch.tensor(ids)).tolist()
        assert found.features[:, n, 1].tolist() == pytest.approx(
            said.amax(-1).exp().tolist(), abs=1e-3
        )
        if n == 0:
            hidden = out.hidden_states[-1][0, len(prompt) - 1 : -1]
            assert torch.allclose(found.hidden, hidden, atol=1e-3)


def test_hears_unlike_vocabularies_by_the_entries_of_the_fuse(engine, texts):
    fuse = TokenFuse((zoo("general-1"), zoo("other")), ("general", "other"), align=UNION)
    found = read_members(engine, fuse, texts[:5])
    assert found.features.shape == (len(found.correct), 2, 3)
    assert found.hidden.shape == (len(found.correct), 0)
    assert found.correct.float().mean(0).tolist()[1] > 0.3


def loss_of(heard, gate=None):
    scores = torch.zeros_like(heard.logprobs)
    if gate is not None:
        scores = (heard.features * gate[:, :-1]).sum(-1) + gate[:, -1]
    return -(scores.log_softmax(-1) + heard.logprobs).logsumexp(-1).mean().item()


def test_learned_weights_lose_less_than_even_ones(heard):
    state = train_learned(heard, ("general", "large"))
    gate = torch.from_numpy(state.arrays["gate"])
    assert gate.shape == (2, 4)
    assert loss_of(heard, gate) < loss_of(heard) - 1e-3


def test_learned_weights_find_the_member_that_knows():
    sure = torch.tensor([[0.1, 0.95, 0.9], [2.0, 0.3, 0.1]])
    features = torch.stack([sure, sure.flip(0)]).repeat(50, 1, 1)
    logprobs = torch.tensor([[-0.05, -3.0], [-3.0, -0.05]]).repeat(50, 1)
    flat = MemberReadings(
        features, logprobs, logprobs > -1, torch.zeros(100, 0), torch.zeros(100, 2)
    )
    gate = torch.from_numpy(train_learned(flat, ("a", "b"), decay=1e-4).arrays["gate"])
    assert loss_of(flat, gate) < 0.1 < loss_of(flat)


class Side:
    name = "general"
    model = object()


def test_what_routed_learns_trusts_right_tokens_more(heard):
    state = train_routed(heard, width=16, steps=300)
    gate = Part("gate.routed", {"taught": FittedState("x", lambda: state)}).prepare([Side()])
    known = heard.correct.any(1)
    trust = gate.chance(Distributions(torch.zeros(len(known), 2)), heard.hidden)
    right, wrong = trust[heard.correct[:, 0]], trust[known & ~heard.correct[:, 0]]
    assert state.facts["trusted"] == len(right)
    assert right.mean() > wrong.mean() + 0.2


def test_what_critical_learns_finds_tokens_that_only_others_know(heard):
    state = train_critical(heard)
    gate = Part("gate.critical", {"taught": FittedState("x", lambda: state)}).prepare([Side()])
    ((weight, bias),) = gate._layers
    chance = (heard.features[:, 0] @ weight + bias)[:, 0].sigmoid()
    wrong = heard.correct.any(1) & ~heard.correct[:, 0]
    assert chance[wrong].mean() > 0.6
    assert chance[heard.correct[:, 0]].mean() < 0.4


def test_teaching_is_the_same_twice(heard):
    for teach in (train_critical, lambda h: train_routed(h, width=8, steps=20)):
        one, two = (teach(heard).arrays for _ in range(2))
        assert all((one[name] == two[name]).all() for name in one)


@pytest.mark.parametrize("name", ["learned", "critical", "routed"])
def test_what_was_learnt_runs(engine, fuse, heard, name):
    states = {
        "learned": lambda: train_learned(heard, ("general", "large")),
        "critical": lambda: train_critical(heard),
        "routed": lambda: train_routed(heard, width=8, steps=50),
    }
    state = states[name]()
    what = (("taught", FittedState(name, lambda: state)),)
    if name == "learned":
        made = TokenFuse(fuse.members, fuse.names, weigh=Part("weigh.learned", what))
    else:
        made = TokenFuse(fuse.members, fuse.names, (0.0, 1.0), gate=Part(f"gate.{name}", what))
    prompt = ((("user", "Add 17 and 25."),),)
    found = engine.generate(Job(made, prompt, Sampling(max_tokens=8))).result(60)
    assert found.text.strip() == "42"
    assert math.isfinite(sum(found.logprobs))


def test_what_teaches_nothing_is_said_in_words(engine, fuse, heard):
    with pytest.raises(Mistakes, match="no text to fit on"):
        read_members(engine, fuse, [])
    same = MemberReadings(
        heard.features,
        heard.logprobs,
        torch.ones_like(heard.correct),
        heard.hidden,
        torch.zeros_like(heard.likeliest),
    )
    for teach in (train_critical, train_routed):
        with pytest.raises(Mistakes, match="right when another member is right"):
            teach(same)
    with pytest.raises(Mistakes, match="the same likeliest token nearly everywhere"):
        train_expert(same, ("a", "b"))
    deaf = replace(heard, hidden=heard.hidden[:, :0])
    with pytest.raises(Mistakes, match="is fitted on hidden states"):
        train_routed(deaf)


def test_a_long_answer_is_heard_in_stretches(engine, fuse, texts, monkeypatch):
    from composer.engine.sessions import teacher_forcing

    whole = read_members(engine, fuse, texts[:3], hidden=True)
    monkeypatch.setattr(teacher_forcing, "_AT_ONCE", 2)
    pieces = read_members(engine, fuse, texts[:3], hidden=True)
    assert torch.allclose(whole.logprobs, pieces.logprobs, atol=1e-4)
    assert torch.allclose(whole.hidden, pieces.hidden, atol=1e-4)


def test_an_expert_is_picked_by_the_state_that_tells_who_knows():
    hidden = torch.tensor([[1.0, 5.0], [-1.0, 5.0]]).repeat(30, 1)
    logprobs = torch.tensor([[-1.0, -0.1, -4.0], [-1.0, -4.0, -0.1]]).repeat(30, 1)
    likeliest = torch.tensor([[0, 1, 2], [0, 2, 1]]).repeat(30, 1)
    readings = MemberReadings(torch.zeros(60, 3, 3), logprobs, likeliest == 1, hidden, likeliest)
    state = train_expert(readings, ("router", "x", "y"))
    assert state.facts == {"part": "expert", "names": ["x", "y"], "tokens": 60}
    scores = hidden @ torch.from_numpy(state.arrays["head"])[:, :-1].T
    scores += torch.from_numpy(state.arrays["head"])[:, -1]
    assert scores.argmax(-1).tolist() == [0, 1] * 30


def test_positions_at_which_experts_agree_teach_nothing():
    hidden = torch.tensor([[1.0], [-1.0], [3.0]]).repeat(10, 1)
    logprobs = torch.tensor([[-1.0, -0.1, -4.0], [-1.0, -4.0, -0.1], [-1.0, -9.0, -0.1]])
    likeliest = torch.tensor([[0, 1, 2], [0, 2, 1], [0, 1, 1]]).repeat(10, 1)
    readings = MemberReadings(
        torch.zeros(30, 3, 3), logprobs.repeat(10, 1), likeliest == 1, hidden, likeliest
    )
    assert train_expert(readings, ("router", "x", "y")).facts["tokens"] == 20
