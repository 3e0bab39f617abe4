"""The names by which the installed transformers takes things, and what it has to say of them."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

from composer.engine.rows.forward_arguments import cache_name, keeps_state

ZOO = Path(__file__).parents[3] / "composer" / "zoo" / "models"


@pytest.mark.parametrize("kind", ["Llama", "GPTNeoX", "Bloom", "OPT"])
@torch.inference_mode()
def test_a_cache_is_given_and_taken_by_one_name_without_a_warning(kind, small):
    module = small(kind).module
    name = cache_name(module)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        first = module(torch.tensor([[5, 6]]), use_cache=True)
        second = module(torch.tensor([[7]]), use_cache=True, **{name: first[name]})
    assert second[name].get_seq_length() == 3


def test_only_a_model_without_a_cache_keeps_a_state(small):
    rwkv, llama = small("Rwkv").module, small("Llama").module
    assert [keeps_state(rwkv), keeps_state(llama)] == [True, False]
    assert cache_name(rwkv) is None


@pytest.mark.slow
def test_first_answers_of_zoo_models_come_without_a_warning(tmp_path):
    if not all((ZOO / name / "model.safetensors").is_file() for name in ("general-1", "other")):
        pytest.skip("the zoo's models are not there")
    recipe = tmp_path / "recipe.ens"
    recipe.write_text('model A = zoo("general-1")\nmodel B = zoo("other")\n[A, B] -> vote()\n')
    done = subprocess.run(
        [sys.executable, "-m", "composer", "run", str(recipe), "What is 17 plus 25?"],
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip()
    assert done.stderr == ""
