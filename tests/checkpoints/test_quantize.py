"""What `quantize` costs in memory, and where it is refused, from the headers of files alone."""

import pytest
from folders import copied, restate

import composer
from composer import zoo
from composer.backends.hf import HF
from composer.backends.zoo import Zoo
from composer.checkpoints import quantize
from composer.checkpoints.quantize import bytes_in_memory, group_of, layers_of, quantize_faults
from composer.diagnostics import Mistakes
from composer.specs.headers import TensorHeader, tensors_of
from composer.values import ModelError

FOLDER = zoo.folder("maths")


def fault(folder, how):
    (error,) = quantize_faults(folder, how)
    return error


@pytest.fixture
def installed(monkeypatch):
    """Let torchao be installed, or not: what is said of files does not depend on it."""
    monkeypatch.setattr(quantize, "find_spec", lambda name: name)


def test_linear_layers_are_those_inside_the_model():
    names = {name.rpartition("layers.")[2].partition(".")[2] for name in layers_of(FOLDER)}
    attention = {f"self_attn.{each}_proj.weight" for each in "qkvo"}
    assert names == attention | {f"mlp.{each}_proj.weight" for each in ("gate", "up", "down")}


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("int8", 64 * 128 + 4 * 64),  # a byte a number, and a scale of four bytes a row
        ("fp8", 64 * 128 + 4 * 64),
        ("int4", 64 * 128 // 2 + 64 * 1 * 8),  # half a byte, and two numbers for a group of 128
    ],
)
def test_the_bytes_of_a_layer_by_hand(monkeypatch, how, expected):
    layer = TensorHeader("F32", (64, 128), 4 * 64 * 128)
    monkeypatch.setattr(quantize, "layers_of", lambda _: {"model.a.weight": layer})
    tensors = {"model.a.weight": layer, "model.embed.weight": TensorHeader("F32", (10, 4), 160)}
    assert bytes_in_memory(tensors, "float32", how, FOLDER) == expected + 160


def test_with_smaller_numbers_only_the_scales_of_int4_are_smaller(monkeypatch):
    layer = TensorHeader("F32", (64, 96), 4 * 64 * 96)
    monkeypatch.setattr(quantize, "layers_of", lambda _: {"model.a.weight": layer})
    sizes = [
        bytes_in_memory({"model.a.weight": layer}, "bfloat16", how, FOLDER)
        for how in ("int8", "int4")
    ]
    assert sizes == [64 * 96 + 4 * 64, 64 * 96 // 2 + 64 * 3 * 4]


def test_whole_numbers_stay_as_they_are_stored():
    packed = {"a.qweight": TensorHeader("I32", (8, 8), 256)}
    assert bytes_in_memory(packed, "float32", None, None) == 256


@pytest.mark.parametrize(("columns", "group"), [(256, 128), (192, 64), (96, 32), (172, None)])
def test_the_largest_group_that_divides_a_row(columns, group):
    assert group_of(columns) == group


def test_the_card_shows_fewer_bytes():
    whole, small = (Zoo(model="maths", quantize=how).card().bytes for how in (None, "int8"))
    assert whole == sum(each.bytes for each in tensors_of(FOLDER).values()) * 2  # float16 here
    assert small < whole / 3


def test_it_is_part_of_identity_and_content():
    plain, small = Zoo(model="maths"), Zoo(model="maths", quantize="int8")
    assert plain.identity() != small.identity()
    assert plain.content() != small.content()
    assert plain.weights.shared != small.weights.shared
    assert "quantize" not in plain.identity() + plain.content()


@pytest.mark.usefixtures("installed")
def test_rows_that_no_group_divides_are_refused(tmp_path, monkeypatch):
    layer = TensorHeader("F32", (64, 172), 4 * 64 * 172)
    monkeypatch.setattr(quantize, "layers_of", lambda _: {"model.down.weight": layer})
    error = fault(FOLDER, "int4")
    assert error.code == "E505"
    assert "model.down.weight has 64 x 172" in error.message
    assert "int8" in error.help


@pytest.mark.usefixtures("installed")
def test_a_model_that_is_quantized_already_is_refused(tmp_path):
    folder = copied(tmp_path)
    restate(folder, quantization_config={"quant_method": "gptq"})
    assert "quantized already" in fault(folder, "int8").message


@pytest.mark.usefixtures("installed")
def test_a_model_without_linear_layers_is_refused(tmp_path):
    folder = copied(tmp_path)
    restate(folder, model_type="gpt2")
    assert "no linear layers" in fault(folder, "int8").message


def test_without_the_package_check_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(quantize, "find_spec", lambda _: None)
    (tmp_path / "r.ens").write_text('model M = zoo("maths", quantize = int8)\nM\n')
    with pytest.raises(Mistakes) as caught:
        composer.load(tmp_path / "r.ens").check()
    (error,) = caught.value.diagnostics
    assert error.code == "E510"
    assert "ensemble-composer[quant]" in error.help


def test_a_model_on_a_hub_is_not_refused_before_it_is_here(monkeypatch):
    monkeypatch.setattr(quantize, "find_spec", lambda _: None)
    assert HF(path="org/absent", quantize="int8").faults() == ()


def test_an_unknown_kind_is_refused():
    with pytest.raises((ModelError, ValueError), match="int8"):
        Zoo(model="maths", quantize="int3")
