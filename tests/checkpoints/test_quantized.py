"""Which packages a checkpoint needs that others quantized, by its config.json alone."""

from pathlib import Path

import pytest

from composer.checkpoints import quantized
from composer.checkpoints.quantized import method_of, quantized_faults

FOLDER = Path("folder")


def fault(**settings):
    (error,) = quantized_faults(FOLDER, {"quantization_config": settings})
    return error


@pytest.fixture
def bare(monkeypatch):
    monkeypatch.setattr(quantized, "find_spec", lambda _: None)


@pytest.mark.parametrize(
    ("config", "method"),
    [
        ({}, None),
        ({"quantization_config": None}, None),
        ({"quantization_config": {"quant_method": "awq"}}, "awq"),
        ({"quantization_config": {"load_in_4bit": True}}, "bitsandbytes"),
        ({"quantization_config": {}}, "in an unknown way"),
    ],
)
def test_the_method_is_read_from_the_configuration(config, method):
    assert method_of(config) == method


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("method", "words", "help_"),
    [
        ("gptq", "needs the packages optimum and gptqmodel", "pip install optimum gptqmodel"),
        ("hqq", "needs the package hqq", "pip install hqq"),
        ("compressed-tensors", "compressed-tensors", "pip install compressed-tensors"),
        ("fp8", "needs the package accelerate", "ensemble-composer[quant]"),
        ("quanto", "optimum-quanto", "pip install optimum-quanto accelerate"),
    ],
)
def test_missing_packages_are_named(method, words, help_):
    error = fault(quant_method=method)
    assert error.code == "E510"
    assert words in error.message
    assert help_ in error.help


def test_installed_packages_are_no_fault(monkeypatch):
    monkeypatch.setattr(quantized, "find_spec", lambda name: name)
    assert not list(quantized_faults(FOLDER, {"quantization_config": {"quant_method": "gptq"}}))


def test_a_method_that_transformers_does_not_know_is_refused():
    error = fault(quant_method="of-tomorrow")
    assert error.code == "E505"
    assert "does not read" in error.message


def test_every_method_of_the_table_is_one_of_the_installed_transformers():
    assert [method for method in quantized.PACKAGES if not quantized._known(method)] == []
