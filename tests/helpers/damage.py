"""Damages a copy of a model's folder in one of many ways, by a seed."""

import json
import os
import random
import shutil

from folders import read_weights, write_weights

ODD = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**12, 10**30, 0.5, -0.0, 1e308),
    *(float("inf"), float("-inf"), float("nan"), "", "0", "\ud800", "\x1b[31m", "a" * 10_000),
    *([], [None], [-1], [[]], {}, {"a": {}}, {"content": 5}, ["x"] * 1000, "../x", "/etc/passwd"),
)
JSONS = (
    *("config.json", "config.json", "config.json", "tokenizer.json", "tokenizer.json"),
    *("tokenizer_config.json", "generation_config.json", "special_tokens_map.json"),
    "model.safetensors.index.json",
)
WORDS = (
    *("rope_scaling", "rope_parameters", "text_config", "eos_token_id", "n_positions", "auto_map"),
    *("quantization_config", "num_experts", "layer_types", "sliding_window", "eos_token"),
    *("head_dim", "transformers_weights", "architectures", "added_tokens", "post_processor"),
    *("chat_template", "extra_special_tokens", "added_tokens_decoder", "model_type", "dtype"),
)
KINDS = (
    "gpt2",
    "mamba",
    "rwkv",
    "qwen2",
    "gemma2",
    "mixtral",
    "bert",
    "t5",
    "clip",
    "phi3",
    "llama4",
)


def damage(folder, seed):
    """Change a folder, and say how."""
    dice = random.Random(seed)
    how = dice.choices((value, value, text, whole, header, file), (4, 4, 2, 2, 3, 1))[0]
    return f"{how.__name__}: {how(folder, dice)}"


def value(folder, dice):
    """Change one value of a JSON file, wherever it lies in it."""
    path = folder / dice.choice(JSONS)
    content = json.loads(path.read_text()) if path.is_file() else {}
    place, name = content, None
    while isinstance(place, dict | list) and place:
        at = dice.choice(list(place) if isinstance(place, dict) else range(len(place)))
        inner = place[at]
        if not isinstance(inner, dict | list) or not inner or dice.random() < 0.4:
            name = at
            break
        place = inner
    if name is None or dice.random() < 0.2:
        place, name = content, dice.choice(WORDS)
    new = dice.choice((*ODD, *KINDS))
    if isinstance(place, dict) and dice.random() < 0.15:
        place.pop(name, None)
    else:
        place[name] = new
    path.write_text(json.dumps(content))
    return f"{path.name} {name!r} = {str(new)[:40]!r}"


def text(folder, dice):
    """Damage the text of a JSON file."""
    path = folder / dice.choice(JSONS)
    data = bytearray(path.read_bytes() if path.is_file() else b"{}")
    act = dice.randrange(7)
    at = dice.randrange(len(data))
    if act == 0:
        del data[at:]
    elif act == 1:
        data[at] = dice.randrange(256)
    elif act == 2:
        data = bytearray(dice.choice((b"[", b'{"a":')) * 10 ** dice.randrange(1, 6))
    elif act == 3:
        data = bytearray(b'{"vocab_size": 1' + b"0" * 10 ** dice.randrange(1, 6) + b"}")
    elif act == 4:
        data[at:at] = data[at : at + dice.randrange(1, 200)]
    elif act == 5:
        data = bytearray(dice.choice((b"", b"null", b"[]", b'"a"', b"\xef\xbb\xbf{}", b"\0" * 9)))
    else:
        data = data.replace(b"{", b'{"model_type": "a", "model_type": "b", ', 1)
    path.write_bytes(data)
    return f"{path.name} act {act}"


def whole(folder, dice):
    """Replace a file by another part, or take it away."""
    name = dice.choice((*JSONS, "model.safetensors", "chat_template.jinja"))
    path, act = folder / name, dice.randrange(6)
    kept = path.read_bytes() if path.is_file() else b"{}"
    path.unlink(missing_ok=True)
    if act == 0:
        path.mkdir()
    elif act == 1:
        path.symlink_to(path)
    elif act == 2:
        path.symlink_to("/dev/zero")
    elif act == 3:
        os.mkfifo(path)
    elif act == 4:
        (folder.parent / "outside").write_bytes(kept)
        path.symlink_to(folder.parent / "outside")
    return f"{name} act {act}"


def header(folder, dice):
    """Damage the header of the weights."""
    path = folder / "model.safetensors"
    content, data = read_weights(path)
    name = dice.choice([each for each in content if each != "__metadata__"])
    act = dice.randrange(8)
    if act == 0:
        content[name][dice.choice(("dtype", "shape", "data_offsets"))] = dice.choice(ODD)
    elif act == 1:
        content[name] = dice.choice(ODD)
    elif act == 2:
        content[name]["shape"][0] = dice.choice(ODD)
    elif act == 3:
        content[name]["data_offsets"][dice.randrange(2)] = dice.choice(ODD)
    elif act == 4:
        content[f"{name}2"] = content.pop(name)
    elif act == 5:
        content["__metadata__"] = dice.choice(ODD)
    elif act == 6:
        data = data[: dice.randrange(len(data))]
    else:
        path.write_bytes(dice.randbytes(dice.randrange(40)))
        return "random bytes"
    write_weights(path, content, data)
    return f"{name} act {act}"


def file(folder, dice):
    """Spread the weights over files, by an index that is wrong."""
    content, _ = read_weights(folder / "model.safetensors")
    names = [each for each in content if each != "__metadata__"]
    (folder / "model.safetensors").rename(folder / "a.safetensors")
    places = dict.fromkeys(names, "a.safetensors")
    act = dice.randrange(5)
    if act == 0:
        places[names[0]] = dice.choice(("../a.safetensors", "/tmp/a.safetensors", "b.bin", 5, None))
    elif act == 1:
        places["more"] = "a.safetensors"
    elif act == 2:
        shutil.copy(folder / "a.safetensors", folder / "b.safetensors")
        places[names[0]] = "b.safetensors"
    elif act == 3:
        places = dice.choice(ODD)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    return f"index act {act}"
