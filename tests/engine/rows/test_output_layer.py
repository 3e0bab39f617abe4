import pytest
import torch

from composer.engine.rows.output_layer import head_of, project, projecting
from composer.engine.rows.weight_layout import lay_out


class Model:
    def __init__(self, head):
        self.head = head

    def get_output_embeddings(self):
        return self.head


@pytest.mark.parametrize("width", [256, 768], ids=["narrow", "wide"])
@pytest.mark.parametrize("bias", [False, True])
@torch.inference_mode()
def test_it_gives_what_the_layer_gives(width, bias):
    head = torch.nn.Linear(width, 5000, bias=bias)
    lay_out(head)
    for rows in (0, 1, 2, 3, 4, 8, 9, 33):
        hidden = torch.randn(1, rows, width)
        assert torch.allclose(project(head, hidden), head(hidden), atol=1e-5)


def test_the_layer_is_as_it_was_afterwards():
    head = torch.nn.Linear(8, 9)
    before = head.forward
    with projecting(head):
        assert head.forward != before
    assert head.forward == before


def test_small_typed_and_strange_layers_and_others_by_rows_are_left_alone():
    class Own(torch.nn.Linear):
        pass

    big = torch.nn.Linear(256, 16000)
    assert head_of(Model(big)) is None
    lay_out(big)
    assert head_of(Model(big)) is (big if torch.backends.mkl.is_available() else None)
    assert head_of(Model(torch.nn.Linear(64, 512))) is None
    assert head_of(Model(torch.nn.Linear(256, 32000, dtype=torch.bfloat16))) is None
    assert head_of(Model(Own(256, 16000))) is None
    assert head_of(Model(None)) is None
