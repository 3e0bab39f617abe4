"""The header of a GGUF file: what it states, and its tensors; no package is needed to read it.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import mmap
import struct
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from composer.specs.json_files import damaged_file, file_size

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["BLOCKS", "GGUF", "GGUF_FILE", "Packed", "Value", "read_gguf"]

GGUF_FILE = "weights.gguf"
"""The name of the weights in the folder that stands for a GGUF file."""

Value: TypeAlias = "int | float | bool | str | list[Value]"

NUMBERS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
"""The types of single values, as struct reads them; 8 is a text, and 9 a list."""

TEXT, LIST = 8, 9

BLOCKS = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    30: ("BF16", 1, 2),
    28: ("F64", 1, 8),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 40),
    20: ("IQ4_NL", 32, 18),
    39: ("MXFP4", 32, 17),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    29: ("IQ1_M", 256, 56),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
}
"""The types of tensors by number: the name, and how many numbers stand in so many bytes."""

MAGIC, VERSIONS, ALIGNMENT = b"GGUF", (2, 3), 32
MOST_DIMENSIONS = 4


@dataclass(frozen=True, slots=True)
class Packed:
    """A tensor as a GGUF file holds it: the name of its type, and its shape as torch has it."""

    kind: str
    shape: tuple[int, ...]
    bytes: int


@dataclass(frozen=True, slots=True)
class GGUF:
    """What a GGUF file states of its model, and its tensors by their names there."""

    facts: Mapping[str, Value]
    tensors: Mapping[str, Packed]

    @property
    def kind(self) -> str:
        """The type in which most of the weights are stored."""
        counts: Counter[str] = Counter()
        for tensor in self.tensors.values():
            counts[tensor.kind] += math.prod(tensor.shape)
        return counts.most_common(1)[0][0] if counts else "F32"


def read_gguf(file: Path) -> GGUF:
    """Read the header of a GGUF file; raises ModelError (E505) for what is none, or incomplete."""
    file_size(file)
    stat = file.stat()
    return _read(file, (stat.st_size, stat.st_mtime_ns))


@lru_cache(maxsize=16)
def _read(file: Path, _stamp: tuple[int, int]) -> GGUF:
    try:
        with (
            file.open("rb") as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            return _Reader(file, data).read()
    except (struct.error, UnicodeDecodeError, IndexError) as problem:
        raise damaged_file(file, "has a header that is incomplete or damaged") from problem
    except (OSError, ValueError) as problem:  # an empty file cannot be mapped
        raise damaged_file(file, "cannot be read, or is empty") from problem


class _Reader:
    """Reads a header from its beginning."""

    def __init__(self, file: Path, data: mmap.mmap) -> None:
        self._file, self._data, self._at = file, data, 0

    def read(self) -> GGUF:
        """Return facts and tensors."""
        if self._data[:4] != MAGIC:
            self._damaged("is not a GGUF file")
        self._at = 4
        if (version := int(self._number("<I"))) not in VERSIONS:
            self._damaged(f"is a GGUF file of version {version}, which is not known")
        tensors, facts = int(self._number("<Q")), int(self._number("<Q"))
        stated = {self._text(): self._value(int(self._number("<I"))) for _ in range(facts)}
        named = [self._tensor() for _ in range(tensors)]
        step = stated.get("general.alignment", ALIGNMENT)
        if not isinstance(step, int) or step < 1:
            self._damaged(f"states an alignment of {step}")
        end = math.ceil(self._at / step) * step + max((n + t.bytes for _, n, t in named), default=0)
        if named and end > len(self._data):
            self._damaged(f"is incomplete: it needs {end:,} bytes, and has {len(self._data):,}")
        return GGUF(stated, {name: tensor for name, _, tensor in named})

    def _tensor(self) -> tuple[str, int, Packed]:
        """Return the name of a tensor, the place of its first byte, and what it is."""
        name, count = self._text(), int(self._number("<I"))
        if count > MOST_DIMENSIONS:
            self._damaged(f"has a tensor `{name:.80}` of {count} dimensions")
        shape = tuple(int(self._number("<Q")) for _ in range(count))[::-1]
        number, begin = int(self._number("<I")), int(self._number("<Q"))
        if number not in BLOCKS:
            self._damaged(f"stores its tensor `{name:.80}` in a type that is not known ({number})")
        kind, block, size = BLOCKS[number]
        numbers = math.prod(shape)
        if numbers % block:
            self._damaged(f"describes its tensor `{name:.80}` wrongly in its header")
        return name, begin, Packed(kind, shape, numbers // block * size)

    def _value(self, kind: int) -> Value:
        if kind == TEXT:
            return self._text()
        if kind != LIST:
            return self._number(NUMBERS.get(kind) or self._damaged("states values of odd types"))
        inner, count = int(self._number("<I")), int(self._number("<Q"))
        if inner == LIST:
            self._damaged("states a list of lists")
        if count > len(self._data):
            self._damaged("states a list that is longer than the file")
        if inner in NUMBERS:
            letters = f"<{count}{NUMBERS[inner][1]}"
            values = list(struct.unpack_from(letters, self._data, self._at))
            self._at += struct.calcsize(letters)
            return values
        return [self._value(inner) for _ in range(count)]

    def _number(self, letters: str) -> int | float | bool:
        value: int | float | bool = struct.unpack_from(letters, self._data, self._at)[0]
        self._at += struct.calcsize(letters)
        return value

    def _text(self) -> str:
        begin = self._at + 8
        end = begin + int(self._number("<Q"))
        if end > len(self._data):
            self._damaged("states a text that is longer than the file")
        self._at = end
        return self._data[begin:end].decode()

    def _damaged(self, how: str) -> NoReturn:
        raise damaged_file(self._file, how)
