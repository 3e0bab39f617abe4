import pytest
import torch
from torch import nn

from composer.engine.rows.weight_layout import lay_out, lies_by_columns

mkl = pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="this torch has no MKL")


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(700, 256)
        self.wide = nn.Linear(256, 600)
        self.high = nn.Linear(600, 256, bias=False)
        self.head = nn.Linear(256, 700, bias=False)
        self.head.weight = self.words.weight
        self.small = nn.Linear(16, 16)

    def forward(self, ids):
        return self.head(self.high(self.wide(self.words(ids))))


@mkl
def test_large_layers_with_more_outputs_than_inputs_have_their_columns_together():
    module = Tied()
    lay_out(module)
    laid = {name for name, each in module.named_parameters() if lies_by_columns(each)}
    assert laid == {"words.weight", "wide.weight"}
    assert module.head.weight is module.words.weight


@pytest.mark.parametrize("inference", [False, True], ids=["normal", "made for inference"])
def test_numbers_and_shapes_stay(inference):
    with torch.inference_mode(mode=inference):
        module = Tied()
    before = {name: each.detach().clone() for name, each in module.state_dict().items()}
    with torch.inference_mode():
        expected = module(torch.arange(30))
        lay_out(module)
        lay_out(module)
        assert torch.allclose(module(torch.arange(30)), expected, atol=1e-5)
    assert all(torch.equal(before[name], each) for name, each in module.state_dict().items())


def test_other_types_and_quantized_weights_are_left_alone():
    half = nn.Linear(256, 1024, dtype=torch.bfloat16)
    lay_out(half)
    assert half.weight.is_contiguous()

    class Packed(nn.Parameter):
        pass

    strange = nn.Linear(256, 1024)
    strange.weight = Packed(strange.weight.data)
    lay_out(strange)
    assert strange.weight.is_contiguous()
