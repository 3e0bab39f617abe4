"""Coefficients of merges, searched on real tiny models: in memory, by gradient, and refused."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.func import functional_call

from composer import zoo
from composer.backends.zoo import Zoo
from composer.diagnostics import Mistakes
from composer.engine.weights.building import built
from composer.engine.weights.in_memory import InMemory
from composer.evaluate import Grading, demand_unseen, read_rows
from composer.fit.coefficients.adaptive import Training
from composer.fit.coefficients.history import History
from composer.fit.coefficients.masks import ConcreteMask
from composer.fit.coefficients.subject import Subject
from composer.fit.coefficients.telling import draw_histories, search_lines
from composer.fit.fitting import fit
from composer.fit.settings import FitSettings
from composer.methods.edits.adaptive import Adaptive
from composer.methods.edits.average import Average
from composer.methods.edits.paths import Paths, decoded
from composer.methods.edits.ties import Ties
from composer.recipe import Recipe
from composer.specs import Declared, Merge, Stack
from composer.values import Fitted

MEMBERS = ("general-1", "tune-maths", "tune-text")


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    torch.set_num_threads(1)


@pytest.fixture
def rows(tmp_path):
    """Write the first questions of the zoo with short answers, and their references."""
    lines = zoo.items("validation").read_text().splitlines()[:12]
    kept = [{k: json.loads(line)[k] for k in ("query", "reference")} for line in lines]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in kept))
    return path


def merge(edit=None, factors=(0.4, 0.3, 0.3)):
    donors = tuple(Declared(name, Zoo(model=name)) for name in MEMBERS)
    return Merge(donors, MEMBERS, factors, edit or Average(), normalize=False)


def recipe(folder, merged):
    path = folder / "r.ens"
    path.write_text(f'use "zoo.ens" (general, tune_maths, tune_text)\n{merged}\n')
    return Recipe.load(path)


@pytest.mark.parametrize("edit", [Average(), Ties(density=0.5)])
def test_a_merge_in_memory_has_the_weights_that_would_be_written(edit):
    model = merge(edit)
    with InMemory(model) as memory:
        memory.make(merge(edit, (0.0, 0.5, 0.5)))
        memory.make(model)
        made = {name: weight.clone() for name, weight in memory.parameters.items()}
    written = load_file(built(model) / "model.safetensors")
    assert made.keys() == written.keys()
    assert all(torch.equal(made[name], each.float()) for name, each in written.items())


def test_a_merge_whose_coefficients_were_not_searched_yet_is_not_used(tmp_path):
    with pytest.raises(Mistakes, match=r"`greedy` in `.*` is not fitted yet"):
        recipe(tmp_path, "merge(tune_maths, tune_text, coefficients = greedy())").ready()


def test_a_greedy_soup_is_fitted_used_and_not_measured_on_its_rows(tmp_path, rows):
    loaded = recipe(tmp_path, "merge(tune_maths, tune_text, coefficients = greedy())")
    (entry,) = fit(FitSettings(loaded, rows)).manifest.entries
    assert len(entry.report["history"]) == 3
    fitted = Recipe.load(tmp_path / "r.ens")
    with fitted.ready() as ensemble:
        assert ensemble("What is 17 plus 25?").text
    seen = read_rows(rows)
    with pytest.raises(Mistakes, match="searched on 1 row of these data"):
        demand_unseen([fitted], seen[:1])
    demand_unseen([fitted], read_rows(zoo.items("test"))[:50])


def test_a_second_fit_takes_all_scores_from_the_history(tmp_path, rows):
    text = "merge(tune_maths, tune_text, coefficients = greedy())"
    first = fit(FitSettings(recipe(tmp_path, text), rows, cache=True))
    told = []
    again = fit(FitSettings(recipe(tmp_path, text), rows, cache=True, tell=told.append))
    assert first.manifest == again.manifest
    assert "3 scores of an earlier fit" in told[0]


def subject_of(part, memory, rows):
    return Subject(memory._model, memory, Grading(), rows, memory._model, part)


def test_the_gradient_of_coefficients_is_that_of_torch(rows):
    part, some = Adaptive(batch=2, tokens=2, layers=False), read_rows(rows)[:2]
    with InMemory(merge()) as memory:
        training = Training(part, subject_of(part, memory, some), some, 0, History())
        training.step(1)
        gradient = training.moments[1] / 0.1
        expected = autograd(memory, some, training)
    assert gradient == pytest.approx(expected, rel=2e-2)


def autograd(memory, rows, training):
    """Return the gradient of the same entropy by torch alone, through one functional call."""
    from composer.fit.coefficients.entropy import _greedy

    tensors = [{n: d.read(n).float() for n in memory.parameters} for d in memory.donors]
    memory.make(merge())
    model, free = memory.local, torch.tensor([0.3, 0.3], requires_grad=True)
    weights = {
        n: (1 - free.sum()) * tensors[0][n] + free[0] * tensors[1][n] + free[1] * tensors[2][n]
        for n in memory.parameters
    }
    prompts = [model.render(row.question().messages) for row in rows]
    total = 0.0
    for prompt, answer in zip(prompts, _greedy(model, prompts, 2), strict=True):
        ids = torch.tensor([[*prompt, *answer[:-1]]])
        logits = functional_call(model.module, weights, (ids,)).logits[0, len(prompt) - 1 :]
        logprobs = logits[:, : model.width].log_softmax(-1)
        total = total - (logprobs.exp() * logprobs).sum(-1).mean() / len(prompts)
    total.backward()
    return free.grad.tolist()


def test_adaptive_training_that_was_stopped_ends_where_one_without_a_stop_ends(
    rows, tmp_path, monkeypatch
):
    monkeypatch.setattr("composer.fit.coefficients.adaptive._KEPT_EVERY", 2)
    part, some = Adaptive(batch=2, tokens=1, steps=4, layers=False, mask=True), read_rows(rows)
    with InMemory(merge()) as memory:

        def trained(part, path):
            subject = subject_of(part, memory, some)
            training = Training(part, subject, some, 0, History(path))
            training.run()
            return training.state().arrays

        whole = trained(part, None)
        path = tmp_path / "h.jsonl"
        trained(part.model_copy(update={"steps": 3}), path)
        assert len(path.read_text().splitlines()) == 3
        again = trained(part, path)
    assert all(np.array_equal(whole[name], again[name]) for name in whole)


def stack(point=None):
    donors = tuple(Declared(name, Zoo(model=name)) for name in MEMBERS[:2])
    part = Paths()
    if point is not None:
        part = part.bound(Fitted.of((), 1, state=decoded(np.array(point), 6)))
    return Stack(donors, MEMBERS[:2], ("0-3", "2-3"), part)


def test_scaled_inputs_of_layers_are_folded_into_the_weights():
    """A path of four layers of six; its inputs are scaled by hand in a stack without scales."""
    kept, scales = [1, 0, 1, 1, 0, 1], [1.3, 1, 0.7, 1.2, 1, 0.8]
    ids = torch.arange(5, 15)[None]
    with InMemory(stack()) as memory, torch.inference_mode():
        scaled = memory.make(stack([*kept, *scales])).module(ids).logits
        plain = memory.make(stack([*kept, *[1.0] * 6])).module
        whole = memory.make(stack()).module
        for layer, by in zip(plain.model.layers, [1.3, 0.7, 1.2, 0.8], strict=True):
            layer.register_forward_pre_hook(lambda _, args, by=by: (args[0] * by, *args[1:]))
        expected = plain(ids).logits
    assert len(whole.model.layers) == 6
    assert torch.allclose(scaled, expected, rtol=1e-2, atol=1e-2)


def test_a_path_is_told_by_its_layers():
    report = {"history": [0.5], "layers": ["A 0", "B 3"], "scales": [1.0, 1.25]}
    assert list(search_lines(report))[1] == "layers: A 0, B 3 (input * 1.25)"


def test_a_mask_unlearns_what_raises_the_entropy():
    mask = ConcreteMask({"w": torch.Size([2])}, rate=0.1)
    mask.draw("0/1")
    mask.learn("w", torch.tensor([1.0, -1.0]), torch.ones(2), 1)
    logits = mask.moments["w"][0].tolist()
    assert logits[0] < 3.0 < logits[1]


def test_a_history_is_told_and_drawn(tmp_path):
    report = {
        "history": [0.5, 0.75],
        "members": ["A", "B"],
        "coefficients": [[0.5, 0.5], [1, 0]],
        "options": {"density": 0.4},
    }
    assert list(search_lines(report)) == [
        "2 merges tried: score at first 0.5, the best 0.75",
        "beside the layers: A 0.5, B 0.5",
        "group 1 of 1: A 1, B 0",
        "option density of the edit: 0.4",
    ]
    entry = type("Entry", (), {"part": {"name": "evolve"}, "report": report})
    draw_histories(tmp_path / "h.svg", [entry])
    assert "the best so far" in (tmp_path / "h.svg").read_text()
