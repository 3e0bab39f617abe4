"""Whether models descend from one, by a sample of their weights."""

import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from composer import zoo
from composer.checkpoints.ancestry import STRANGERS, cosine
from composer.specs.headers import tensors_of

TUNES = ("general-1", "tune-maths", "tune-text")
STORIES = Path(__file__).parents[3] / "shared/data/models"


def stored(folder, **tensors):
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    return tensors_of(folder)


@pytest.mark.parametrize(("first", "second"), list(combinations(TUNES, 2)))
def test_tunes_of_one_base_are_related(first, second):
    assert cosine(*(tensors_of(zoo.folder(name)) for name in (first, second))) > 0.9


@pytest.mark.parametrize(
    ("first", "second"), list(combinations(("general-1", "general-2", "maths", "text"), 2))
)
def test_models_of_two_seeds_are_strangers(first, second):
    by = cosine(*(tensors_of(zoo.folder(name)) for name in (first, second)))
    assert abs(by) < 0.1 < STRANGERS


@pytest.mark.skipif(not STORIES.is_dir(), reason="the models of ../shared/data are not there")
def test_long_tuned_models_are_related():
    names = ("stories260K", "stories260K-ft-shakespeare", "stories260K-ft-gsm8k")
    for first, second in combinations(names, 2):
        assert cosine(*(tensors_of(STORIES / name) for name in (first, second))) > 0.9


def test_a_cosine_worked_by_hand(tmp_path):
    one = stored(tmp_path / "a", m=torch.tensor([[3.0, 4.0]]), v=torch.ones(2))
    two = stored(tmp_path / "b", m=torch.tensor([[4.0, -3.0]]), v=torch.ones(2))
    half = stored(tmp_path / "c", m=torch.tensor([[6.0, 8.0]]), n=torch.ones(1, 1))
    assert cosine(one, two) == pytest.approx(0.0)
    assert cosine(one, half) == pytest.approx(1.0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_each_type_of_numbers_is_read(tmp_path, dtype):
    numbers = torch.randn(300, 40, generator=torch.Generator().manual_seed(0))
    one, two = stored(tmp_path / "a", m=numbers), stored(tmp_path / "b", m=numbers.to(dtype))
    assert cosine(one, two) == pytest.approx(1.0, abs=1e-4)


def test_where_nothing_can_be_compared_nothing_is_said(tmp_path):
    one = stored(tmp_path / "a", m=torch.ones(2, 2))
    other = stored(tmp_path / "b", m=torch.ones(3, 2), w=torch.ones(4, 4, dtype=torch.int8))
    assert cosine(one, other) is None
    assert cosine(one, {}) is None
    assert cosine(one, stored(tmp_path / "c", m=torch.zeros(2, 2))) is None


def test_it_needs_no_torch():
    code = (
        "import sys\nfrom composer import zoo\nfrom composer.checkpoints.ancestry import cosine\n"
        "from composer.specs.headers import tensors_of\n"
        "t = tensors_of(zoo.folder('maths'))\nassert cosine(t, t) > 0.99\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
