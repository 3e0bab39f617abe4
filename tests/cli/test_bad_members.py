"""`compose build` of members whose files are damaged or unfit: what a person reads."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from composer import zoo
from composer.cli import main

INDEX = "model.safetensors.index.json"
NAME = "model.layers.1.mlp.up_proj.weight"
GOLDEN = Path(__file__).parent / "golden"


def changed(**tensors):
    """Return what writes the weights of `b` anew; None leaves a tensor out."""

    def change(folder):
        held = load_file(folder / "model.safetensors") | {
            name.replace("__", "."): each for name, each in tensors.items()
        }
        kept = {name: each for name, each in held.items() if each is not None}
        save_file(kept, folder / "model.safetensors")

    return change


def with_number(number):
    def change(folder):
        held = load_file(folder / "model.safetensors")
        held[NAME][3, 5] = number
        save_file(held, folder / "model.safetensors")

    return change


def split(folder):
    """Write the weights into two files with an index."""
    held = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    files = {name: f"model-0000{1 + ('layers.1' in name)}-of-00002.safetensors" for name in held}
    for file in set(files.values()):
        save_file({name: held[name] for name in held if files[name] == file}, folder / file)
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": files}))


def truncated(folder):
    split(folder)
    file = folder / "model-00002-of-00002.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])


def without_a_file(folder):
    split(folder)
    (folder / "model-00002-of-00002.safetensors").unlink()


def only_in_the_index(folder):
    split(folder)
    file = folder / "model-00002-of-00002.safetensors"
    held = load_file(file)
    del held[NAME]
    save_file(held, file)


def pickled(folder):
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")


def quantized(folder):
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "metal"}  # which needs no package
    (folder / "config.json").write_text(json.dumps(config))


CASES = {
    "truncated": truncated,
    "without_a_file": without_a_file,
    "only_in_the_index": only_in_the_index,
    "missing_tensor": changed(**{NAME.replace(".", "__"): None}),
    "other_shape": changed(**{NAME.replace(".", "__"): torch.zeros(4, 96)}),
    "nan": with_number(float("nan")),
    "infinite": with_number(-float("inf")),
    "pickled": pickled,
    "quantized": quantized,
}


@pytest.fixture
def refused(tmp_path, monkeypatch, capfd):
    """Build a merge of `a` and `b` that fails; return what is said, with nothing left behind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for folder, name in (("a", "general-1"), ("b", "tune-maths")):
        shutil.copytree(zoo.folder(name), folder)

    def build(merge):
        models = (f'model {x.upper()} = hf("{x}", generation_config = false)\n' for x in "ab")
        Path("r.ens").write_text("".join(models) + merge + "\n")
        with pytest.raises(SystemExit) as ended:
            main(["build", "r.ens", "--out", "made"])
        assert ended.value.code == 1
        assert not [each for each in Path().iterdir() if "made" in each.name]
        return capfd.readouterr().err.replace(f"{tmp_path}/", "")

    return build


@pytest.mark.parametrize("case", CASES)
def test_a_bad_member_is_said_with_its_file_and_tensor(case, refused, golden):
    CASES[case](Path("b"))
    golden(GOLDEN / f"bad_{case}.txt", refused("merge(A, B)"))


def test_a_merge_that_overflows_is_said(refused, golden):
    told = refused("merge(A + 100000000 * (B - A), dtype = float16)")
    golden(GOLDEN / "bad_overflow.txt", told)
