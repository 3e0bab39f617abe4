"""The header of GGUF files, written by hand, damaged, and against the package `gguf`."""

import struct
from contextlib import suppress

import pytest
from ggufs import written
from hypothesis import given
from hypothesis import strategies as st

from composer.specs.gguf import BLOCKS, GGUF_FILE, Packed, read_gguf
from composer.specs.gguf_names import class_name
from composer.specs.headers import tensors_of
from composer.values import ModelError

FACTS = {
    "general.architecture": "llama",
    "llama.block_count": 2,
    "flag": True,
    "half": 0.5,
    "words": ["a", "ü", ""],
    "scores": [0.0, -1.5],
    "nothing": [],
}
TENSORS = [
    ("blk.1.attn_q.weight", 8, (2, 32), bytes(68)),
    ("token_embd.weight", 0, (4, 2), bytes(32)),
]


def file(tmp_path, data):
    path = tmp_path / "m.gguf"
    path.write_bytes(data)
    return path


def test_facts_and_tensors_are_read(tmp_path):
    read = read_gguf(file(tmp_path, written(FACTS, TENSORS)))
    assert read.facts == FACTS
    assert read.tensors == {
        "token_embd.weight": Packed("F32", (4, 2), 32),
        "blk.1.attn_q.weight": Packed("Q8_0", (2, 32), 68),
    }
    assert read.kind == "Q8_0"


def test_a_folder_that_stands_for_a_file_has_its_tensors_in_float32(tmp_path):
    (tmp_path / GGUF_FILE).write_bytes(written(FACTS, TENSORS))
    tensors = tensors_of(tmp_path)
    assert {name: (each.dtype, each.shape, each.bytes) for name, each in tensors.items()} == {
        "model.embed_tokens.weight": ("F32", (4, 2), 32),
        "model.layers.1.self_attn.q_proj.weight": ("F32", (2, 32), 256),
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("output.weight", "lm_head.weight"),
        ("output_norm.weight", "model.norm.weight"),
        ("blk.11.ffn_down.weight", "model.layers.11.mlp.down_proj.weight"),
        ("blk.0.attn_q.bias", "model.layers.0.self_attn.q_proj.bias"),
        ("blk.0.ssm_a", "blk.0.ssm_a"),
        ("rope_freqs.weight", "rope_freqs.weight"),
    ],
)
def test_names_are_those_of_the_llama_family(name, expected):
    assert class_name(name) == expected


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (written(FACTS, magic=b"GGML"), "is not a GGUF file"),
        (written(FACTS, version=9), "version 9"),
        (written(FACTS, TENSORS)[:-1], "is incomplete: it needs"),
        (written({}, [("t", 99, (1,), b"")]), "a type that is not known"),
        (written({}, [("t", 8, (31,), bytes(34))]), "wrongly"),
        (written({}, [("t", 0, (1,) * 5, bytes(4))]), "5 dimensions"),
        (written({"general.alignment": 0}), "alignment"),
        (written({"a": "b"}).replace(b"b", b"\xff"), "incomplete or damaged"),
        (written({"a": [[1]]}), "a list of lists"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 0), "incomplete or damaged"),
    ],
)
def test_damaged_files_are_named(tmp_path, data, words):
    with pytest.raises(ModelError, match=words) as caught:
        read_gguf(file(tmp_path, data))
    assert caught.value.code == "E505"


@given(cut=st.integers(0, len(written(FACTS, TENSORS)) - 1))
def test_every_beginning_of_a_file_is_refused(tmp_path_factory, cut):
    path = file(tmp_path_factory.mktemp("cut"), written(FACTS, TENSORS)[:cut])
    with pytest.raises(ModelError):
        read_gguf(path)


@given(at=st.integers(0, 200), byte=st.integers(0, 255))
def test_a_changed_byte_never_ends_in_a_traceback(tmp_path_factory, at, byte):
    data = bytearray(written(FACTS, TENSORS))
    data[at] = byte
    with suppress(ModelError):
        read_gguf(file(tmp_path_factory.mktemp("odd"), bytes(data)))


def test_types_are_those_of_the_package():
    gguf = pytest.importorskip("gguf", reason="needs the extra `quant`: gguf is not installed")
    sizes = {each.value: (each.name, *size) for each, size in gguf.GGML_QUANT_SIZES.items()}
    assert {number: sizes[number] for number in BLOCKS} == BLOCKS
