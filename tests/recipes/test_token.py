"""The token recipes against their papers' arithmetic, written plainly on uncached zoo models."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from fusing import checkpoint

import composer
from composer.engine.weights.local import load
from composer.methods.fitted import read

HERE = Path(__file__).parents[2]
RECIPES = HERE / "recipes" / "token"
NAMES = {
    "general": "general-1",
    "general_2": "general-2",
    "maths": "maths",
    "text": "text",
    "large": "large",
    "tune_maths": "tune-maths",
}
CLOSE = 1e-4


class Plain:
    """A zoo model without cache: log-probabilities and last hidden state after some ids."""

    def __init__(self, name):
        folder = HERE / "composer" / "zoo" / "models" / NAMES[name]
        if not (folder / "model.safetensors").is_file():
            pytest.skip(f"the zoo has no model {name}")
        self.local = load(checkpoint(name, folder))

    @torch.inference_mode()
    def read(self, ids):
        out = self.local.module(torch.tensor([ids]), output_hidden_states=True)
        logits = out.logits[0, :, : self.local.width].double().log_softmax(-1)
        return logits, out.hidden_states[-1][0].double()


@pytest.fixture(scope="module")
def zoo():
    made = {}

    def find(name):
        if name not in made:
            made[name] = Plain(name)
        return made[name]

    return find


@pytest.fixture
def agrees(zoo):
    """Run a recipe's example and hold its tokens to those of a plain loop."""

    def run(recipe, names, fuse):
        loaded = composer.load(RECIPES / recipe)
        with loaded.ready() as ensemble:
            answered = ensemble(loaded.example)
        (written,) = [a.text for e in answered.trace.events for a in e.asked if a.what == "asked"]
        models = [zoo(name) for name in names]
        prompt = models[0].local.render((("user", loaded.example),))
        ids = []
        for _ in range(8):
            said = fuse([m.read(prompt + ids) for m in models], prompt)
            best, second = said.topk(2).values.tolist()
            if best - second < CLOSE or int(said.argmax()) in models[0].local.ends:
                break
            ids.append(int(said.argmax()))
        expected = models[0].local.vocabulary.bytes_of(ids).decode()
        assert len(ids) > 2
        assert written.startswith(expected)
        return written

    return run


def last(said):
    return [logits[-1] for logits, _ in said]


def test_contrastive(agrees):
    def fuse(said, _):
        expert, amateur = last(said)
        out = expert < expert.max() + math.log(0.1)
        return (1.2 * expert - 0.2 * amateur).masked_fill(out, -torch.inf)

    agrees("contrastive.ens", ("maths", "general"), fuse)


def test_proxy_tuning(agrees):
    def fuse(said, _):
        large, tuned, base = last(said)
        return large + tuned - base

    agrees("proxy_tuning.ens", ("large", "tune_maths", "general"), fuse)


def test_purify(agrees):
    agrees("purify.ens", ("large", "general"), lambda s, _: (last(s)[0] + last(s)[1]) / 2)


def test_arithmetic(agrees):
    def fuse(said, _):
        general, second, maths, text = last(said)
        union = torch.maximum(maths, text).log_softmax(-1)
        return general + 0.5 * (union - second)

    agrees("arithmetic.ens", ("general", "general_2", "maths", "text"), fuse)


def test_consistent(agrees):
    """CoRE's formulas for generation: rbf scores, first model at least half."""

    def fuse(said, _):
        p = np.stack([each.exp().numpy() for each in last(said)])
        gap = np.abs(p - p.mean(0))
        scores = (np.exp(-2 * gap) - np.exp(-2)) / (1 - np.exp(-2)) * (p + p[0] > 1e-12)
        total = scores.sum(1, keepdims=True)
        models = total[:, 0] / -(p * np.log(np.clip(p, 1e-30, None))).sum(1)
        models[0] = max(models[0], models[1:].sum())
        tokens = scores / total * (scores != 0).sum(1, keepdims=True)
        tokens[0] = 1
        return torch.from_numpy((models[:, None] / models.sum() * tokens * p).sum(0))

    agrees("consistent.ens", ("general", "general_2", "maths"), fuse)


def packllm(said, ids, weigh):
    """Mix log-probabilities after the prompt by weights that its own tokens give."""
    heard = [logits[: len(ids) - 1] for logits, _ in said]
    weights = weigh(heard, ids[1:])
    return sum(w * each for w, each in zip(weights, last(said), strict=True))


def loss(logits, ids):
    return -logits.log_softmax(-1)[range(len(ids)), ids].mean().item()


def greedy_search(heard, ids):
    """PackLLM-opt as its code has it."""
    order = sorted(range(len(heard)), key=lambda n: loss(heard[n], ids))
    current, found = heard[order[0]], [1.0]
    for n in order[1:]:
        mixes = [(k / 20) * current + (1 - k / 20) * heard[n] for k in range(21)]
        best = min(range(21), key=lambda k: loss(mixes[k], ids))
        current = mixes[best]
        found = [*(w * best / 20 for w in found), 1 - best / 20]
    return [found[order.index(n)] for n in range(len(heard))]


def test_packllm_opt(agrees):
    members = ("general", "maths", "text")
    agrees("packllm_opt.ens", members, lambda s, ids: packllm(s, ids, greedy_search))


def test_packllm_sim(agrees):
    def softmax(heard, ids):
        raw = [math.exp(-loss(each, ids)) for each in heard]
        kept = [w if w / sum(raw) >= 0.05 else 0.0 for w in raw]
        return [w / sum(kept) for w in kept]

    agrees("packllm_sim.ens", ("general", "maths", "text"), lambda s, i: packllm(s, i, softmax))


def network(state, x):
    for n in range(len(state.arrays) // 2):
        x = x @ state.arrays[f"w{n}"].astype(float) + state.arrays[f"b{n}"].astype(float)
        x = np.maximum(x, 0) if n < len(state.arrays) // 2 - 1 else x
    return 1 / (1 + np.exp(-x[0]))


def test_citer(agrees):
    state = read(RECIPES / "citer.safetensors")
    asked = []

    def fuse(said, _):
        trust = network(state, said[0][1][-1].numpy())
        asked.append(trust < 0.95)
        return last(said)[int(trust < 0.95)]

    agrees("citer.ens", ("general", "large"), fuse)
    assert len(asked) > 2


def test_critical_tokens(agrees):
    state = read(RECIPES / "critical_tokens.safetensors")

    def fuse(said, _):
        p = last(said)[0].exp().numpy()
        first, second = sorted(p)[:-3:-1]
        seen = np.array([-(p * np.log(np.clip(p, 1e-30, None))).sum(), first, first - second])
        return last(said)[int(network(state, seen) >= 0.5)]

    agrees("critical_tokens.ens", ("tune_maths", "general"), fuse)


def test_a_member_that_leaves_is_told_in_the_trace(tmp_path, monkeypatch):
    from composer.engine.weights import local

    load = local.load

    def narrow(*args):
        model = load(*args)
        if model.config.hidden_size == 160:
            model.context = 3
        return model

    monkeypatch.setattr(local, "load", narrow)
    path = tmp_path / "leave.ens"
    models = 'use "zoo.ens" (general, large)\nexample "Add 17 and 25."\n'
    path.write_text(f"{models}token_fuse(general, large, leave = true)\n", encoding="utf-8")
    recipe = composer.load(path)
    with recipe.ready() as ensemble:
        answered = ensemble(recipe.example)
    assert answered.answer == "42"
    (event,) = [each for each in answered.trace.events if each.op == "generate"]
    assert event.notes["left"] == {
        "large": "the prompt has 15 tokens, but the context of large is 3 tokens"
    }
    assert answered.text.facts["left"] == event.notes["left"]
    assert "large" not in answered.members


def test_weights_that_the_prompt_gave_are_told_in_the_trace():
    recipe = composer.load(RECIPES / "packllm_opt.ens")
    with recipe.ready() as ensemble:
        answered = ensemble(recipe.example)
    (event,) = [each for each in answered.trace.events if each.op == "generate"]
    assert set(event.notes["weights"]) == {"general", "maths", "text"}
    assert sum(event.notes["weights"].values()) == pytest.approx(1)
    assert event.notes["weights"]["maths"] > event.notes["weights"]["text"]
