"""Checkpoints written file by file, and tensors read without keeping their files in memory."""

import json
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from composer.engine.weights import merging
from composer.engine.weights.tensors import Tensors, is_finite
from composer.engine.weights.writing import Construction, write
from composer.specs.headers import INDEX, shards
from composer.values import ModelError

NUMBERS = {
    "a": torch.arange(12.0).reshape(4, 3),
    "b": torch.arange(5).to(torch.bfloat16),
    "c": torch.tensor(7),
    "d": torch.zeros(0, 3),
    "e": torch.tensor([True, False]),
}


@pytest.fixture
def donor(tmp_path):
    folder = tmp_path / "donor"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama", "dtype": "float32"}')
    save_file(NUMBERS, folder / "model.safetensors")
    return folder


def copied(donor, folder, shard=10**9, **options):
    folder.mkdir(exist_ok=True)
    with Tensors(donor) as tensors:
        write(folder, Construction(donor, tensors.headers, tensors.read, **options), shard=shard)
    return folder


@pytest.mark.parametrize(("shard", "files"), [(10**9, 1), (58, 2), (48, 3), (1, 5)])
def test_files_hold_as_many_tensors_as_fit(donor, tmp_path, shard, files):
    made = copied(donor, tmp_path / "made", shard)
    assert len(shards(made)) == files
    held = {name: each for file in shards(made) for name, each in load_file(file).items()}
    assert all(torch.equal(held[name], each) for name, each in NUMBERS.items())
    if files > 1:
        index = json.loads((made / INDEX).read_text())
        assert index["metadata"] == {"total_parameters": 20, "total_size": 68}
        assert index["weight_map"].keys() == NUMBERS.keys()


def test_rows_of_a_tensor_are_read_alone(donor):
    with Tensors(donor) as tensors:
        assert torch.equal(tensors.read("a", 1, 3), NUMBERS["a"][1:3])
        assert torch.equal(tensors.read("a", 3, 9), NUMBERS["a"][3:])
        assert tensors.read("c").item() == 7


def test_a_tensor_may_be_written_in_pieces(donor, tmp_path):
    with Tensors(donor) as tensors:
        headers = {name: tensors.headers[name] for name in "ab"}

        def make(name):
            return iter(tensors.read(name).split(2))

        (tmp_path / "made").mkdir()
        write(tmp_path / "made", Construction(donor, headers, make))
    held = load_file(tmp_path / "made" / "model.safetensors")
    assert all(torch.equal(held[name], NUMBERS[name]) for name in "ab")


def test_a_whole_file_is_not_written_again(donor, tmp_path):
    made = copied(donor, tmp_path / "made", 48)
    first, last = shards(made)[0], shards(made)[-1]
    before = first.stat().st_mtime_ns
    last.unlink()
    (made / "model-00003-of-00003.safetensors.77-5.tmp").write_bytes(b"torn")
    copied(donor, made, 48)
    assert (first.stat().st_mtime_ns, len(shards(made))) == (before, 3)
    assert not list(made.glob("*.tmp"))


@given(st.integers(0, 40), st.integers(1, 9), st.integers(1, 64))
def test_blocks_cover_all_rows_once(rows, columns, block):
    header = SimpleNamespace(shape=(rows, columns), count=rows * columns)
    before, merging.BLOCK = merging.BLOCK, block
    try:
        places = list(merging._blocks(header, whole=False))
    finally:
        merging.BLOCK = before
    if places == [(0, None)]:
        return
    assert [row for start, stop in places for row in range(start, min(stop, rows))] == [
        *range(rows)
    ]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_large_numbers_are_finite_and_nan_is_not(dtype):
    large = torch.full((9,), torch.finfo(dtype).max, dtype=dtype)
    assert is_finite(large)
    for odd in (float("nan"), float("inf"), -float("inf")):
        large[4] = odd
        assert not is_finite(large)


def test_a_file_that_changes_while_it_is_read_is_refused(donor):
    with pytest.raises(ModelError, match=r"model\.safetensors` has changed while"), Tensors(donor):
        save_file(NUMBERS | {"b": torch.ones(5)}, donor / "model.safetensors")


def test_what_is_too_large_for_the_type_is_refused(donor, tmp_path):
    with Tensors(donor) as tensors:
        headers = {"b": tensors.headers["b"]}
        large = Construction(donor, headers, lambda _: torch.full((5,), 3.4e38))
        with pytest.raises(ModelError, match="`b` would contain numbers that are too large") as one:
            write(tmp_path, large)
        with pytest.raises(ModelError, match="`b` would contain NaN"):
            write(tmp_path, Construction(donor, headers, lambda _: torch.full((5,), torch.nan)))
    assert one.value.code == "E514"
    assert not list(tmp_path.glob("*.tmp"))
