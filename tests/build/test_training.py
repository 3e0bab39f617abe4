"""Training: steps in a seeded order, measured on texts held out, and resumed where it was."""

from itertools import chain

import pytest
import torch
from torch import nn

from composer.build import training
from composer.build.training import train
from composer.methods.distillation.adamw import AdamW
from composer.methods.distillation.gradual import Gradual


class Numbers:
    """Documents that are numbers; a model of one weight and dropout shall give three times them."""

    def __init__(self, count=20, dies_at=None):
        self.count, self.dies_at, self.seen, self.parts = count, dies_at, [], []

    def __len__(self):
        return self.count

    def losses(self, module, documents, part):
        if module.training:
            self.seen.append(list(documents))
            self.parts.append(part)
        if self.dies_at is not None and len(self.seen) > self.dies_at:
            raise KeyboardInterrupt
        x = torch.tensor([[float(n)] for n in documents]) / self.count
        return (module(x) - 3 * x).square()[:, 0]


def module():
    torch.manual_seed(7)
    return nn.Sequential(nn.Linear(1, 1), nn.Dropout(0.1))


HOW = AdamW(epochs=3, batch=4, rate=0.1, held_out=0.2, checks=4)


def weights(network):
    return {name: each.detach().clone() for name, each in network.named_parameters()}


def run(folder, training_set, how=HOW, **more):
    network, told = module(), []
    state = train(network, training_set, how, folder, told.append, **more)
    return weights(network), state, told


def test_each_epoch_has_all_texts_that_are_not_held_out(tmp_path):
    training_set = Numbers()
    _, state, told = run(tmp_path, training_set)
    assert state.step == 12
    epochs = [[*chain(*training_set.seen[n : n + 4])] for n in (0, 4, 8)]
    assert len({tuple(sorted(each)) for each in epochs}) == 1
    assert len(set(epochs[0])) == 16
    assert epochs[0] != epochs[1]
    assert [step for step, _, _ in state.history] == [3, 6, 9, 12]
    assert len(told) == 4
    assert "on texts held out" in told[-1]


def test_the_loss_falls_and_the_best_weights_are_kept(tmp_path):
    _, state, _ = run(tmp_path, Numbers())
    held = [lost for _, _, lost in state.history]
    assert held[-1] < held[0]
    assert state.best == min(held)


@pytest.mark.parametrize("interpolate", [None, Gradual()])
def test_an_interrupted_training_ends_with_the_same_weights(tmp_path, monkeypatch, interpolate):
    monkeypatch.setattr(training, "KEPT_EVERY", 0.0)
    whole, state, _ = run(tmp_path / "whole", Numbers(), interpolate=interpolate)
    for dies_at in (2, 3, 4):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "cut", Numbers(dies_at=dies_at), interpolate=interpolate)
    again, other, _ = run(tmp_path / "cut", Numbers(), interpolate=interpolate)
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert other.history == state.history


def test_training_stops_when_it_does_not_get_better(tmp_path):
    how = HOW.model_copy(update={"rate": 1e-12, "patience": 1, "checks": 12})
    _, state, _ = run(tmp_path, Numbers(), how)
    assert state.step < 12


def test_without_texts_held_out_the_loss_of_training_counts(tmp_path):
    _, state, told = run(tmp_path, Numbers(), HOW.model_copy(update={"held_out": 0.0}))
    assert all(held is None for _, _, held in state.history)
    assert "held out" not in told[-1]


def test_a_target_moves_to_the_teachers(tmp_path):
    training_set = Numbers()
    run(tmp_path, training_set, interpolate=Gradual(start=0.5))
    assert training_set.parts[0] == 0.5
    assert training_set.parts == sorted(training_set.parts)
    assert training_set.parts[-1] > 0.9
