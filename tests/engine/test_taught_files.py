"""What a part of a fuse learnt is checked when it is read: shapes, numbers and names."""

import json

import numpy as np
import pytest
from safetensors.numpy import save

from composer.methods.fitted import named, read, shaped
from composer.values import State
from composer.values.errors import ModelError


@pytest.mark.parametrize(
    ("arrays", "facts"),
    [
        ({"gate": np.array([np.nan])}, {}),
        ({"gate": np.array([np.inf], np.float32)}, {}),
        ({"gate": np.array([1.0])}, [1]),
        ({"gate": np.array([1.0])}, None),
    ],
)
def test_a_file_of_no_numbers_is_refused(tmp_path, arrays, facts):
    path = tmp_path / "t.safetensors"
    path.write_bytes(save(arrays, {"facts": json.dumps(facts)}))
    with pytest.raises(ModelError) as caught:
        read(path)
    assert caught.value.code == "E505"


@pytest.mark.parametrize(
    ("name", "sizes"), [("gate", (2,)), ("gate", (3, 3)), ("gate", (2, 4)), ("none", (2, 3))]
)
def test_an_array_of_another_shape_is_refused(name, sizes):
    with pytest.raises(ModelError) as caught:
        shaped(State({"gate": np.zeros((2, 3))}), name, *sizes)
    assert caught.value.code == "E507"


@pytest.mark.parametrize("names", [None, 3, "AB", {"A": 1}, ["B"]])
def test_names_that_are_none_are_refused(names):
    with pytest.raises(ModelError) as caught:
        named(State(facts={"names": names}), ["A"], "learned")
    assert caught.value.code == "E507"
