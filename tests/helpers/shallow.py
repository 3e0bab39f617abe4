"""Copies of checkpoints with some of their layers: they write texts as varied, and faster."""

import json
import re
import shutil

from safetensors.torch import load_file, save_file

LAYER = re.compile(r"\.(?:layers|blocks)\.(\d+)\.")


def shallow(folder, target, layers):
    """Copy a checkpoint with these of its layers alone."""
    shutil.copytree(folder, target, copy_function=shutil.copyfile)
    target.chmod(0o755)
    config = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps(config | {"num_hidden_layers": len(layers)}))
    places = {str(layer): str(place) for place, layer in enumerate(layers)}
    weights = load_file(folder / "model.safetensors")
    left = {_renamed(name, places): each for name, each in weights.items() if _has(name, places)}
    save_file(left, target / "model.safetensors", {"format": "pt"})
    return target


def _has(name, places):
    within = LAYER.search(name)
    return within is None or within[1] in places


def _renamed(name, places):
    within = LAYER.search(name)
    return name[: within.start(1)] + places[within[1]] + name[within.end(1) :] if within else name
