"""Models out of GGUF files, against the same models out of safetensors."""

from pathlib import Path

import fusing
import numpy as np
import pytest
import torch
from ggufs import written

import composer
from composer.compiler.plan import describe
from composer.engine.weights.local import load
from composer.specs.gguf import read_gguf

gguf = pytest.importorskip("gguf", reason="needs the extra `quant`: gguf is not installed")
pytest.importorskip("accelerate", reason="needs the extra `quant`: accelerate is not installed")

MODELS = Path(__file__).parents[4] / "shared" / "data" / "models"
NAMES = ("stories260K", "stories260K-ft-gsm8k", "stories260K-ft-shakespeare")
Q8 = gguf.GGMLQuantizationType.Q8_0


@pytest.fixture(autouse=True)
def _data():
    if not MODELS.is_dir():
        pytest.skip("the folder shared/data is not beside this checkout")


@torch.inference_mode()
def logits(model):
    return model.module(torch.arange(1, 80)[None]).logits


def loaded(path, **options):
    return load(fusing.checkpoint("M", path, **options))


def in_q8(path, target):
    """Write a GGUF file anew, its matrices of even rows in Q8_0."""
    tensors = []
    for each in gguf.GGUFReader(path).tensors:
        data = np.array(each.data)
        even = data.ndim == 2 and data.shape[1] % 32 == 0
        kind, stored = (Q8, gguf.quants.quantize(data, Q8)) if even else (0, data)
        tensors.append((each.name, int(kind), data.shape, stored.tobytes()))
    target.write_bytes(written(dict(read_gguf(path).facts), tensors))
    return target


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_those_of_the_safetensors(name):
    packed, plain = loaded(MODELS / f"{name}.gguf"), loaded(MODELS / name)
    assert torch.equal(logits(packed), logits(plain))
    assert packed.ends == plain.ends
    assert packed.raw("Once upon a time") == plain.raw("Once upon a time")


def test_a_quantized_file_is_dequantized(tmp_path):
    path = in_q8(MODELS / "stories260K.gguf", tmp_path / "q8.gguf")
    model = fusing.checkpoint("M", path)
    assert model.card.stored == "dequantized from Q8_0"
    found, plain = logits(load(model)), logits(loaded(MODELS / "stories260K"))
    assert load(model).dtype == torch.float32
    apart = (found.log_softmax(-1) - plain.log_softmax(-1)).abs()
    assert 0 < apart.mean() < 0.05


def test_a_dequantized_model_can_be_made_smaller_again():
    pytest.importorskip("torchao", reason="needs the extra `quant`: torchao is not installed")
    one, other = (loaded(MODELS / f"{NAMES[0]}{end}", quantize="int8") for end in (".gguf", ""))
    assert torch.equal(logits(one), logits(other))


@pytest.mark.usefixtures("silencing")
def test_a_fuse_with_its_own_safetensors_needs_no_alignment(tmp_path, capfd):
    """The vocabularies have one fingerprint, so that the fuse is `shared`; nothing is printed."""
    text = f'model A = hf("{MODELS}/{NAMES[0]}.gguf")\nmodel B = hf("{MODELS}/{NAMES[1]}")\n'
    (tmp_path / "r.ens").write_text(f"{text}generate(token_fuse(A, B), max_tokens = 5)\n")
    recipe = composer.load(tmp_path / "r.ens")
    assert "align = shared()" in describe(recipe.plan())
    with recipe.ready() as ensemble:
        assert ensemble("Once upon a time").answer
    assert capfd.readouterr().err == ""


def test_a_merge_refuses_it(tmp_path):
    text = f'model A = hf("{MODELS}/{NAMES[0]}.gguf")\nmodel B = hf("{MODELS}/{NAMES[1]}")\n'
    (tmp_path / "r.ens").write_text(f"{text}merge(A, B)\n")
    with (
        composer.load(tmp_path / "r.ens").ready() as ensemble,
        pytest.raises(composer.Failure, match="quantized weights cannot be merged"),
    ):
        ensemble("Once")
