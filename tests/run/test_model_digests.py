"""Answers are kept under the content that was loaded, whatever the folder holds later."""

import os

import fusing
import pytest
import torch
from folders import copied, reweigh

import composer
from composer.engine.weights.local import load
from composer.run import Failure

ONE, TWO = "What is 1 plus 1?", "What is 2 plus 3?"


@pytest.fixture
def folder(tmp_path):
    return copied(tmp_path)


@pytest.fixture
def ready(folder):
    """Open the recipe of a folder, with one file of kept answers."""
    path = folder.parent / "r.ens"
    path.write_text('model A = hf("model")\nA(max_tokens = 6)\n')
    return lambda cache=True: composer.load(path).ready(
        cache=folder.parent / "answers.sqlite" if cache else False
    )


def other_weights(folder):
    """Let the folder hold a model that says another part."""
    reweigh(folder, lambda tensors: {name: -tensor for name, tensor in tensors.items()})


def calls(result):
    return result.members["A"].calls


def test_an_answer_is_kept_under_what_was_loaded_and_not_what_lies_there_now(folder, ready):
    whole = (folder / "model.safetensors").read_bytes()
    with ready() as ensemble:
        ensemble(ONE)
        other_weights(folder)
        old = ensemble(TWO)
    with ready() as ensemble:
        new = ensemble(TWO)
    (folder / "model.safetensors").write_bytes(whole)
    with ready() as ensemble:
        again = ensemble(TWO)
    assert (calls(new), calls(again)) == (1, 0)
    assert old.answer == again.answer != new.answer


def test_a_model_that_changed_before_it_was_loaded_is_refused(folder, ready):
    with ready(cache=False) as ensemble:
        other_weights(folder)
        with pytest.raises(
            Failure, match=r"have changed since .* opened: model\.safetensors"
        ) as no:
            ensemble(ONE)
    assert no.value.code == "E505"
    with ready(cache=False) as ensemble:
        assert ensemble(ONE).answer is not None


def test_a_key_is_not_made_of_a_file_that_changed(folder, ready):
    with ready() as ensemble:
        other_weights(folder)
        with pytest.raises(Failure, match="have changed"):
            ensemble(ONE)


def test_a_change_that_keeps_size_and_time_is_seen(folder, ready):
    file = folder / "model.safetensors"
    before = file.stat()
    with ready() as ensemble:
        first = ensemble(ONE)
    data = bytearray(file.read_bytes())
    data[-1000:] = bytes(1000)
    file.write_bytes(data)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with ready() as ensemble:
        assert calls(ensemble(ONE)) == calls(first) == 1


def test_a_file_that_is_written_over_or_cut_off_changes_no_loaded_model(folder):
    def as_float32(tensors):
        return {name: tensor.float() for name, tensor in tensors.items()}

    reweigh(folder, as_float32)
    model = load(fusing.checkpoint("m", folder))
    before = [each.clone() for each in model.module.parameters()]
    file = folder / "model.safetensors"
    size = file.stat().st_size
    with file.open("r+b") as stream:
        stream.seek(size // 2)
        stream.write(bytes(size // 2))
        stream.truncate(1000)
    assert all(map(torch.equal, before, model.module.parameters()))
