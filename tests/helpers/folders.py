"""Copies of a model's folder that differ in one thing."""

import json
import shutil
from pathlib import Path

from composer import zoo

LENGTH = 8


def copied(tmp_path, name="maths"):
    """Copy a model of the zoo, to be changed."""
    return Path(shutil.copytree(zoo.folder(name), tmp_path / "model"))


def restate(folder, file="config.json", *, without=(), **stated):
    """Change what one of a folder's JSON files states."""
    path = folder / file
    content = json.loads(path.read_text()) if path.is_file() else {}
    content |= stated
    path.write_text(json.dumps({k: v for k, v in content.items() if k not in without}))


def read_weights(file):
    """Return the header of a safetensors file, and the bytes behind it."""
    data = file.read_bytes()
    length = int.from_bytes(data[:LENGTH], "little")
    return json.loads(data[LENGTH : LENGTH + length]), data[LENGTH + length :]


def write_weights(file, header, data):
    """Write a safetensors file."""
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(LENGTH, "little") + text + data)


def reweigh(folder, change):
    """Change the tensors of a folder: `change` is given a dict of torch tensors by name."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    save_file(change(tensors), folder / "model.safetensors", metadata={"format": "pt"})
