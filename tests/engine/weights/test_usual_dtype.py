"""The number type where a recipe says none."""

import pytest
import torch

from composer.engine.weights.loading import _dtype
from composer.engine.weights.precision import usual_dtype


@pytest.mark.parametrize(("has", "dtype"), [(True, "bfloat16"), (False, "auto")])
def test_a_gpu_has_bfloat16_where_it_computes_with_it(has, dtype, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: has)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device", torch.device)  # is entered: a device is, too
    assert usual_dtype("cuda:0") == dtype


def test_a_cpu_has_float32():
    assert usual_dtype("cpu") == "float32"


def test_kernels_of_a_quantized_checkpoint_choose_on_other_devices():
    assert _dtype("auto", torch.device("meta"), stored=True) == "auto"
    assert _dtype("auto", torch.device("cpu"), stored=True) == torch.float32
    assert _dtype("bfloat16", torch.device("meta"), stored=True) == torch.bfloat16
