"""Ways to merge tensors, each against arithmetic by hand."""

import torch

from composer.methods.edits.average import Average
from composer.specs.parts import TensorPlace, tensor_places

PLACE = TensorPlace("model.layers.1.mlp.up_proj.weight", 1, 3)


def test_an_average_is_the_weighted_sum():
    tensors = [torch.tensor([1.0, 2.0]), torch.tensor([3.0, -2.0])]
    assert Average().merged(tensors, (0.25, 0.5), PLACE).tolist() == [1.75, -0.5]


def test_a_place_says_how_far_up_a_layer_is():
    places = tensor_places(
        ["embed.weight", "model.layers.0.a.weight", "model.layers.4.a.weight", "h.2.b.bias"]
    )
    assert [place.depth for place in places.values()] == [None, 0.0, 1.0, 0.5]
    assert {place.layers for place in places.values()} == {5}


def test_the_only_layer_is_the_lowest():
    assert tensor_places(["layers.0.w"])["layers.0.w"].depth == 0.0
